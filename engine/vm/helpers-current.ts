import { EINVAL } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, pointer, size } from './helper-arguments.ts';

/** _NSIG of x86-64: the greatest signal number. */
const MAX_SIGNAL = 64n;

const number = (id: number, name: string, run: (environment: VmEnvironment) => bigint): Helper => ({
  name,
  id,
  arguments: [],
  returns: 'scalar',
  programTypes: 'all',
  run,
});

const signal = (id: number, name: string): Helper => ({
  name,
  id,
  arguments: ['anything'],
  returns: 'scalar',
  programTypes: 'all',
  run: (environment, registers) => {
    const wanted = argument(registers, 1) & 0xffff_ffffn;
    return BigInt(wanted > MAX_SIGNAL ? -EINVAL : environment.sendSignal(Number(wanted)));
  },
});

/** Time, chance, and the task that the hook runs on (kernel/bpf/helpers.c, kernel/trace/bpf_trace.c). */
export const currentHelpers: readonly Helper[] = [
  number(5, 'bpf_ktime_get_ns', (environment) => environment.bootNs()),
  number(7, 'bpf_get_prandom_u32', (environment) => BigInt(environment.random() >>> 0)),
  number(8, 'bpf_get_smp_processor_id', () => 0n),
  number(14, 'bpf_get_current_pid_tgid', (environment) => environment.currentPidTgid()),
  number(15, 'bpf_get_current_uid_gid', (environment) => environment.currentUidGid()),
  {
    name: 'bpf_get_current_comm',
    id: 16,
    arguments: ['memory_out', 'size'],
    returns: 'scalar',
    programTypes: 'all',
    run: (environment, registers) => {
      const length = size('bpf_get_current_comm', registers, 2);
      const buffer = pointer('bpf_get_current_comm', environment, registers, 1, length);
      if (length === 0) return BigInt(-EINVAL);
      const { bytes } = environment.memory;
      const comm = environment.currentComm();
      const nul = comm.indexOf(0);
      const text = comm.subarray(0, Math.min(nul < 0 ? comm.length : nul, length - 1));
      bytes.fill(0, buffer, buffer + length);
      bytes.set(text, buffer);
      return 0n;
    },
  },
  number(35, 'bpf_get_current_task', (environment) => environment.currentTask()),
  number(80, 'bpf_get_current_cgroup_id', (environment) => environment.currentCgroupId()),
  signal(109, 'bpf_send_signal'),
  signal(117, 'bpf_send_signal_thread'),
  {
    name: 'bpf_get_current_ancestor_cgroup_id',
    id: 123,
    arguments: ['anything'],
    returns: 'scalar',
    programTypes: 'all',
    run: (environment, registers) => {
      const level = Number(BigInt.asIntN(32, argument(registers, 1)));
      return level < 0 ? 0n : environment.currentAncestorCgroupId(level);
    },
  },
  number(125, 'bpf_ktime_get_boot_ns', (environment) => environment.bootNs()),
  {
    ...number(158, 'bpf_get_current_task_btf', (environment) => environment.currentTask()),
    returns: { struct: 'task_struct' },
  },
];
