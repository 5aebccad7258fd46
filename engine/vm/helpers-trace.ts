import { E2BIG, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, type PerfEventArray, type StackTraceMap } from '../maps/index.ts';
import { ATTACH_TYPES } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { ArgumentType, Helper } from './helper.ts';
import { argument, bytesArgument, mapWith, pointer, row, size, u32 } from './helper-arguments.ts';
import { TRACING_TYPES, TRAMPOLINES, TYPED_TYPES } from './program-types.ts';

/** Flags of bpf_get_stack (include/uapi/linux/bpf.h): frames to skip, then bits. */
const SKIP_FRAMES = 0xffn;
const USER_STACK = 1n << 8n;
const USER_BUILD_ID = 1n << 11n;
/** sizeof(struct bpf_stack_build_id). */
const BUILD_ID_BYTES = 32;

/** Writes a call chain into the buffer in r`n`: its bytes, or a negative errno with the buffer zeroed. */
function writeStack(
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  n: number,
  task: bigint | undefined,
): number {
  const buffer = bytesArgument(helper, environment, registers, n, size(helper, registers, n + 1));
  const flags = argument(registers, n + 2);
  const fail = (errno: number): number => {
    buffer.fill(0);
    return -errno;
  };
  const user = (flags & USER_STACK) !== 0n;
  const buildId = (flags & USER_BUILD_ID) !== 0n;
  if ((flags & ~(SKIP_FRAMES | USER_STACK | USER_BUILD_ID)) !== 0n || (buildId && !user)) return fail(EINVAL);
  if (buffer.length % (buildId ? BUILD_ID_BYTES : 8) !== 0) return fail(EINVAL);
  const frames = environment.stack?.(user, task);
  const skipped = Number(flags & SKIP_FRAMES);
  if (!frames || frames.length < skipped) return fail(EFAULT);
  const taken = frames.slice(skipped, skipped + buffer.length / (buildId ? BUILD_ID_BYTES : 8));
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  buffer.fill(0);
  for (const [index, frame] of taken.entries()) {
    if (!buildId) view.setBigUint64(8 * index, frame, true);
    else {
      view.setInt32(BUILD_ID_BYTES * index, 2, true); // BPF_STACK_BUILD_ID_IP: the address itself
      view.setBigUint64(BUILD_ID_BYTES * index + 24, frame, true);
    }
  }
  return taken.length * (buildId ? BUILD_ID_BYTES : 8);
}

/** The slot of r1's row of arguments: those, then the result. */
function contextWord(environment: VmEnvironment, registers: BigUint64Array, index: number): bigint {
  const at = pointer('bpf_get_func_arg', environment, registers, 1, 8 * (index + 1));
  return environment.memory.view.getBigUint64(at + 8 * index, true);
}

const out = { memory: 8, access: 'out' } as const;
const trampoline = { attachTypes: { tracing: TRAMPOLINES, lsm: [ATTACH_TYPES.lsm_mac] } } as const;

/** BPF_F_INDEX_MASK, and BPF_F_CTXLEN_MASK of programs on a packet. */
const [INDEX, CONTEXT_LENGTH] = [0xffff_ffffn, 0xf_ffffn << 32n];

/** Hands an event to the reader of a perf event array; what it is about is kept by no reader of this machine. */
const output = (id: number, name: string, programTypes: Helper['programTypes'], about: ArgumentType): Helper =>
  row(
    id,
    name,
    [about, 'map', 'anything', 'memory', 'size_or_zero'],
    'scalar',
    programTypes,
    (environment, registers) => {
      const map = mapWith<PerfEventArray>(`bpf_${name}`, environment, registers.slice(1), 'outputAt');
      const flags = argument(registers, 3);
      if ((flags & ~(INDEX | CONTEXT_LENGTH)) !== 0n) return -EINVAL;
      const length = size(`bpf_${name}`, registers, 5);
      const data = length === 0 ? 0 : pointer(`bpf_${name}`, environment, registers, 4, length);
      return map.outputAt(data, length, Number(flags & INDEX));
    },
    { mapTypes: ['perf_event_array'], gplOnly: true },
  );

