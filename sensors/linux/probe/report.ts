import { type FeatureLevel, SECTION_OF_TYPE } from '../../../engine/object/index.ts';
import { usualSockets } from '../../containers/index.ts';
import {
  type Abilities,
  PROBED_HELPERS,
  PROBED_KFUNCS,
  probeHelpers,
  probeInstructions,
  probeKfuncs,
  probeMaps,
  probeRing,
} from './abilities.ts';
import { type CgroupReport, type MemoryReport, mountsOf, probeCgroup, probeMemory } from './cgroup.ts';
import { probeLevel } from './features.ts';
import { emptyProgram, type HookObstacle, PROBED_HOOKS, probeHook } from './hooks.ts';
import { activeLsms } from './lsm.ts';
import type { Obstacle } from './obstacle.ts';
import { type Privileges, readLockdown, readPrivileges } from './privileges.ts';
import { createProber, type Prober } from './prober.ts';
import { assembled } from './programs.ts';
import { tooOld, whyUnavailable } from './unavailable.ts';

/** What this kernel, with this process's privileges, allows. Nothing was attached to find it out. */
export interface KernelReport {
  /** The kernel's release. */
  readonly release: string;
  /** Why Shrike can do nothing here; what is found by loading is left empty then. */
  readonly unavailable?: Obstacle;
  /** The level that objects are compiled for; undefined where the kernel has less than 6.1. */
  readonly level?: FeatureLevel;
  readonly privileges: Privileges;
  /** The kernel describes its types (/sys/kernel/btf/vmlinux). */
  readonly btf: boolean;
  readonly jit: boolean | undefined;
  readonly lockdown: 'none' | 'integrity' | 'confidentiality' | undefined;
  /** kernel.unprivileged_bpf_disabled: 0 lets everybody, 1 and 2 nobody without CAP_BPF. */
  readonly unprivilegedBpf: number | undefined;
  /** Program types by name: an errno's name where an empty program is refused. */
  readonly programTypes: Readonly<Record<string, string | undefined>>;
  /** Hooks by section: why nothing can attach, undefined where something can. */
  readonly hooks: Readonly<Record<string, HookObstacle | undefined>>;
  /** Helpers and kernel functions by the hook whose programs call them, as far as the hook takes programs. */
  readonly helpers: Readonly<Record<string, Abilities>>;
  readonly kfuncs: Readonly<Record<string, Abilities>>;
  readonly instructions: Abilities;
  readonly maps: Abilities;
  /** Bytes of ring buffers: what was asked for, and what is given. */
  readonly rings: readonly { readonly asked: number; readonly given: number }[];
  /** The active security modules, undefined where the kernel doesn't say. */
  readonly lsms: readonly string[] | undefined;
  readonly cgroup: CgroupReport;
  readonly memory: MemoryReport;
  /** Sockets of container runtimes that are there, and whether this process may connect to them. */
  readonly runtimes: readonly { readonly path: string; readonly open: boolean }[];
  /** An errno's name where run-time statistics can't be had (BPF_ENABLE_STATS). */
  readonly statistics: string | undefined;
  /** Where bpffs is mounted. */
  readonly bpffs: string | undefined;
  /** kernel.io_uring_disabled: 2 lets nobody use io_uring, 1 only some. */
  readonly ioUringDisabled: number | undefined;
  /** Why fanotify can't ask before files are opened, an errno's name; undefined where it can. */
  readonly fanotify: string | undefined;
  /** 32-bit calls (`int 0x80`), and x32 calls; undefined where the kernel doesn't say. */
  readonly ia32: boolean | undefined;
  readonly x32: boolean | undefined;
}

export interface ProbeOptions {
  readonly prober?: Prober;
  /** Bytes of the ring buffers that would be made. */
  readonly rings?: readonly number[];
}

const attempt = <T>(probe: () => T, otherwise: T): T => {
  try {
    return probe();
  } catch {
    return otherwise;
  }
};

const typeRefusal = (section: string, prober: Prober): string | undefined =>
  attempt(() => {
    const program = emptyProgram(section, prober);
    return program === undefined ? 'ENOENT' : prober.load(program)?.errno;
  }, 'no BTF');

