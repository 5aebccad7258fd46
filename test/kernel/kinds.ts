import { release } from 'node:os';
import { assemble, exit, type Item, mov, R0 } from '../../engine/isa/index.ts';
import { BpfError, btfIdOf, type LinuxProgramSpec, loadLinuxProgram } from '../../sensors/linux/index.ts';

/** Whether the running kernel is older than what the tables say of who may call: they are those of 6.18, and from 6.16 on nothing changed. */
export const isOlderKernel = (): boolean => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major < 6 || (major === 6 && minor < 16);
};

/** A kind of program that the kernel can be asked to load. */
export interface Kind {
  readonly programType: LinuxProgramSpec['programType'];
  readonly attachType?: number;
  /** What a program of type tracing names to be loaded. */
  readonly target?: readonly ['func' | 'typedef', string];
  readonly sleepable?: boolean;
}

/** Each type of program that the kernel takes without a trampoline, with the attach types that helpers tell apart. */
export const KINDS: Readonly<Record<string, Kind>> = {
  socket_filter: { programType: 'socket_filter' },
  kprobe: { programType: 'kprobe' },
  tc: { programType: 'sched_cls' },
  tracepoint: { programType: 'tracepoint' },
  xdp: { programType: 'xdp' },
  perf_event: { programType: 'perf_event' },
  'cgroup_skb/ingress': { programType: 'cgroup_skb', attachType: 0 },
  'cgroup/sock_create': { programType: 'cgroup_sock', attachType: 2 },
  'cgroup/dev': { programType: 'cgroup_device', attachType: 6 },
  raw_tracepoint: { programType: 'raw_tracepoint' },
  'raw_tracepoint.w': { programType: 'raw_tracepoint_writable' },
  'cgroup/connect4': { programType: 'cgroup_sock_addr', attachType: 10 },
  'cgroup/sendmsg4': { programType: 'cgroup_sock_addr', attachType: 14 },
  'cgroup/sysctl': { programType: 'cgroup_sysctl', attachType: 18 },
  'cgroup/getsockopt': { programType: 'cgroup_sockopt', attachType: 21 },
  'cgroup/setsockopt': { programType: 'cgroup_sockopt', attachType: 22 },
  tp_btf: { programType: 'tracing', attachType: 23, target: ['typedef', 'btf_trace_sys_exit'] },
  'iter/task': { programType: 'tracing', attachType: 28, target: ['func', 'bpf_iter_task'] },
  syscall: { programType: 'syscall', sleepable: true },
};

const logs = new Map<string, string>();

/** The kernel's log for a program of that kind that does nothing but make a call. */
export function logOf(kind: Kind, called: Item, license = 'GPL'): string {
  const key = `${JSON.stringify([kind, called])} ${license}`;
  const known = logs.get(key);
  if (known !== undefined) return known;
  const log = load(kind, called, license);
  logs.set(key, log);
  return log;
}

function load({ programType, attachType, target, sleepable = false }: Kind, called: Item, license: string): string {
  const { instructions } = assemble([called, mov(R0, 0), exit()]);
  const attachBtfId = target && btfIdOf(...target);
  const spec: LinuxProgramSpec = {
    ...{ name: 'helper', sleepable, instructions, programType, license, log: 'states' },
    ...(attachType === undefined ? {} : { attachType }),
    ...(attachBtfId === undefined ? {} : { attachBtfId }),
  };
  try {
    loadLinuxProgram(spec).close();
    return '';
  } catch (error) {
    if (error instanceof BpfError) return error.log;
    throw error;
  }
}
