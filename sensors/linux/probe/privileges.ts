import type { Obstacle } from './obstacle.ts';
import type { Prober } from './prober.ts';

/** Capabilities by number (include/uapi/linux/capability.h) that Shrike has to do with. */
const CAPABILITIES = {
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_KILL: 5,
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

export type Capability = keyof typeof CAPABILITIES;

/** What this process may do. */
export interface Privileges {
  readonly uid: number;
  readonly capabilities: readonly Capability[];
  /** In a user namespace other than the first, whose capabilities bpf(2) does not count. */
  readonly userNamespace: boolean;
  /** A seccomp filter is on: it may refuse calls whatever the capabilities. */
  readonly seccomp: boolean;
}

/** Reads /proc/self/status and /proc/self/uid_map. */
export const readPrivileges = (prober: Prober): Privileges => {
  const status = prober.read('/proc/self/status') ?? '';
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '0';
  const effective = BigInt(`0x${field('CapEff')}`);
  const names = Object.keys(CAPABILITIES) as Capability[];
  return {
    uid: Number(field('Uid')),
    capabilities: names.filter((name) => (effective >> BigInt(CAPABILITIES[name])) & 1n),
    userNamespace: !/^\s*0\s+0\s+4294967295\s*$/.test(prober.read('/proc/self/uid_map') ?? '0 0 4294967295'),
    seccomp: field('Seccomp') === '2',
  };
};

/** Those of some capabilities that a process lacks; CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON. */
export const lacking = ({ capabilities }: Privileges, wanted: readonly Capability[]): readonly Capability[] =>
  wanted.filter(
    (each) =>
      !capabilities.includes(each) &&
      !((each === 'CAP_BPF' || each === 'CAP_PERFMON') && capabilities.includes('CAP_SYS_ADMIN')),
  );

/** Why bpf(2) answers EPERM. */
export const whyNotPermitted = (prober: Prober): Obstacle => {
  const privileges = readPrivileges(prober);
  const missing = lacking(privileges, ['CAP_BPF', 'CAP_PERFMON']);
  if (missing.length > 0)
    return {
      why: `this process (uid ${privileges.uid}) lacks ${missing.join(' and ')}`,
      remedy: 'run it as root, or with the capabilities of scripts/systemd/shrike.service',
    };
  if (privileges.userNamespace)
    return {
      why: 'this process is in a user namespace, whose capabilities do not count for bpf(2)',
      remedy: "run it outside of the namespace; a container needs the host's user namespace",
    };
  const lockdown = readLockdown(prober);
  if (lockdown === 'confidentiality')
    return {
      why: 'the kernel is locked down (confidentiality), so that programs may not read its memory',
      remedy: 'boot with lockdown=integrity, or without lockdown= and with Secure Boot off',
    };
  if (privileges.seccomp)
    return {
      why: 'a seccomp filter is on, which probably refuses bpf(2)',
      remedy: 'run with a profile that lets bpf and perf_event_open pass',
    };
  return {
    why: 'the kernel does not permit it in spite of the capabilities',
    remedy: 'look in its log (dmesg) for a security module that refuses bpf',
  };
};

/** The kernel's lockdown, as /sys/kernel/security/lockdown says; undefined where it has none or doesn't say. */
export const readLockdown = (prober: Prober): 'none' | 'integrity' | 'confidentiality' | undefined => {
  const mode = /\[(none|integrity|confidentiality)\]/.exec(prober.read('/sys/kernel/security/lockdown') ?? '')?.[1];
  return mode as 'none' | 'integrity' | 'confidentiality' | undefined;
};
