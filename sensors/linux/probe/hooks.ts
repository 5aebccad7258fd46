import { type Instruction, parseAssembly } from '../../../engine/isa/index.ts';
import { HOOKS, parseSection } from '../../../engine/object/index.ts';
import type { LinuxProgramSpec } from '../program.ts';
import { isLsmActive } from './lsm.ts';
import type { Prober } from './prober.ts';

/** The hooks that are asked for: those that rules compile to, and those that other programs of Shrike use. */
export const PROBED_HOOKS: readonly string[] = [
  ...new Set([
    ...Object.keys(HOOKS),
    'raw_tp/sys_exit',
    'tp_btf/io_uring_submit_req',
    'tp_btf/io_uring_submit_sqe',
    'iter/task',
    'lsm/path_unlink',
    'lsm/path_rename',
    'lsm/path_link',
    'lsm/path_symlink',
    'lsm/path_chmod',
    'lsm/kernel_read_file',
    'lsm/kernel_load_data',
    'fentry/vfs_open',
    'fexit/vfs_open',
    'kprobe/vfs_open',
    'tp/syscalls/sys_enter_getppid',
    'cgroup/connect4',
    'cgroup/connect6',
    'cgroup/sendmsg4',
    'cgroup/sendmsg6',
    'cgroup/sock_create',
    'cgroup/dev',
    'cgroup_skb/egress',
  ]),
];

/** Why programs can't attach to a hook here. */
export type HookObstacle =
  /** The kernel's BTF has no such tracepoint, function or LSM hook. */
  | { readonly kind: 'absent' }
  /** There is no BTF to look it up in. */
  | { readonly kind: 'no-btf' }
  /** The kernel does not load a program for it. */
  | { readonly kind: 'refused'; readonly errno: string }
  /** Programs would load and never run: BPF is not among the active LSMs, or nobody can tell whether it is. */
  | { readonly kind: 'inactive'; readonly known: boolean }
  /** What it attaches through is missing: the perf event source of kprobes, tracefs. */
  | { readonly kind: 'no-source'; readonly path: string };

const returning = (value: number): readonly Instruction[] => parseAssembly(`r0 = ${value}\nexit`).instructions;
const ZERO = returning(0);
const ONE = returning(1);

/** A program for a section that does nothing and lets everything pass; undefined where BTF has not what it attaches to. */
export const emptyProgram = (section: string, prober: Prober): LinuxProgramSpec | undefined => {
  const { programType, attachType, sleepable, btf } = parseSection(section);
  const attachBtfId = btf && prober.btfId(btf.kind, btf.name);
  if (btf !== undefined && attachBtfId === undefined) return undefined;
  return {
    name: 'probe',
    programType,
    instructions: programType.startsWith('cgroup_') ? ONE : ZERO,
    ...(attachType !== undefined && { attachType }),
    ...(attachBtfId !== undefined && { attachBtfId }),
    ...(sleepable && { sleepable }),
  };
};

const KPROBE_SOURCE = '/sys/bus/event_source/devices/kprobe/type';
const TRACING = ['/sys/kernel/tracing/events', '/sys/kernel/debug/tracing/events'];

/** What a hook attaches through beside the program, where that is missing. */
const missingSource = (section: string, prober: Prober): string | undefined => {
  const { family, target = '' } = parseSection(section);
  if (family === 'kprobe' || family === 'kretprobe') return prober.exists(KPROBE_SOURCE) ? undefined : KPROBE_SOURCE;
  if (family !== 'tp' && family !== 'tracepoint') return undefined;
  return TRACING.some((folder) => prober.exists(`${folder}/${target}`)) ? undefined : `${TRACING[0]}/${target}`;
};

/** Loads an empty program for a hook; undefined where programs can attach to it, as far as that shows without attaching. */
export const probeHook = (section: string, prober: Prober): HookObstacle | undefined => {
  let program: LinuxProgramSpec | undefined;
  try {
    program = emptyProgram(section, prober);
  } catch {
    return { kind: 'no-btf' };
  }
  if (program === undefined) return { kind: 'absent' };
  const refusal = prober.load(program);
  if (refusal !== undefined) return { kind: 'refused', errno: refusal.errno };
  const source = missingSource(section, prober);
  if (source !== undefined) return { kind: 'no-source', path: source };
  if (program.programType !== 'lsm') return undefined;
  const active = isLsmActive(prober);
  return active === true ? undefined : { kind: 'inactive', known: active === false };
};
