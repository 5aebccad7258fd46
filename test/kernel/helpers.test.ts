import { release } from 'node:os';
import { describe, expect, it } from 'vitest';
import { assemble, call, exit, mov, R0 } from '../../engine/isa/index.ts';
import { helperById, helperNameOf, mayCall } from '../../engine/vm/index.ts';
import { BpfError, btfIdOf, type LinuxProgramSpec, loadLinuxProgram } from '../../sensors/linux/index.ts';
import { kernelSkip } from '../support/kernel.ts';

const skip = kernelSkip();
/** The table is that of 6.18; from 6.16 on nothing that is compared here changed. */
const [major = 0, minor = 0] = release().split('.').map(Number);
const older = major < 6 || (major === 6 && minor < 16);
const LAST_HELPER = 211;

interface Kind {
  readonly programType: LinuxProgramSpec['programType'];
  readonly attachType?: number;
  /** What a program of type tracing names to be loaded. */
  readonly target?: readonly ['func' | 'typedef', string];
  readonly sleepable?: boolean;
}

/** Each type of program that the kernel takes without a trampoline, with the attach types that helpers tell apart. */
const KINDS: Readonly<Record<string, Kind>> = {
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

/** What a kernel may be built or locked down without. */
const BY_CONFIGURATION = new Set(['bpf_probe_write_user', 'bpf_override_return']);

/** Those that need map types which the machine does not have: cgroup_storage, sk_storage and user_ringbuf. */
const WITHOUT_MAPS = ['bpf_get_local_storage', 'bpf_sk_storage_delete', 'bpf_sk_storage_get', 'bpf_user_ringbuf_drain'];

const logs = new Map<string, string>();

/** The kernel's log for a program of that kind that does nothing but call a helper. */
function logOf(kind: Kind, id: number, license = 'GPL'): string {
  const key = `${JSON.stringify(kind)} ${id} ${license}`;
  const known = logs.get(key);
  if (known !== undefined) return known;
  const log = load(kind, id, license);
  logs.set(key, log);
  return log;
}

function load({ programType, attachType, target, sleepable = false }: Kind, id: number, license: string): string {
  const { instructions } = assemble([call(id), mov(R0, 0), exit()]);
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

/** Whether the kernel knows the helper for programs of that kind; whatever else stands against the call comes later in its verifier. */
const kernelMayCall = (kind: Kind, id: number): boolean =>
  !/cannot use helper|unknown func|invalid func|is not allowed in probe/.test(logOf(kind, id));

/** bpf_get_stackid is free to all in perf_event programs, which have a variant of their own. */
const isFreeOnlyThere = (kind: string, id: number): boolean =>
  kind === 'perf_event' && helperNameOf(id) === 'bpf_get_stackid';

const IDS = Array.from({ length: LAST_HELPER }, (_, index) => index + 1);
const namesOf = (ids: readonly number[]): (string | undefined)[] => ids.map(helperNameOf);

describe.skipIf(skip || older)('who may call a helper is what the running kernel says', () => {
  it.each(Object.entries(KINDS))('%s', (_, kind) => {
    const offered = IDS.filter((id) => helperById(id) && !BY_CONFIGURATION.has(helperNameOf(id)!));
    const ours = offered.filter((id) => mayCall(helperById(id)!, kind));
    expect(namesOf(ours)).toEqual(namesOf(offered.filter((id) => kernelMayCall(kind, id))));
    expect(ours.length).toBeGreaterThan(60);
  });

  it('every helper of tracing and cgroup programs is in the table, but for maps that are not there', () => {
    const kinds = Object.values(KINDS).filter(
      ({ programType }) => !['sched_cls', 'xdp', 'socket_filter'].includes(programType),
    );
    const missing = IDS.filter((id) => !helperById(id) && kinds.some((kind) => kernelMayCall(kind, id)));
    expect(namesOf(missing).sort()).toEqual(WITHOUT_MAPS);
  });

  it.each(['kprobe', 'tc', 'xdp', 'perf_event', 'cgroup_skb/ingress', 'cgroup/connect4', 'iter/task', 'syscall'])(
    '%s: which helpers only a GPL-compatible program may call',
    (name) => {
      const kind = KINDS[name]!;
      const offered = IDS.filter((id) => helperById(id) && kernelMayCall(kind, id));
      const ours = offered.filter((id) => helperById(id)!.gplOnly);
      const kernels = offered.filter(
        (id) => logOf(kind, id, 'Proprietary').includes('GPL-restricted') || isFreeOnlyThere(name, id),
      );
      expect(namesOf(ours)).toEqual(namesOf(kernels));
    },
  );

  it.each(['kprobe', 'tc', 'cgroup/connect4', 'tp_btf'])(
    '%s: which helpers only a sleepable program may call',
    (name) => {
      const kind = KINDS[name]!;
      const offered = IDS.filter((id) => helperById(id) && kernelMayCall(kind, id));
      const ours = offered.filter((id) => helperById(id)!.sleepable);
      const kernels = offered.filter((id) => /might sleep|sleepable helper/.test(logOf(kind, id)));
      expect(namesOf(ours)).toEqual(namesOf(kernels));
    },
  );
});
