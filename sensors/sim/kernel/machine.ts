import type { BpfMap } from '../../../engine/maps/index.ts';
import type { FeatureLevel } from '../../../engine/object/index.ts';
import { Memory } from '../../../engine/vm/index.ts';
import { Clock, createRandom } from '../clock.ts';
import { Cgroups } from './cgroups.ts';
import type { Engine } from './engine.ts';
import { createEnvironment } from './environment.ts';
import { FileSystem } from './file-system.ts';
import { FoundPaths } from './found-paths.ts';
import type { AskGate } from './gate.ts';
import { createHooks, HookPoints, type Hooks, Verdicts } from './hooks.ts';
import { Namespaces } from './namespaces.ts';
import { Network } from './network.ts';
import { PathWalk } from './path-walk.ts';
import { Permissions } from './permissions.ts';
import { ProcFileSystems } from './proc.ts';
import { Programs } from './programs.ts';
import type { Task } from './tasks.ts';
import { Scratch } from './user-memory.ts';

/** The whole state of a simulated kernel, which calls read and change. */
export interface Machine {
  readonly memory: Memory;
  readonly clock: Clock;
  readonly random: () => number;
  /** What programs read of the random devices; a generator of its own, as calls that nobody looks at may be left out. */
  readonly entropy: () => number;
  readonly cgroups: Cgroups;
  readonly hooks: Hooks;
  /** The same and those that rules don't use, by section. */
  readonly hookPoints: HookPoints;
  readonly programs: Programs;
  readonly permissions: Permissions;
  readonly files: FileSystem;
  readonly walk: PathWalk;
  readonly network: Network;
  readonly proc: ProcFileSystems;
  readonly scratch: Scratch;
  readonly namespaces: Namespaces;
  /** By thread id; those that died and were not waited for included. */
  readonly tasks: Map<number, Task>;
  readonly maps: Map<number, BpfMap>;
  /** The version whose order of checks holds where versions differ. */
  readonly level: FeatureLevel;
  /** What asks before files are opened and executed (fanotify). */
  readonly gates: Set<AskGate>;
  /** Names of the modules that are loaded. */
  readonly modules: Set<string>;
  /** The task that runs; programs see it as the current one. */
  current: Task | undefined;
  /** How many pages mmap has given out. */
  mappedPages: number;
  /** The call under way is a recorded one. */
  recorded: boolean;
}

/** @param seed of everything random; @param memoryBytes of the kernel; @param untold what recordings don't tell is unknown to programs */
export const createMachine = (
  seed: number,
  bootTime: Date,
  memoryBytes: number,
  engine: Engine,
  untold = false,
  level: FeatureLevel = '6.12',
): Machine => {
  const memory = new Memory(memoryBytes);
  const permissions = new Permissions();
  const verdicts = new Verdicts();
  const hooks = createHooks(memory, verdicts);
  const found = new FoundPaths();
  const clock = new Clock(bootTime);
  const files = new FileSystem(memory, permissions, found, clock, untold);
  const tasks = new Map<number, Task>();
  const state = {
    memory,
    clock,
    random: createRandom(seed),
    entropy: createRandom(~seed),
    cgroups: new Cgroups(memory),
    hooks,
    hookPoints: new HookPoints(memory, hooks, verdicts),
    permissions,
    files,
    walk: new PathWalk(permissions, found),
    network: new Network(),
    scratch: new Scratch(),
    namespaces: new Namespaces(memory, files, untold),
    tasks,
    maps: new Map<number, BpfMap>(),
    level,
    gates: new Set<AskGate>(),
    modules: new Set(['dummy']),
    current: undefined as Task | undefined,
    mappedPages: 0,
    recorded: false,
  };
  const programs: Programs = new Programs(
    createEnvironment(state, (handle) => programs.executable(handle)),
    state.hookPoints,
    state.maps,
    engine,
    level,
  );
  return Object.assign(state, {
    proc: new ProcFileSystems(
      memory,
      () => files.newSuperBlock('proc', undefined, 0o555),
      tasks,
      () => state.current,
    ),
    programs,
  });
};
