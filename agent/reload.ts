import type { Policy } from '../policies/index.ts';
import { type Compiled, compile, HEAD, RINGS } from '../rules/index.ts';
import type { RecordStream } from '../sensors/index.ts';
import { actingHooks } from './acting-hooks.ts';
import { carryBuckets, carryKills, countedWindows, stepsBefore, uncountedBefore } from './carry-over.ts';
import { CompileError } from './compile-error.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type Asking, hooksAsked, openAsking } from './gate.ts';
import { createGeneration, type Generation, type Shared } from './generation.ts';
import { type Loaded, type LoadOptions, mapOf, stageObject, unloadObject } from './load.ts';
import { openProof, type Proof, type ProvenTier } from './proof.ts';
import { type RuleChanges, ruleChanges } from './rule-changes.ts';
import { pauseWindows } from './windows.ts';

/** What became of an attempt to run other policies. */
export type ReloadOutcome =
  | ({
      readonly done: true;
      /** Milliseconds. */
      readonly ms: number;
    } & RuleChanges)
  /** Nothing has changed. The error is a CompileError, or what the kernel has against the new object. */
  | { readonly done: false; readonly ms: number; readonly error: Error };

/**
 * Runs other policies in the place of those that run, from one event to the next. One attempt is made at a time; of those that are asked for
 * meanwhile only the last is made, and is the answer to all. Never rejects.
 */
export type Reload = (policies: readonly Policy[], compiled?: Compiled) => Promise<ReloadOutcome>;

/** The generations of policies that an agent runs: one, and during a reload a second. */
export interface Live {
  current: Generation;
  /** All whose records may still come. */
  readonly byNumber: Map<number, Generation>;
  /** All whose maps of facts are kept complete, with their numbers. */
  readonly kept: Map<Pick<Loaded, 'fill' | 'facts'>, number>;
  /** What is to be done before records that are later than `time`. */
  due: { readonly time: bigint; readonly act: () => void } | undefined;
}

/** Does what is due before a record; without one, whatever is. */
export const doDue = (live: Live, record?: Uint8Array): void => {
  const { due } = live;
  if (due === undefined) return;
  if (record !== undefined) {
    if (record.length < HEAD.size) return;
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    if (view.getBigUint64(HEAD.time, true) <= due.time) return;
  }
  live.due = undefined;
  due.act();
};

export interface ReloadOptions {
  readonly shared: Shared;
  readonly live: Live;
  /** How the first object was loaded. */
  readonly load: Omit<LoadOptions, 'compiled' | 'post' | 'asked'> & { readonly proven?: Set<string> | undefined };
  /** Where fanotify may stand for hooks. */
  readonly mounts: readonly string[];
  /** Gets the cgroups of processes that hooks are tried on. */
  readonly own: Set<bigint>;
  readonly dispatcher: Dispatcher;
  readonly stream: RecordStream;
  readonly handle: (record: Uint8Array) => void;
  /** Other policies run by now; the old ones' last records have been handled, and its maps can be read for the last time. */
  readonly onReloaded: (
    before: Generation,
    after: Generation,
    changes: RuleChanges & { readonly tiers?: readonly ProvenTier[] },
  ) => void;
}

/** Numbers of generations are a byte's, from 1 on; those that follow one another are an odd and an even one. */
const NUMBERS = 254;
/** Nanoseconds that a program may still take after the new ones are told what came before them. */
const LEEWAY = 1_000_000_000n;

