import { type MapSpec, offeredHook, type ProgramSpec } from '../engine/object/index.ts';
import { CONFIG, type Compiled, RINGS, type Ring, SWITCH } from '../rules/index.ts';
import type {
  Accounts,
  ContainerSource,
  Kernel,
  KernelMap,
  Link,
  LoadedProgram,
  ProcessTable,
} from '../sensors/index.ts';
import { unprovenBits } from './acting-hooks.ts';
import type { Dispatcher } from './dispatcher.ts';
import { createFactFill, type FactFill } from './facts.ts';
import type { KillBudget } from './kill-budget.ts';
import { createProcessFill, type ProcessFill } from './process-facts.ts';
import { createRing } from './rings.ts';
import { withSpared } from './spared.ts';

/** The key of an array map's first entry. */
export const FIRST = new Uint8Array(4);

export interface LoadOptions {
  readonly kernel: Kernel;
  /** The cgroup whose processes are observed; `/` is the whole host. */
  readonly scope: string;
  readonly compiled: Compiled;
  /** Carry out verdicts. */
  readonly enforce: boolean;
  /** The agent's own process where it is observed too; 0 where not. */
  readonly agentPid: number;
  /** Paths of executables that are never acted on. */
  readonly protect: readonly string[];
  /** Gets the processes that exist. */
  readonly processes: ProcessTable;
  /** Facts of containers; left out where no runtime can be asked. */
  readonly containers?: ContainerSource | undefined;
  /** Names of users and groups; left out where nobody can tell. */
  readonly accounts?: Accounts | undefined;
  /** Records of one rule in one cgroup: how many a second on average, how many at once; default without limit. */
  readonly limit?: { readonly perSecond: number; readonly burst: number };
  /** Kills of one executable in one cgroup; default without limit. */
  readonly budget?: KillBudget | undefined;
  /** Hooks that have been seen to act; others' verdicts are not carried out. Left out: all act. */
  readonly proven?: ReadonlySet<string> | undefined;
  /** Hooks that fanotify stands for, where the kernel takes no programs. */
  readonly asked?: ReadonlySet<string> | undefined;
  /** Someone has switched enforcement off: asked whenever the configuration is written. */
  readonly isSwitchedOff?: () => boolean;
  /** Bytes of the ring buffers, powers of two; default the object's. */
  readonly rings?: Readonly<Record<Ring, number>>;
  readonly warn?: (sentence: string) => void;
  /** Where programs are put so that other ones can take their place; left out: they are attached by themselves. */
  readonly post?: Post;
}

/** An object's place among those that a dispatcher chooses from. */
export interface Post {
  readonly dispatcher: Dispatcher;
  /** What records carry, from 1 to 255. */
  readonly generation: number;
  /** The ring buffers of the object that is there already, which this one writes to as well. */
  readonly rings?: ReadonlyMap<string, KernelMap>;
}

/** Thrown where a kernel lacks what every rule needs; the message says what. */
export class LoadError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LoadError';
  }
}

/** An object's maps and programs in a kernel. */
export interface Loaded {
  readonly maps: ReadonlyMap<string, KernelMap>;
  readonly programs: readonly LoadedProgram[];
  /** Of what is attached by itself. */
  readonly links: readonly Link[];
  /** Keeps the map `processes` complete. */
  readonly fill: ProcessFill;
  /** Keeps the rows of facts of containers, users and groups. */
  readonly facts: FactFill;
}

/** A map of the object by name. @throws Error where there is none */
export const mapOf = (maps: ReadonlyMap<string, KernelMap>, name: string): KernelMap => {
  const map = maps.get(name);
  if (map === undefined) throw new Error(`the object has no map called ${name}`);
  return map;
};

const check = (result: number, what: string): void => {
  if (result !== 0) throw new Error(`${what} failed with errno ${-result}`);
};

const isRing = (name: string): name is Ring => RINGS.some((ring) => ring === name);

const sized = (spec: MapSpec, rings: LoadOptions['rings']): MapSpec =>
  rings !== undefined && isRing(spec.name) ? { ...spec, maxEntries: rings[spec.name] } : spec;

/**
 * Hooks without which no rule knows which process it is about, in the order in which they attach: whose beginning is seen, their end is
 * seen, too.
 */
const LIFECYCLE: readonly string[] = [
  'tp_btf/sched_process_exit',
  'tp_btf/sched_process_exec',
  'tp_btf/sched_process_fork',
];
/** Programs of these hooks, in that order. */
const lifecycleOf = <T extends { readonly hook: string }>(programs: readonly T[]): readonly T[] =>
  LIFECYCLE.flatMap((hook) => programs.filter((program) => program.hook === hook));
const isLifecycle = ({ hook }: { readonly hook: string }): boolean => LIFECYCLE.includes(hook);

