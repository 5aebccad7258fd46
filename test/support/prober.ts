import type { MapSpec } from '../../engine/object/index.ts';
import type { Prober } from '../../sensors/index.ts';

type Program = Parameters<Prober['load']>[0];

/** How a machine differs from a healthy one. */
export interface Conditions {
  readonly release?: string;
  /** Files by path; undefined where one is missing. */
  readonly files?: Readonly<Record<string, string | undefined>>;
  /** Names of the kernel's types that are missing; `all` for a kernel without BTF. */
  readonly withoutTypes?: 'all' | readonly string[];
  /** Why a program is refused, by an errno's name. */
  readonly refuseProgram?: (program: Program) => string | undefined;
  readonly refuseMap?: (map: MapSpec) => string | undefined;
  readonly refuseStatistics?: string;
  readonly refuseFanotify?: string;
  /** Sockets that are there and may not be connected to. */
  readonly closedSockets?: readonly string[];
}

const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';

/** /proc/self/status as far as it matters: uid, effective capabilities, seccomp mode. */
export const statusOf = (uid: number, capabilities: bigint, seccomp = 0): string =>
  `Name:\tnode\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nCapEff:\t${capabilities.toString(16).padStart(16, '0')}\nSeccomp:\t${seccomp}\n`;

/** All capabilities there are, 0 to CAP_CHECKPOINT_RESTORE (40). */
export const ALL_CAPABILITIES = (1n << 41n) - 1n;
export const [CAP_PERFMON, CAP_BPF] = [1n << 38n, 1n << 39n];

/** A Debian with Linux 6.12 and systemd, where root asks. */
const HEALTHY: Readonly<Record<string, string>> = {
  '/sys/kernel/btf/vmlinux': '',
  '/proc/self/status': statusOf(0, ALL_CAPABILITIES),
  '/proc/self/uid_map': '         0          0 4294967295\n',
  '/proc/self/limits': 'Max locked memory         8388608              8388608              bytes     \n',
  '/proc/self/mountinfo': `${V2}\n31 23 0:27 / /sys/fs/bpf rw - bpf bpf rw,mode=700\n`,
  '/proc/self/cgroup': '0::/system.slice/shrike.service\n',
  '/proc/cmdline': 'quiet',
  '/proc/sys/net/core/bpf_jit_enable': '1\n',
  '/proc/sys/kernel/unprivileged_bpf_disabled': '2\n',
  '/proc/sys/kernel/io_uring_disabled': '0\n',
  '/sys/kernel/security/lsm': 'lockdown,capability,landlock,yama,apparmor,bpf',
  '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n',
  '/sys/bus/event_source/devices/kprobe/type': '8\n',
  '/sys/kernel/tracing/events/syscalls/sys_enter_getppid': '',
};

/** A machine of made-up conditions for the probe. Ids of types are the places of their names among those asked for. */
export const fakeProber = (conditions: Conditions = {}): Prober => {
  const files: Readonly<Record<string, string | undefined>> = { ...HEALTHY, ...conditions.files };
  const { withoutTypes = [] } = conditions;
  const names: string[] = [];
  return {
    askFanotify: () => conditions.refuseFanotify,
    release: conditions.release ?? '6.12.9-amd64',
    read: (path) => files[path],
    exists: (path) => files[path] !== undefined,
    mayWrite: (path) => !conditions.closedSockets?.includes(path),
    config: () => ({ CONFIG_BPF_SYSCALL: 'y', CONFIG_IA32_EMULATION: 'y', LINUX_KERNEL_VERSION: 0 }),
    btfId(_kind, name) {
      if (withoutTypes === 'all') throw new Error('no BTF');
      if (withoutTypes.includes(name)) return undefined;
      if (!names.includes(name)) names.push(name);
      return names.indexOf(name) + 1;
    },
    load(program, log) {
      const errno = conditions.refuseProgram?.(program);
      return errno === undefined ? undefined : { errno, log: log === undefined ? '' : 'unknown func\n' };
    },
    createMap: (map) => conditions.refuseMap?.(map),
    enableStatistics: () => conditions.refuseStatistics,
  };
};

/** Whether a program calls a helper. */
export const calls = ({ instructions }: Program, helper: number): boolean =>
  instructions.some(({ opcode, src, imm }) => opcode === 0x85 && src === 0 && imm === helper);
