import { EINVAL, isRingBuffer } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, HelperError, mapArgument, pointer, ringBufferArgument, size } from './helper-arguments.ts';

/** BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP: consumers of the machine poll, so both change nothing. */
const WAKEUP_FLAGS = 3n;
const HEADER = 8;

/** Finds the ring buffer through the handle in the record's header, as the kernel does through its page offset. */
function commit(
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  how: 'submit' | 'discard',
): bigint {
  const record = pointer(helper, environment, registers, 1, 0);
  const map = environment.map(environment.memory.view.getUint32(record - HEADER + 4, true));
  if (!map || !isRingBuffer(map)) throw new HelperError(helper, 'r1 does not point to a reserved record');
  map[how](record);
  return 0n;
}

/** Maps and ring buffers (kernel/bpf/helpers.c, kernel/bpf/ringbuf.c). */
export const mapHelpers: readonly Helper[] = [
  {
    name: 'bpf_map_lookup_elem',
    id: 1,
    arguments: ['map', 'map_key'],
    returns: 'map_value_or_null',
    programTypes: 'all',
    run: (environment, registers) => {
      const map = mapArgument('bpf_map_lookup_elem', environment, registers);
      const key = pointer('bpf_map_lookup_elem', environment, registers, 2, map.spec.keySize);
      const value = map.lookupAt(key);
      return value === 0 ? 0n : environment.memory.address(value);
    },
  },
  {
    name: 'bpf_map_update_elem',
    id: 2,
    arguments: ['map', 'map_key', 'map_value', 'anything'],
    returns: 'scalar',
    programTypes: 'all',
    run: (environment, registers) => {
      const map = mapArgument('bpf_map_update_elem', environment, registers);
      const key = pointer('bpf_map_update_elem', environment, registers, 2, map.spec.keySize);
      const value = pointer('bpf_map_update_elem', environment, registers, 3, map.spec.valueSize);
      return BigInt(map.updateAt(key, value, Number(argument(registers, 4))));
    },
  },
  {
    name: 'bpf_map_delete_elem',
    id: 3,
    arguments: ['map', 'map_key'],
    returns: 'scalar',
    programTypes: 'all',
    run: (environment, registers) => {
      const map = mapArgument('bpf_map_delete_elem', environment, registers);
      return BigInt(map.deleteAt(pointer('bpf_map_delete_elem', environment, registers, 2, map.spec.keySize)));
    },
  },
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
  {
    name: 'bpf_ringbuf_submit',
    id: 132,
    arguments: ['record', 'anything'],
    returns: 'void',
    programTypes: 'all',
    run: (environment, registers) => commit('bpf_ringbuf_submit', environment, registers, 'submit'),
  },
  {
    name: 'bpf_ringbuf_discard',
    id: 133,
    arguments: ['record', 'anything'],
    returns: 'void',
    programTypes: 'all',
    run: (environment, registers) => commit('bpf_ringbuf_discard', environment, registers, 'discard'),
  },
];