/** The programs that this kernel takes, by its own names of hooks. @throws LoadError where those that keep facts of processes are not among them */
const attachable = ({ kernel, compiled, asked, warn }: LoadOptions): readonly ProgramSpec<string>[] => {
  const { hooks, name } = kernel.features;
  return compiled.object.programs.flatMap((program) => {
    const hook = offeredHook(program.hook, hooks);
    if (hook !== undefined) return [hook === program.hook ? program : { ...program, hook }];
    if (isLifecycle(program))
      throw new LoadError(`${name} takes no programs at ${program.hook}, which every rule needs; see "shrike doctor"`);
    if (asked?.has(program.hook)) return [];
    const events = compiled.plan.hooks.find(({ hook }) => hook === program.hook)?.events ?? [];
    const rules = new Set(events.flatMap((event) => event.rules.map(({ rule }) => compiled.plan.rules[rule]?.name)));
    warn?.(
      `${name} takes no programs at ${program.hook}: ${[...rules].join(', ')} ${rules.size === 1 ? 'sees' : 'see'} nothing there (see "shrike doctor")`,
    );
    return [];
  });
};

/** Maps and programs that are in a kernel, and go from it together where something fails. */
interface Parts {
  readonly maps: Map<string, KernelMap>;
  readonly programs: LoadedProgram[];
}

const ownMaps = ({ post }: LoadOptions, { maps }: Parts): readonly KernelMap[] =>
  [...maps].flatMap(([name, map]) => (post?.rings?.get(name) === map ? [] : map));

/** Does something with an object's parts; where it fails, nothing of them stays. */
const orNothing = <T>(options: LoadOptions, parts: Parts, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    options.kernel.release({ maps: ownMaps(options, parts), programs: parts.programs });
    throw error;
  }
};

/** Maps with all that programs rely on, and the programs, verified; nothing is attached. */
const loadParts = (options: LoadOptions): Parts => {
  const { kernel, compiled, post } = options;
  const parts: Parts = { maps: new Map(), programs: [] };
  const { maps, programs } = parts;
  return orNothing(options, parts, () => {
    for (const spec of compiled.object.maps) {
      const shared = post?.rings?.get(spec.name);
      const map =
        shared ??
        (isRing(spec.name) ? createRing(kernel, sized(spec, options.rings), options.warn) : kernel.createMap(spec));
      maps.set(spec.name, map);
    }
    configure(options, mapOf(maps, 'config'), { enforce: false });
    fillScopes(options, mapOf(maps, 'scopes'));
    fillProtected(options, mapOf(maps, 'protected'));
    for (const program of attachable(options)) programs.push(kernel.loadProgram(program, maps));
    return parts;
  });
};

const fillsOf = (options: LoadOptions, { maps }: Parts) => {
  const facts = createFactFill({ ...options, maps });
  const acts = options.compiled.plan.rules.some(({ action }) => action !== 'alert');
  return {
    fill: createProcessFill({ ...options, table: options.processes, map: mapOf(maps, 'processes') }),
    facts: acts ? withSpared(facts, { ...options, map: mapOf(maps, 'spared') }) : facts,
  };
};

/**
 * Puts an object into a kernel: what its programs rely on is there before they attach. Those that follow exec, fork and exit come first,
 * then the facts of processes that exist, which don't overwrite newer ones, then the others; enforcement is switched on last. A hook that the
 * kernel doesn't have is left out. @throws VerifierError, RelocationError, LoadError
 */
export const loadObject = (options: LoadOptions): Loaded => {
  const { kernel, post, scope: cgroup } = options;
  const parts = loadParts(options);
  const { maps, programs } = parts;
  const { fill, facts } = fillsOf(options, parts);
  const links: Link[] = [];
  const attach = (program: LoadedProgram): void => {
    if (post === undefined) links.push(kernel.attach(program, { cgroup }));
    else post.dispatcher.stage(post.generation, program);
  };
  try {
    for (const program of lifecycleOf(programs)) attach(program);
    facts.begin(new Set(fill.snapshot().map(({ cgroup }) => cgroup)));
    for (const program of programs) if (!isLifecycle(program)) attach(program);
  } catch (error) {
    for (const link of links) kernel.detach(link);
    throw error;
  }
  configure(options, mapOf(maps, 'config'), options);
  return { maps, programs, links, fill, facts };
};

/** An object that is loaded while another one's programs run. */
export interface Staged extends Loaded {
  /** Gets the facts of what exists, and puts the programs in place; call it when the table has taken what came before `stageObject`. */
  fillIn(): void;
  /** Its own programs keep the facts of processes by now. */
  settled(): void;
  /** Nothing of it stays. */
  drop(): void;
}

/**
 * Puts an object into a kernel beside the one that is there. Its programs of exec, fork and exit keep the facts of processes from now on, and hand
 * nothing over; all others wait for their turn. Where something fails nothing of it stays. @throws VerifierError, RelocationError, LoadError, BpfError
 */
