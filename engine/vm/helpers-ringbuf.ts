import { E2BIG, EINVAL, isRingBuffer } from '../maps/index.ts';
import { clearDynptr, DYNPTR_RINGBUF, dynptrAt, MAX_DYNPTR, setDynptr } from './dynptr.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, HelperError, pointer, ringBufferArgument, row, size, u32 } from './helper-arguments.ts';

/** BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP: consumers of the machine poll, so both change nothing. */
const WAKEUP_FLAGS = 3n;
const HEADER = 8;

/** Finds the ring buffer through the handle in the record's header, as the kernel does through its page offset. */
function commit(helper: string, environment: VmEnvironment, record: number, how: 'submit' | 'discard'): bigint {
  const map = environment.map(environment.memory.view.getUint32(record - HEADER + 4, true));
  if (!map || !isRingBuffer(map)) throw new HelperError(helper, 'r1 does not point to a reserved record');
  map[how](record);
  return 0n;
}

const ending = (id: number, how: 'submit' | 'discard'): Helper => {
  const name = `bpf_ringbuf_${how}`;
  return {
    name,
    id,
    arguments: ['record', 'anything'],
    returns: 'void',
    programTypes: 'all',
    run: (environment, registers) => commit(name, environment, pointer(name, environment, registers, 1, 0), how),
  };
};

const dynptrEnding = (id: number, how: 'submit' | 'discard'): Helper => {
  const name = `ringbuf_${how}_dynptr`;
  return row(id, name, ['ringbuf_dynptr', 'anything'], 'void', 'all', (environment, registers) => {
    const at = pointer(`bpf_${name}`, environment, registers, 1, 16);
    const dynptr = dynptrAt(environment, at);
    if (!dynptr) return 0;
    clearDynptr(environment, at);
    return commit(`bpf_${name}`, environment, dynptr.data, how);
  });
};

/** Ring buffers (kernel/bpf/ringbuf.c). */
export const ringbufHelpers: readonly Helper[] = [
  {
    name: 'bpf_ringbuf_output',
    id: 130,
    arguments: ['ringbuf', 'memory', 'size_or_zero', 'anything'],
    returns: 'scalar',
    programTypes: 'all',
    run: (environment, registers) => {
      const ring = ringBufferArgument('bpf_ringbuf_output', environment, registers);
      const length = size('bpf_ringbuf_output', registers, 3);
      if ((argument(registers, 4) & ~WAKEUP_FLAGS) !== 0n) return BigInt(-EINVAL);
      const data = length === 0 ? 0 : pointer('bpf_ringbuf_output', environment, registers, 2, length);
      return BigInt(ring.output(data, length));
    },
  },
  {
    name: 'bpf_ringbuf_reserve',
    id: 131,
    arguments: ['ringbuf', 'constant_size', 'anything'],
    returns: 'record_or_null',
    programTypes: 'all',
    run: (environment, registers) => {
      const ring = ringBufferArgument('bpf_ringbuf_reserve', environment, registers);
      if (argument(registers, 3) !== 0n) return 0n;
      const record = ring.reserve(Number(argument(registers, 2)));
      return record === 0 ? 0n : environment.memory.address(record);
    },
  },
  ending(132, 'submit'),
  ending(133, 'discard'),
  row(134, 'ringbuf_query', ['ringbuf', 'anything'], 'scalar', 'all', (environment, registers) => {
    const { layout } = ringBufferArgument('bpf_ringbuf_query', environment, registers);
    const { view } = environment.memory;
    const consumer = view.getBigUint64(layout.consumerAt, true);
    const producer = view.getBigUint64(layout.producerAt, true);
    switch (argument(registers, 2)) {
      case 0n: // BPF_RB_AVAIL_DATA
        return producer - consumer;
      case 1n: // BPF_RB_RING_SIZE
        return layout.mask + 1;
      case 2n: // BPF_RB_CONS_POS
        return consumer;
      case 3n: // BPF_RB_PROD_POS
        return producer;
      default:
        return 0;
    }
  }),
  row(
    198,
    'ringbuf_reserve_dynptr',
    ['ringbuf', 'anything', 'anything', 'ringbuf_dynptr_out'],
    'scalar',
    'all',
    (environment, registers) => {
      const ring = ringBufferArgument('bpf_ringbuf_reserve_dynptr', environment, registers);
      const at = pointer('bpf_ringbuf_reserve_dynptr', environment, registers, 4, 16);
      const length = u32(registers, 2);
      clearDynptr(environment, at);
      if (argument(registers, 3) !== 0n) return -EINVAL;
      if (length > MAX_DYNPTR) return -E2BIG;
      const data = ring.reserve(length);
      if (data === 0) return -EINVAL;
      setDynptr(environment, at, { data, size: length, type: DYNPTR_RINGBUF, readOnly: false });
      return 0;
    },
  ),
  dynptrEnding(199, 'submit'),
  dynptrEnding(200, 'discard'),
];
