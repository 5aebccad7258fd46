import { type FeatureLevel, HOOKS, type Hook, type HookName, hookOfSection } from '../../../engine/object/index.ts';
import type { Memory } from '../../../engine/vm/index.ts';
import { EVENT_TYPES } from '../../../rules/index.ts';
import type { Cgroup } from './cgroups.ts';
import { writePointer } from './kernel-object.ts';
import { KERNEL_BTF } from './layout.ts';
import type { CallTable, SimLink } from './programs.ts';

const contextSize = ({ arguments: slots, context }: Hook): number => context?.size ?? slots.length * 8;

/** What programs decided about the call under way. */
export class Verdicts {
  /** Recorded calls: what programs return has no effect. */
  ignored = false;
  /** The first hook at which a program refused. */
  refusedAt: HookName | undefined;

  refuse(hook: string): void {
    if (isStatic(hook)) this.refusedAt ??= hook;
  }
}

/** A place programs are attached to, with the context they get: one slot of 8 bytes an argument, or a struct; written anew for each run. */
export class HookPoint {
  readonly name: string;
  /** In the order they run. */
  readonly links: SimLink[] = [];
  /** Offset in memory of what programs get. */
  readonly context: number;
  readonly #memory: Memory;
  /** What programs return decides whether the call goes on. */
  readonly #decides: boolean;
  readonly #newestFirst: boolean;
  readonly #verdicts: Verdicts;

  constructor(memory: Memory, name: string, hook: Hook, verdicts: Verdicts) {
    this.#verdicts = verdicts;
    this.name = name;
    this.#decides = hook.programType === 'lsm';
    this.#newestFirst = /^(lsm|fentry|fexit)\//.test(name);
    this.#memory = memory;
    this.context = memory.allocate(contextSize(hook));
  }

