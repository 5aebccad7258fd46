import { type BpfMap, createMap, isRingBuffer, type RingBuffer } from '../../../engine/maps/index.ts';
import {
  type FeatureLevel,
  type Hook,
  type MapSpec,
  type ProgramSpec,
  relocate,
} from '../../../engine/object/index.ts';
import { type Verified, verify } from '../../../engine/verifier/index.ts';
import { type ExecutableProgram, helperById, type VmEnvironment } from '../../../engine/vm/index.ts';
import type {
  Kernel,
  KernelMap,
  KernelRingBuffer,
  Link,
  LoadedProgram,
  ProgramStats,
  RecordStream,
} from '../../kernel.ts';
import { createRunner, type Engine, type Runner } from './engine.ts';
import { type HookPoints, simHook, simHooksOf } from './hooks.ts';
import { KERNEL_BTF } from './layout.ts';
import { streamOf } from './stream.ts';

/** A verified program of the simulated kernel. */
export interface SimProgram extends LoadedProgram {
  runner: Runner;
  /** An object of its own: machines keep what they made of it, with the maps that its handles stood for. */
  readonly executable: ExecutableProgram;
  /** Where its object says which calls it looks at; undefined where it may look at any. */
  readonly calls: CallTable | undefined;
  /** How often it ran. */
  runs: number;
  /** Nanoseconds of all runs while statistics are on. */
  ns: number;
}

/** Numbers of 32 bits in memory, one for each call of each table, 0 where a program doesn't look at it. */
export interface CallTable {
  /** Offset in memory. */
  readonly at: number;
  /** Bytes from one to the next. */
  readonly stride: number;
  readonly entries: number;
}

/** A program attached to a hook; `replace` puts another in its place. */
export interface SimLink extends Link {
  program: SimProgram;
  /** Of a program for cgroups: tasks in this cgroup and those below it run it. */
  readonly cgroup: string;
}

/**
 * What was verified, by program: hosts are alike, so that a program which another host took is the same again where its maps have
 * the same handles and specs. The verifier reads nothing else.
 */
const verifiedBefore = new WeakMap<
  ProgramSpec<string>,
  readonly {
    readonly level: FeatureLevel;
    readonly maps: readonly (MapSpec | number)[];
    readonly verified: Verified;
  }[]
>();
/** Results that are kept of one program, with as many sets of maps. */
const KEPT = 8;

const isSame = <T>(one: readonly T[], other: readonly T[]): boolean =>
  one.length === other.length && one.every((value, index) => value === other[index]);

/** A program's runner with a clock. */
const timed = (program: SimProgram): Runner => {
  const { runner } = program;
  return {
    close: runner.close,
    run: (contextOffset) => {
      const start = performance.now();
      const result = runner.run(contextOffset);
      program.ns += (performance.now() - start) * 1e6;
      return result;
    },
  };
};

/** The maps and programs that were loaded into the simulated kernel. */
export class Programs {
  readonly #environment: VmEnvironment;
  readonly #hooks: HookPoints;
  readonly #maps: Map<number, BpfMap>;
  readonly #engine: Engine;
  readonly #level: FeatureLevel;
  readonly #programs = new Map<number, SimProgram>();
  #isTimed = false;

  /** @param maps by handle, as the environment finds them. */
  constructor(
    environment: VmEnvironment,
    hooks: HookPoints,
    maps: Map<number, BpfMap>,
    engine: Engine,
    level: FeatureLevel,
  ) {
    this.#environment = environment;
    this.#hooks = hooks;
    this.#maps = maps;
    this.#engine = engine;
    this.#level = level;
  }