const NONE: Abilities = { present: [], missing: [] };

/** Whether a kind of system call is built in; a parameter of the boot may turn 32-bit calls off. */
const abiOf = (option: string, prober: Prober): boolean | undefined => {
  const config = prober.config();
  if (config.CONFIG_BPF_SYSCALL === undefined) return undefined;
  if (config[option] !== 'y') return false;
  const off = /(?:^|\s)ia32_emulation=(0|off|false|n)\b/.test(prober.read('/proc/cmdline') ?? '');
  return !(option === 'CONFIG_IA32_EMULATION' && off);
};

const numberIn = (path: string, prober: Prober): number | undefined => {
  const text = prober.read(path)?.trim();
  return text === undefined || text === '' ? undefined : Number(text);
};

/** Helpers or kernel functions by hook, of the hooks that take programs. */
const byHook = (
  lists: Readonly<Record<string, readonly string[]>>,
  probe: (section: string, names: readonly string[], prober: Prober) => Abilities,
  prober: Prober,
): Readonly<Record<string, Abilities>> =>
  Object.fromEntries(
    Object.entries(lists).flatMap(([section, names]) =>
      typeRefusal(section, prober) === undefined ? [[section, probe(section, names, prober)]] : [],
    ),
  );

/** bpf_ktime_get_coarse_ns came with memory cgroups' charging of maps, in 5.11; libbpf tells by it too. */
const chargesMemlock = (prober: Prober): boolean =>
  prober.load({ name: 'probe', programType: 'socket_filter', instructions: assembled('call 160; r0 = 0; exit') }) !==
  undefined;

/** Finds out all there is to know, by loading tiny programs and creating tiny maps; takes a few hundred milliseconds. */
export const probeKernel = ({ prober = createProber(), rings = [] }: ProbeOptions = {}): KernelReport => {
  const obstacle = whyUnavailable(prober);
  const level = obstacle === undefined ? probeLevel(prober) : undefined;
  const unavailable = obstacle ?? (level === undefined ? tooOld(prober) : undefined);
  const able = unavailable === undefined;
  const btf = prober.exists('/sys/kernel/btf/vmlinux');
  const jit = numberIn('/proc/sys/net/core/bpf_jit_enable', prober);
  const types = Object.entries(SECTION_OF_TYPE);
  return {
    release: prober.release,
    ...(unavailable !== undefined && { unavailable }),
    ...(level !== undefined && { level }),
    privileges: readPrivileges(prober),
    btf,
    jit: jit === undefined ? undefined : jit > 0,
    lockdown: readLockdown(prober),
    unprivilegedBpf: numberIn('/proc/sys/kernel/unprivileged_bpf_disabled', prober),
    programTypes: able ? Object.fromEntries(types.map(([type, section]) => [type, typeRefusal(section, prober)])) : {},
    hooks: able ? Object.fromEntries(PROBED_HOOKS.map((hook) => [hook, probeHook(hook, prober)])) : {},
    helpers: able ? byHook(PROBED_HELPERS, probeHelpers, prober) : {},
    kfuncs: able ? byHook(PROBED_KFUNCS, probeKfuncs, prober) : {},
    instructions: able ? probeInstructions(prober) : NONE,
    maps: able ? probeMaps(prober) : NONE,
    rings: able ? rings.map((asked) => ({ asked, given: probeRing(asked, prober) })) : [],
    lsms: activeLsms(prober),
    cgroup: probeCgroup(prober),
    memory: probeMemory(prober, able && chargesMemlock(prober)),
    runtimes: usualSockets()
      .filter(({ path }) => prober.exists(path))
      .map(({ path }) => ({ path, open: prober.mayWrite(path) })),
    statistics: able ? prober.enableStatistics() : undefined,
    bpffs: mountsOf(prober).find(({ type }) => type === 'bpf')?.place,
    ioUringDisabled: numberIn('/proc/sys/kernel/io_uring_disabled', prober),
    fanotify: prober.askFanotify(),
    ia32: abiOf('CONFIG_IA32_EMULATION', prober),
    x32: abiOf('CONFIG_X86_X32_ABI', prober),
  };
};
