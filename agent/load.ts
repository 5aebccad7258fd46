import { type MapSpec, offeredHook, type ProgramSpec } from '../engine/object/index.ts';
import { CONFIG, type Compiled, RINGS, type Ring } from '../rules/index.ts';
import type { Accounts, ContainerSource, Kernel, KernelMap, Link, ProcessTable } from '../sensors/index.ts';
import { createFactFill, type FactFill } from './facts.ts';
import { createProcessFill, type ProcessFill } from './process-facts.ts';
import { createRing } from './rings.ts';

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
  /** Bytes of the ring buffers, powers of two; default the object's. */
  readonly rings?: Readonly<Record<Ring, number>>;
  readonly warn?: (sentence: string) => void;
}

/** Thrown where a kernel lacks what every rule needs; the message says what. */
export class LoadError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LoadError';
  }
}

/** An object's maps and attached programs in a kernel. */
export interface Loaded {
  readonly maps: ReadonlyMap<string, KernelMap>;
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
const isLifecycle = ({ hook }: { readonly hook: string }): boolean => LIFECYCLE.includes(hook);

/** The programs that this kernel takes, by its own names of hooks. @throws LoadError where those that keep facts of processes are not among them */
const attachable = ({ kernel, compiled, warn }: LoadOptions): readonly ProgramSpec<string>[] => {
  const { hooks, name } = kernel.features;
  return compiled.object.programs.flatMap((program) => {
    const hook = offeredHook(program.hook, hooks);
    if (hook !== undefined) return [hook === program.hook ? program : { ...program, hook }];
    if (isLifecycle(program))
      throw new LoadError(`${name} takes no programs at ${program.hook}, which every rule needs; see "shrike doctor"`);
    const events = compiled.plan.hooks.find(({ hook }) => hook === program.hook)?.events ?? [];
    const rules = new Set(events.flatMap((event) => event.rules.map(({ rule }) => compiled.plan.rules[rule]?.name)));
    warn?.(
      `${name} takes no programs at ${program.hook}: ${[...rules].join(', ')} ${rules.size === 1 ? 'sees' : 'see'} nothing there (see "shrike doctor")`,
    );
    return [];
  });
};

/**
 * Puts an object into a kernel: what its programs rely on is there before they attach. Those that follow exec, fork and exit come first,
 * then the facts of processes that exist, which don't overwrite newer ones, then the others; enforcement is switched on last. A hook that the
 * kernel doesn't have is left out. @throws VerifierError, RelocationError, LoadError
 */
export const loadObject = (options: LoadOptions): Loaded => {
  const { kernel, compiled } = options;
  const maps = new Map<string, KernelMap>();
  for (const spec of compiled.object.maps) {
    const map = isRing(spec.name)
      ? createRing(kernel, sized(spec, options.rings), options.warn)
      : kernel.createMap(spec);
    maps.set(spec.name, map);
  }
  configure(options, mapOf(maps, 'config'), false);
  fillScopes(options, mapOf(maps, 'scopes'));
  fillProtected(options, mapOf(maps, 'protected'));
  const programs = attachable(options).map((program) => kernel.loadProgram(program, maps));
  const fill = createProcessFill({ ...options, table: options.processes, map: mapOf(maps, 'processes') });
  const facts = createFactFill({ ...options, maps });
  const links: Link[] = [];
  try {
    for (const hook of LIFECYCLE)
      for (const program of programs) if (program.hook === hook) links.push(kernel.attach(program));
    facts.begin(new Set(fill.snapshot().map(({ cgroup }) => cgroup)));
    for (const program of programs) if (!isLifecycle(program)) links.push(kernel.attach(program));
  } catch (error) {
    for (const link of links) kernel.detach(link);
    throw error;
  }
  configure(options, mapOf(maps, 'config'), options.enforce);
  return { maps, links, fill, facts };
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

const configure = ({ kernel, scope, agentPid, limit }: LoadOptions, map: KernelMap, enforce: boolean): void => {
  const id = kernel.cgroupId(scope);
  if (id === undefined) throw new LoadError(`there is no cgroup ${scope} to observe; cgroup v2 paths begin with "/"`);
  const config = new Uint8Array(CONFIG.size);
  const view = new DataView(config.buffer);
  view.setBigUint64(CONFIG.scope, id, true);
  view.setUint32(CONFIG.level, scope.split('/').filter((name) => name !== '').length, true);
  view.setUint32(CONFIG.enforce, enforce ? 1 : 0, true);
  view.setUint32(CONFIG.agent, agentPid, true);
  if (limit !== undefined) {
    const interval = BigInt(Math.max(1, Math.round(1e9 / limit.perSecond)));
    view.setBigUint64(CONFIG.interval, interval, true);
    view.setBigUint64(CONFIG.burst, interval * BigInt(limit.burst - 1), true);
  }
  check(map.update(FIRST, config), 'writing the configuration');
};