/** sizeof(struct bpf_perf_event_value). */
const EVENT_VALUE_BYTES = 24;

/** Counters that no simulated event has: the memory is zeroed. */
const counter = (
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  n: number,
  result: number,
): number => {
  const buffer = bytesArgument(helper, environment, registers, n, size(helper, registers, n + 1));
  buffer.fill(0);
  return buffer.length === EVENT_VALUE_BYTES ? result : -EINVAL;
};

/** Events, call chains, and what is known of the place that a program is attached to (kernel/trace/bpf_trace.c, kernel/bpf/stackmap.c). */
export const traceHelpers: readonly Helper[] = [
  output(25, 'perf_event_output', 'all', 'context'),
  output(111, 'skb_output', TYPED_TYPES, { struct: 'sk_buff' }),
  output(121, 'xdp_output', TYPED_TYPES, { struct: 'xdp_buff' }),
  row(
    22,
    'perf_event_read',
    ['map', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const map = mapWith<PerfEventArray>('bpf_perf_event_read', environment, registers, 'outputAt');
      const flags = argument(registers, 2);
      if (flags > INDEX) return -EINVAL;
      const index = flags === INDEX ? (environment.currentCpu?.() ?? 0) : Number(flags);
      return index >= map.spec.maxEntries ? -E2BIG : -ENOENT;
    },
    { mapTypes: ['perf_event_array'], gplOnly: true },
  ),
  row(
    55,
    'perf_event_read_value',
    ['map', 'anything', 'memory_out', 'size'],
    'scalar',
    'all',
    (environment, registers) => counter('bpf_perf_event_read_value', environment, registers, 3, -ENOENT),
    { mapTypes: ['perf_event_array'], gplOnly: true },
  ),
  row(
    56,
    'perf_prog_read_value',
    ['context', 'memory_out', 'size'],
    'scalar',
    ['perf_event'],
    (environment, registers) => counter('bpf_perf_prog_read_value', environment, registers, 2, -EINVAL),
    { gplOnly: true },
  ),
  row(
    119,
    'read_branch_records',
    ['context', 'memory_out_or_null', 'size_or_zero', 'anything'],
    'scalar',
    ['perf_event'],
    (_, registers) => ((argument(registers, 4) & ~1n) !== 0n ? -EINVAL : -ENOENT),
    { gplOnly: true },
  ),
  row(
    27,
    'get_stackid',
    ['context', 'map', 'anything'],
    'scalar',
    TRACING_TYPES,
    (environment, registers) => {
      const map = mapWith<StackTraceMap>('bpf_get_stackid', environment, registers.slice(1), 'stackId');
      const flags = argument(registers, 3);
      if (flags > 0xffff_ffffn) return -EINVAL;
      const frames = environment.stack?.((flags & USER_STACK) !== 0n);
      return frames ? map.stackId(frames, Number(flags)) : -EFAULT;
    },
    { mapTypes: ['stack_trace'], gplOnly: true },
  ),
  row(
    67,
    'get_stack',
    ['context', 'memory_out', 'size_or_zero', 'anything'],
    'scalar',
    TRACING_TYPES,
    (environment, registers) => writeStack('bpf_get_stack', environment, registers, 2, undefined),
    { boundedBySize: true, gplOnly: true },
  ),
  row(
    141,
    'get_task_stack',
    [{ struct: 'task_struct' }, 'memory_out', 'size_or_zero', 'anything'],
    'scalar',
    'all',
    (environment, registers) => writeStack('bpf_get_task_stack', environment, registers, 2, argument(registers, 1)),
    { boundedBySize: true },
  ),
  row(
    58,
    'override_return',
    ['context', 'anything'],
    'scalar',
    ['kprobe'],
    (environment, registers) => {
      environment.overrideReturn?.(argument(registers, 2));
      return 0;
    },
    { gplOnly: true },
  ),
  row(
    162,
    'sock_from_file',
    [{ struct: 'file' }],
    { struct: 'socket', nullable: true },
    TYPED_TYPES,
    (environment, registers) => environment.socketOf?.(argument(registers, 1)) ?? 0,
  ),
  row(173, 'get_func_ip', ['context'], 'scalar', TRACING_TYPES, (environment) => environment.functionAddress?.() ?? 0, {
    gplOnly: true,
  }),
  row(
    174,
    'get_attach_cookie',
    ['context'],
    'scalar',
    TRACING_TYPES.filter((type) => type !== 'syscall'),
    (environment) => environment.attachCookie?.() ?? 0,
    { attachTypes: { tracing: [ATTACH_TYPES.trace_raw_tp, ...TRAMPOLINES], lsm: [ATTACH_TYPES.lsm_mac] } },
  ),
  row(
    176,
    'get_branch_snapshot',
    ['memory_out', 'size_or_zero'],
    'scalar',
    'all',
    (_, registers) => (argument(registers, 3) === 0n ? -ENOENT : -EINVAL),
    { gplOnly: true },
  ),
  row(
    183,
    'get_func_arg',
    ['context', 'anything', out],
    'scalar',
    ['tracing', 'lsm'],
    (environment, registers) => {
      const { count = 0 } = environment.functionArguments?.() ?? {};
      const index = u32(registers, 2);
      if (index >= count) return -EINVAL;
      const to = pointer('bpf_get_func_arg', environment, registers, 3, 8);
      environment.memory.view.setBigUint64(to, contextWord(environment, registers, index), true);
      return 0;
    },
    trampoline,
  ),
  row(
    184,
    'get_func_ret',
    ['context', out],
    'scalar',
    ['tracing', 'lsm'],
    (environment, registers) => {
      const shape = environment.functionArguments?.();
      if (!shape?.hasResult) return -EOPNOTSUPP;
      const to = pointer('bpf_get_func_ret', environment, registers, 2, 8);
      environment.memory.view.setBigUint64(to, contextWord(environment, registers, shape.count), true);
      return 0;
    },
    trampoline,
  ),
  row(
    185,
    'get_func_arg_cnt',
    ['context'],
    'scalar',
    ['tracing', 'lsm'],
    (environment) => environment.functionArguments?.().count ?? 0,
    trampoline,
  ),
  ...(['ima_inode_hash', 'ima_file_hash'] as const).map((name) =>
    row(
      name === 'ima_inode_hash' ? 161 : 193,
      name,
      [{ struct: name === 'ima_inode_hash' ? 'inode' : 'file' }, 'memory_out', 'size'],
      'scalar',
      ['lsm'],
      () => -EOPNOTSUPP,
      { sleepable: true },
    ),
  ),
  row(166, 'sys_bpf', ['anything', 'memory', 'size'], 'scalar', ['syscall'], () => -EINVAL),
  row(
    167,
    'btf_find_by_name_kind',
    ['memory', 'size', 'anything', 'anything'],
    'scalar',
    ['syscall'],
    (_, registers) => (argument(registers, 4) === 0n ? -ENOENT : -EINVAL),
  ),
  row(168, 'sys_close', ['anything'], 'scalar', ['syscall'], () => -EINVAL),
  row(
    179,
    'kallsyms_lookup_name',
    ['memory', 'size_or_zero', 'anything', out],
    'scalar',
    ['syscall'],
    (environment, registers) => {
      const text = bytesArgument(
        'bpf_kallsyms_lookup_name',
        environment,
        registers,
        1,
        size('bpf_kallsyms_lookup_name', registers, 2),
      );
      const to = pointer('bpf_kallsyms_lookup_name', environment, registers, 4, 8);
      environment.memory.view.setBigUint64(to, 0n, true);
      if (argument(registers, 3) !== 0n || text.length <= 1 || text.at(-1) !== 0) return -EINVAL;
      const address = environment.symbolAddress?.(new TextDecoder('latin1').decode(text.subarray(0, text.indexOf(0))));
      if (address === undefined) return -ENOENT;
      environment.memory.view.setBigUint64(to, address, true);
      return 0;
    },
  ),
];