export const createReload = (options: ReloadOptions): { readonly reload: Reload; idle(): Promise<unknown> } => {
  const { shared, live, load, mounts, own, dispatcher, stream, handle } = options;
  const { sensor } = shared.options;
  const { kernel } = sensor;

  /** Has the old programs hand over what they count, and user space know it before any later match. */
  const handOver = (before: Generation, after: Generation): void => {
    if (sensor.now === undefined) stream.consume(handle);
    const time = sensor.now?.() ?? shared.progress.lastTime;
    pauseWindows(before.loaded.maps, true);
    kernel.settle();
    const windows = countedWindows(before.loaded);
    const act = (): void => {
      for (const window of windows) before.correlator.counted(window);
    };
    if (sensor.now === undefined) act();
    else live.due = { time, act };
    const last = windows.flatMap(({ times }) => times).reduce((most, each) => (each > most ? each : most), time);
    uncountedBefore({ ...after, maps: after.loaded.maps }, sensor.now === undefined ? last : last + LEEWAY);
  };
  /** Compiles, loads and fills in; where that fails nothing has changed. */
  const prepare = async (policies: readonly Policy[], given: Compiled | undefined) => {
    const before = live.current;
    const rules = policies.flatMap((policy) => policy.rules);
    const compiled = given ?? compile(rules, kernel.features);
    const errors = compiled.diagnostics.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new CompileError(errors);
    const number = (before.number % NUMBERS) + 1;
    const rings = new Map(RINGS.map((ring) => [ring, mapOf(before.loaded.maps, ring)]));
    const asked = hooksAsked(kernel, compiled, mounts, load.warn);
    const proof = await proofOf(compiled, asked);
    let asking: Asking | undefined;
    let loaded: ReturnType<typeof stageObject> | undefined;
    try {
      loaded = stageObject({ ...load, asked, compiled, post: { dispatcher, generation: number, rings } });
      kernel.settle();
      await stream.drain(handle);
      live.kept.set(loaded, number);
      loaded.fillIn();
      asking = await openAsking({
        kernel,
        scope: load.scope,
        mounts,
        compiled,
        maps: loaded.maps,
        hooks: asked,
        isSecond: before.asking.hooks.size > 0,
        onRecord: (record) => live.byNumber.get(number)?.events.take(record),
        warn: load.warn,
      });
      for (const hook of asked) if (!asking.hooks.has(hook)) load.proven?.delete(hook);
      const generation = { number, policies, compiled, loaded, asking };
      return { loaded, proof, after: createGeneration(shared, { ...generation, before: before.correlator.state }) };
    } catch (error) {
      await proof?.close();
      await asking?.close();
      if (loaded !== undefined) {
        live.kept.delete(loaded);
        loaded.drop();
      }
      throw error;
    }
  };
  /** What tries hooks that have not been seen to act, before their programs attach. */
  const proofOf = async (compiled: Compiled, asked: ReadonlySet<string>): Promise<Proof | undefined> => {
    const { proven, scope, warn } = load;
    if (proven === undefined) return undefined;
    const hooks = actingHooks(compiled).filter((hook) => !proven.has(hook));
    if (hooks.length === 0) return undefined;
    return openProof({ kernel, scope, compiled, own, proven, hooks, asked: { hooks: asked, mounts }, warn });
  };
  const attempt = async (policies: readonly Policy[], given: Compiled | undefined): Promise<RuleChanges> => {
    const before = live.current;
    const { loaded, proof, after } = await prepare(policies, given);
    if (before.windows !== undefined) handOver(before, after);
    stepsBefore(after.loaded, sensor.now === undefined ? shared.progress.lastTime : sensor.now() + LEEWAY);
    carryBuckets({ ...before, maps: before.loaded.maps }, { ...after, maps: after.loaded.maps });
    carryKills(before.loaded, after.loaded);
    live.byNumber.set(after.number, after);
    dispatcher.activate(after.number);
    live.current = after;
    live.kept.delete(before.loaded);
    kernel.settle();
    loaded.settled();
    await before.asking.close();
    after.asking.alone();
    await stream.drain(handle);
    before.asking.tell();
    doDue(live);
    live.byNumber.delete(before.number);
    const changes = ruleChanges(before.compiled.plan.rules, after.compiled.plan.rules);
    const isOffered = (hook: string): boolean =>
      after.asking.hooks.has(hook) || loaded.programs.some((program) => program.hook === hook);
    const tiers = await proof?.run(mapOf(loaded.maps, 'config'), isOffered).catch((error: unknown) => {
      load.warn?.(`hooks that are new could not be tried: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    });
    options.onReloaded(before, after, { ...changes, ...(tiers && { tiers }) });
    before.lease?.release();
    before.domains?.close();
    dispatcher.retire(before.number);
    unloadObject(kernel, before.loaded);
    return changes;
  };

  let running: Promise<ReloadOutcome> | undefined;
  let next:
    | { policies: readonly Policy[]; compiled: Compiled | undefined; outcome: Promise<ReloadOutcome> }
    | undefined;
  const run = async (policies: readonly Policy[], compiled: Compiled | undefined): Promise<ReloadOutcome> => {
    const begun = performance.now();
    const ms = (): number => Math.round(performance.now() - begun);
    try {
      const changes = await attempt(policies, compiled);
      return { done: true, ms: ms(), ...changes };
    } catch (error) {
      return { done: false, ms: ms(), error: error instanceof Error ? error : new Error(String(error)) };
    }
  };
  const begin = (policies: readonly Policy[], compiled: Compiled | undefined): Promise<ReloadOutcome> => {
    const outcome = run(policies, compiled).finally(() => {
      if (running === outcome) running = undefined;
    });
    running = outcome;
    return outcome;
  };
  return {
    reload: (policies, compiled) => {
      if (running === undefined) return begin(policies, compiled);
      if (next !== undefined) {
        next.policies = policies;
        next.compiled = compiled;
        return next.outcome;
      }
      const outcome = running.then(() => {
        const { policies: last, compiled: its } = next ?? { policies, compiled };
        next = undefined;
        return begin(last, its);
      });
      next = { policies, compiled, outcome };
      return outcome;
    },
    idle: async () => {
      while (running !== undefined || next !== undefined) await (next?.outcome ?? running);
    },
  };
};