  /** Tracepoints run programs in attach order; trampolines (LSM, fentry, fexit) the newest first (kernel/bpf/trampoline.c). */
  add(link: SimLink): void {
    if (this.#newestFirst) this.links.unshift(link);
    else this.links.push(link);
  }

  /** Whether there is anything to run. */
  get active(): boolean {
    return this.links.length > 0;
  }

  /** Makes an argument the address of what lies at an offset in memory. */
  setPointer(index: number, offset: number): void {
    writePointer(this.#memory, this.context + index * 8, offset);
  }

  /** Makes an argument a signed number that a number holds exactly. */
  setNumber(index: number, value: number): void {
    const { view } = this.#memory;
    view.setInt32(this.context + index * 8, value | 0, true);
    view.setInt32(this.context + index * 8 + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  /** Runs the attached programs. Of LSM programs the first negative result ends the run and is returned; else 0 is. */
  run(): number {
    for (const link of this.links) {
      link.program.runs++;
      const result = link.program.runner.run(this.context);
      if (result < 0 && this.#decides && !this.#verdicts.ignored) {
        this.#verdicts.refuse(this.name);
        return result;
      }
    }
    return 0;
  }

  /**
   * Runs the programs of a task's cgroup and of those above it, from the task's own upwards (compute_effective_progs of
   * kernel/bpf/cgroup.c), each on what the one before left of the context. Gives what all allow: bit 0 the call itself, and of the higher ones what any says.
   */
  runForCgroup(cgroup: Cgroup): number {
    let allowed = 1;
    let said = 0;
    for (let level = cgroup.ancestors.length - 1; level >= 0; level--)
      for (const link of this.links) {
        if (link.cgroup !== cgroup.ancestors[level]?.path) continue;
        link.program.runs++;
        const result = link.program.runner.run(this.context);
        allowed &= result;
        said |= result & ~1;
      }
    if (allowed === 0 && this.#verdicts.ignored) return 1;
    if (allowed === 0) this.#verdicts.refuse(this.name);
    return allowed | said;
  }
}

/** The hooks that compiled rules are attached to. */
export type Hooks = { readonly [Name in HookName]: HookPoint };

export const createHooks = (memory: Memory, verdicts: Verdicts): Hooks => {
  const hooks: Partial<Record<HookName, HookPoint>> = {};
  for (const name of Object.keys(HOOKS) as HookName[]) hooks[name] = new HookPoint(memory, name, HOOKS[name], verdicts);
  return hooks as Hooks;
};

/** Whether the system call table of x86-64 has a call of this name. */
const isCall = (name: string): boolean => (EVENT_TYPES.get(name)?.nr ?? -1) >= 0;

/** Sections beside those of HOOKS that the simulated kernel can fire; a star stands for any call of the x86-64 table. */
const OTHERS: readonly string[] = [
  'tp_btf/io_uring_submit_sqe',
  'tp_btf/sys_enter',
  'raw_tp/sys_exit',
  'raw_tp/sched_process_exec',
  'raw_tp/sched_process_fork',
  'raw_tp/sched_process_exit',
  'tp/raw_syscalls/sys_enter',
  'tp/raw_syscalls/sys_exit',
  'tp/syscalls/sys_enter_*',
  'tp/syscalls/sys_exit_*',
  'kprobe/__x64_sys_*',
];

/** The functions of security/security.c that ask LSM programs, by the hook they ask. */
const functionOf = (hook: string): string =>
  `security_${hook === 'lsm/bprm_check_security' ? 'bprm_check' : hook.slice('lsm/'.length)}`;

/** Where the functions that ask LSM programs are traced: their name, and what probes, entry and exit are called. */
interface TracedFunction {
  readonly kprobe: string;
  readonly fentry: string;
  readonly fexit: string;
}

/** What asks an LSM hook, by the hook's name. */
export const SECURITY_FUNCTIONS: ReadonlyMap<string, TracedFunction> = new Map(
  Object.keys(HOOKS)
    .filter((name) => name.startsWith('lsm/'))
    .map((name) => {
      const traced = functionOf(name);
      return [name, { kprobe: `kprobe/${traced}`, fentry: `fentry/${traced}`, fexit: `fexit/${traced}` }];
    }),
);

/** Every hook of the simulated kernel by its section's name. */
const SIM_HOOKS: readonly string[] = [
  ...Object.keys(HOOKS),
  ...OTHERS,
  ...[...SECURITY_FUNCTIONS.values()].flatMap((traced) => Object.values<string>({ ...traced })),
];

/** What a level does not have: the tracepoint of io_uring's requests has one name or the other. */
const missingAt = (level: FeatureLevel): string =>
  level === '6.1' ? 'tp_btf/io_uring_submit_req' : 'tp_btf/io_uring_submit_sqe';

/** The hooks that a simulated kernel of a level has. */
export const simHooksOf = (level: FeatureLevel): readonly string[] => {
  const missing = missingAt(level);
  return SIM_HOOKS.filter((name) => name !== missing);
};

const isOther = (section: string): boolean =>
  SIM_HOOKS.some((name) =>
    name.endsWith('*')
      ? section.startsWith(name.slice(0, -1)) && isCall(section.slice(name.length - 1))
      : section === name,
  );

const isStatic = (section: string): section is HookName => Object.hasOwn(HOOKS, section);

/** What programs of a section get and may return in the simulated kernel; undefined where it, or its level, has no such hook. */
export const simHook = (section: string, level?: FeatureLevel): Hook | undefined => {
  if (level !== undefined && section === missingAt(level)) return undefined;
  if (isStatic(section)) return HOOKS[section];
  return isOther(section) ? hookOfSection(section, KERNEL_BTF) : undefined;
};

/**
 * The hooks by section. A raw tracepoint and its twin with BTF are one place, in attach order, as they are one tracepoint; places
 * that rules don't use come into being when a program is attached there.
 */
export class HookPoints {
  readonly #memory: Memory;
  readonly #hooks: Hooks;
  readonly #sysExit: HookPoint;
  readonly #others = new Map<string, HookPoint>();
  /** The calls that attached programs look at; undefined where one of them may look at any. */
  #calls: readonly CallTable[] | undefined = [];
  /** Whether programs were ever attached to a place that rules don't use. */
  hasOthers = false;
  #hasSecurity = false;
  readonly verdicts: Verdicts;

  constructor(memory: Memory, hooks: Hooks, verdicts: Verdicts) {
    this.#memory = memory;
    this.verdicts = verdicts;
    this.#hooks = hooks;
    this.#sysExit = hooks['tp_btf/sys_exit'];
  }

  /** Where programs of a section attach. @throws Error where there is no such hook */
  at(section: string): HookPoint {
    if (isStatic(section)) return this.#hooks[section];
    const [family, name = ''] = section.split('/');
    if (family === 'raw_tp' || family === 'tp_btf')
      for (const twin of [`raw_tp/${name}`, `tp_btf/${name}`]) if (isStatic(twin)) return this.#hooks[twin];
    const hook = simHook(section);
    if (!hook) throw new Error(`the simulated kernel has no hook ${section}`);
    const point = this.#others.get(section) ?? new HookPoint(this.#memory, section, hook, this.verdicts);
    this.#others.set(section, point);
    this.hasOthers = true;
    return point;
  }

  /** A place that rules don't use, if programs are attached there. */
  attached(section: string): HookPoint | undefined {
    const point = this.#others.get(section);
    return point?.active ? point : undefined;
  }

  /** Whether a program may run where any LSM hook is asked. */
  get isSecured(): boolean {
    return this.#hasSecurity || this.hasOthers;
  }

  /** Programs were attached, detached or replaced. */
  changed(): void {
    this.#hasSecurity = Object.values(this.#hooks).some(({ name, active }) => active && name.startsWith('lsm/'));
    const found = new Map<number, CallTable>();
    for (const { links } of this.all())
      for (const { program } of links) {
        if (program.calls === undefined) {
          this.#calls = undefined;
          return;
        }
        found.set(program.calls.at, program.calls);
      }
    this.#calls = [...found.values()];
  }

  /** Calls returned that none of the attached programs looks at: the kernel runs them, and they leave. */
  passSysExit(calls: number): void {
    const { links } = this.#sysExit;
    for (let index = 0; index < links.length; index++) (links[index] as SimLink).program.runs += calls;
  }

  /** Whether an attached program may look at a call, by its place in programs' tables, -1 for none; asked anew each time, as maps change. */
  looksAt(place: number): boolean {
    if (this.#calls === undefined) return true;
    if (place < 0) return false;
    const { view } = this.#memory;
    for (let index = 0; index < this.#calls.length; index++) {
      const { at, stride, entries } = this.#calls[index] as CallTable;
      if (place < entries && view.getUint32(at + place * stride, true) !== 0) return true;
    }
    return false;
  }

  all(): readonly HookPoint[] {
    return [...Object.values(this.#hooks), ...this.#others.values()];
  }
}