  createMap(spec: MapSpec): KernelMap {
    const map = createMap(this.#environment.memory, spec, this.#newHandle(), {
      map: (handle) => this.#maps.get(handle),
      isProgram: (handle) => this.#programs.has(handle),
      owner: () => undefined,
    });
    this.#maps.set(map.handle, map);
    return map;
  }

  ringBuffer(map: KernelMap): KernelRingBuffer {
    return this.#ringBuffer(map);
  }

  #ringBuffer(map: KernelMap): RingBuffer {
    const own = this.#maps.get(map.handle);
    if (own !== map || !own || !isRingBuffer(own))
      throw new Error(`map ${map.spec.name} is no ring buffer of this kernel; create one with type ringbuf`);
    return own;
  }

  stream(maps: readonly KernelMap[], timeAt: number): RecordStream {
    return streamOf(
      maps.map((map) => this.#ringBuffer(map)),
      this.#environment.memory,
      timeAt,
    );
  }

  load(spec: ProgramSpec<string>, maps: ReadonlyMap<string, KernelMap>): SimProgram {
    const hook = simHook(spec.hook, this.#level);
    if (!hook)
      throw new Error(
        `program ${spec.name}: the simulated kernel has no hook ${spec.hook}; it has ${simHooksOf(this.#level).join(', ')}`,
      );
    const verified = this.#verify(spec, hook, maps);
    const program: SimProgram = {
      name: spec.name,
      hook: spec.hook,
      handle: this.#newHandle(),
      executable: { ...verified },
      explored: verified.explored,
      runner: createRunner(verified, this.#environment, this.#engine),
      calls: spec.calls === undefined ? undefined : this.#callTable(maps.get(spec.calls)?.handle),
      runs: 0,
      ns: 0,
    };
    if (this.#isTimed) program.runner = timed(program);
    this.#programs.set(program.handle, program);
    return program;
  }

  /** The lowest number that no map and no program has, as file descriptors are given. */
  #newHandle(): number {
    let handle = 1;
    while (this.#maps.has(handle) || this.#programs.has(handle)) handle++;
    return handle;
  }

  #callTable(handle: number | undefined): CallTable | undefined {
    const layout = handle === undefined ? undefined : this.#maps.get(handle)?.layout;
    if (layout?.kind !== 'array') return undefined;
    return { at: layout.values, stride: layout.stride, entries: layout.maxEntries };
  }

  #verify(spec: ProgramSpec<string>, hook: Hook, maps: ReadonlyMap<string, KernelMap>): Verified {
    const used = [...maps.values()].flatMap((map) => [map.handle, map.spec]);
    const before = verifiedBefore.get(spec) ?? [];
    const level = this.#level;
    const known = before.find((each) => each.level === level && isSame(each.maps, used));
    if (known !== undefined) return known.verified;
    const verified = verify(
      relocate(spec, (name) => maps.get(name)?.handle, KERNEL_BTF),
      {
        name: spec.name,
        hook,
        btf: KERNEL_BTF,
        map: (handle) => this.#maps.get(handle)?.spec,
        helper: helperById,
        lines: spec.lines,
        level,
      },
    );
    verifiedBefore.set(spec, [{ level, maps: used, verified }, ...before.slice(0, KEPT - 1)]);
    return verified;
  }

  /** @param cgroup of a program for cgroups. @throws Error where it names none */
  attach(program: LoadedProgram, cgroup?: string): SimLink {
    const own = this.#own(program);
    if (cgroup === undefined && own.hook.startsWith('cgroup/'))
      throw new Error(`program "${own.name}" (${own.hook}): programs of this kind attach to a cgroup; say which`);
    const link: SimLink = { hook: own.hook, program: own, cgroup: cgroup ?? '/' };
    this.#hooks.at(own.hook).add(link);
    this.#hooks.changed();
    return link;
  }

  replace(link: Link, program: LoadedProgram): SimLink {
    const attached = this.#attached(link);
    const own = this.#own(program);
    if (own.hook !== attached.hook)
      throw new Error(`program ${own.name} is for ${own.hook}; it can't replace one of ${attached.hook}`);
    attached.program = own;
    this.#hooks.changed();
    return attached;
  }

  detach(link: Link): void {
    const attached = this.#attached(link);
    const { links } = this.#hooks.at(attached.hook);
    links.splice(links.indexOf(attached), 1);
    this.#hooks.changed();
  }

  /** A program by its number, for tail calls. */
  executable(handle: number): ExecutableProgram | undefined {
    return this.#programs.get(handle)?.executable;
  }

  /** Gives back what is attached nowhere. */
  release({ maps, programs }: Parameters<Kernel['release']>[0]): void {
    for (const program of programs) {
      this.#own(program).runner.close();
      this.#programs.delete(program.handle);
    }
    for (const { handle } of maps) {
      this.#maps.get(handle)?.close();
      this.#maps.delete(handle);
    }
  }

  /** From now on the time of each run counts; looking at the clock takes some of it. */
  enableStatistics(): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    for (const program of this.#programs.values()) program.runner = timed(program);
  }

  stats(): ProgramStats[] {
    return [...this.#programs.values()].map(({ name, hook, runs, ns }) => ({
      program: name,
      hook,
      runs,
      ns,
      missed: 0,
    }));
  }

  detachAll(): void {
    for (const { links } of this.#hooks.all()) links.length = 0;
    this.#hooks.changed();
  }

  #own(program: LoadedProgram): SimProgram {
    const own = this.#programs.get(program.handle);
    if (own === program) return own;
    throw new Error(`program ${program.name} was not loaded into this kernel`);
  }

  #attached(link: Link): SimLink {
    for (const { links } of this.#hooks.all()) for (const attached of links) if (attached === link) return attached;
    throw new Error(`program ${link.program.name} is not attached to ${link.hook} by this link`);
  }
}