export const stageObject = (options: LoadOptions & { readonly post: Post }): Staged => {
  const { kernel, compiled, post } = options;
  const parts = loadParts(options);
  const { maps, programs } = parts;
  const silent: Parts = { maps: new Map(maps), programs: [] };
  let links: readonly Link[] = [];
  const leave = (): void => {
    for (const link of links) kernel.detach(link);
    links = [];
    const config = silent.maps.get('config');
    const own = config === undefined || config === maps.get('config') ? [] : [config];
    kernel.release({ maps: own, programs: silent.programs.splice(0) });
    silent.maps.clear();
  };
  const drop = (): void => {
    post.dispatcher.retire(post.generation);
    leave();
    kernel.release({ maps: ownMaps(options, parts), programs });
  };
  try {
    configure(options, mapOf(maps, 'config'), options);
    const config = kernel.createMap(mapOf(maps, 'config').spec);
    silent.maps.set('config', config);
    configure(options, config, { enforce: false, silent: true });
    for (const program of lifecycleOf(compiled.object.programs))
      silent.programs.push(kernel.loadProgram(program, silent.maps));
    const { fill, facts } = fillsOf(options, parts);
    for (const program of silent.programs) links = [...links, kernel.attach(program)];
    return {
      maps,
      programs,
      links: [],
      fill,
      facts,
      fillIn: () => {
        facts.begin(new Set(fill.resume().map(({ cgroup }) => cgroup)));
        for (const program of programs) post.dispatcher.stage(post.generation, program);
      },
      settled: leave,
      drop,
    };
  } catch (error) {
    drop();
    throw error;
  }
};

/** Gives back what an object has of its own in a kernel, but for its ring buffers. */
export const unloadObject = (kernel: Kernel, { maps, programs, links }: Loaded): void => {
  for (const link of links) kernel.detach(link);
  kernel.release({ maps: [...maps].flatMap(([name, map]) => (isRing(name) ? [] : map)), programs });
};

const fillScopes = ({ kernel, compiled, warn }: LoadOptions, map: KernelMap): void => {
  const scopes = new Uint8Array(map.spec.valueSize);
  for (const [index, path] of compiled.plan.scopes.entries()) {
    const id = kernel.cgroupId(path);
    if (id === undefined) warn?.(`there is no cgroup ${path}: the policies with that scope see nothing`);
    else new DataView(scopes.buffer).setBigUint64(index * 8, id, true);
  }
  check(map.update(FIRST, scopes), 'writing the scopes');
};

const fillProtected = ({ kernel, protect, warn }: LoadOptions, map: KernelMap): void => {
  for (const path of protect) {
    const id = kernel.fileId(path);
    if (id === undefined) {
      warn?.(`there is no file ${path} to protect`);
      continue;
    }
    const key = new Uint8Array(16);
    const view = new DataView(key.buffer);
    view.setBigUint64(0, id.ino, true);
    view.setBigUint64(8, id.dev, true);
    check(map.update(key, new Uint8Array([1, 0, 0, 0])), `protecting ${path}`);
  }
};

const configure = (
  { kernel, scope, compiled, agentPid, limit, budget, post, proven, isSwitchedOff }: LoadOptions,
  map: KernelMap,
  { enforce, silent = false }: { readonly enforce: boolean; readonly silent?: boolean },
): void => {
  const id = kernel.cgroupId(scope);
  if (id === undefined) throw new LoadError(`there is no cgroup ${scope} to observe; cgroup v2 paths begin with "/"`);
  const config = new Uint8Array(CONFIG.size);
  const view = new DataView(config.buffer);
  view.setBigUint64(CONFIG.scope, id, true);
  view.setUint32(CONFIG.level, scope.split('/').filter((name) => name !== '').length, true);
  view.setUint32(CONFIG.enforce, enforce ? (isSwitchedOff?.() ? SWITCH.off : SWITCH.on) : SWITCH.monitor, true);
  if (budget !== undefined) {
    view.setUint32(CONFIG.kills, budget.kills, true);
    view.setUint32(CONFIG.period, budget.periodMs, true);
  }
  view.setUint32(CONFIG.unproven, unprovenBits(compiled, proven), true);
  view.setUint32(CONFIG.agent, agentPid, true);
  view.setUint8(CONFIG.generation, post?.generation ?? 0);
  view.setUint8(CONFIG.silent, silent ? 1 : 0);
  if (limit !== undefined) {
    const interval = BigInt(Math.max(1, Math.round(1e9 / limit.perSecond)));
    view.setBigUint64(CONFIG.interval, interval, true);
    view.setBigUint64(CONFIG.burst, interval * BigInt(limit.burst - 1), true);
  }
  check(map.update(FIRST, config), 'writing the configuration');
};
