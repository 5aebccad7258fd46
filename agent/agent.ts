import type { Alert, AuditLog } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import { type Compiled, compile, type EventRecord, HEAD, RINGS, type RuleMatching } from '../rules/index.ts';
import {
  createProcessTable,
  type EnforcementSwitch,
  NO_CONTAINERS,
  type ProcessTable,
  type Sensor,
  type SensorReport,
} from '../sensors/index.ts';
import { appendAlert } from './append-alert.ts';
import { CompileError } from './compile-error.ts';
import { correlationLosses } from './correlation-losses.ts';
import { createDispatcher } from './dispatcher.ts';
import { createProgress } from './events.ts';
import { type EnforcementBody, withListener } from './expected-enforcement.ts';
import { hooksAsked, openAsking } from './gate.ts';
import { createGeneration, type Generation, type Shared } from './generation.ts';
import type { HeldBack } from './held-back.ts';
import { checkedBudget, DEFAULT_BUDGET, type KillBudget } from './kill-budget.ts';
import { createTreeKiller } from './kill-tree.ts';
import { type Loaded, type LoadOptions, loadObject, mapOf } from './load.ts';
import type { FoundLoss, RingTotal } from './losses.ts';
import { createNoise, untoldOf } from './noise/index.ts';
import { createPast } from './past.ts';
import { logReload, policyRecord } from './policy-records.ts';
import { openProof } from './proof.ts';
import { createReload, doDue, type Live, type Reload } from './reload.ts';
import { policyShares, type Standing } from './standing.ts';
import { anySwitch, followSwitch } from './switch.ts';
import { createTally, type TallySummary } from './tally.ts';
import { createWaiting, type WaitLimits } from './waiting.ts';

export interface AgentOptions {
  readonly policies: readonly Policy[];
  readonly sensor: Sensor;
  /** The policies' rules, compiled for the sensor's kernel; left out: they are compiled here. */
  readonly compiled?: Compiled;
  /** Name of the observed host, as alerts carry it. */
  readonly host: string;
  /** Carry out what enforcing policies decide; without it they only say what they would do. */
  readonly enforce: boolean;
  /** Where every alert goes before anyone sees it. */
  readonly log: AuditLog;
  /** Executables that are never denied or killed, by path; looked up once, then known by device and inode. */
  readonly protect?: readonly string[];
  /** Switches enforcement off and on while the agent runs; without `enforce` it has no effect. */
  readonly enforcement?: EnforcementSwitch;
  /** Paths on mounts whose files fanotify asks about, where the kernel has no LSM hook for rules that deny opens and execs; default none. */
  readonly fanotifyMounts?: readonly string[];
  /** How often one executable may be killed in one cgroup; default 10 times in a minute. Denials have no budget. */
  readonly budget?: KillBudget;
  /** How long alerts wait for facts of containers. */
  readonly wait?: WaitLimits;
  /** Records of one rule in one cgroup: how many a second on average, how many at once; default without limit. */
  readonly limit?: NonNullable<LoadOptions['limit']>;
  /**
   * Alerts a second of one rule beyond which they are a storm, whose matches are counted; rules of priority critical or higher may raise ten times as
   * many, those that deny or kill as many as they do. Default without limit.
   */
  readonly stormLimit?: number;
  /** Raise an alert for each match: neither storms nor rules' `aggregate` are looked at. */
  readonly everyMatch?: boolean;
  /**
   * Which of the rules that match one event raise an alert: all (the default), or the first in the order they are loaded, of those that
   * only alert and look at single events. Rules that deny or kill act and are raised in either case, and so are thresholds and sequences.
   */
  readonly ruleMatching?: RuleMatching;
  /** Bytes of the ring buffers, powers of two; default the object's. */
  readonly rings?: NonNullable<LoadOptions['rings']>;
  /** Records that are passed over, of processes that are not to be observed yet; asked for every one. */
  readonly ignore?: (record: EventRecord) => boolean;
  /** Programs are attached and processes known: what happens from now on is seen. */
  readonly onAttached?: () => void;
  /** The same, where the policies can be exchanged while they run: the way to do so. Left out, they stay. */
  readonly onReloadable?: (reload: Reload) => void;
  readonly onAlert?: (alert: Alert) => void;
  /** What the audit log says of enforcement: attempts, and when it was switched or had ended by itself. */
  readonly onEnforcement?: (body: EnforcementBody) => void;
  /** Every record, before its rules are looked at: for displays. */
  readonly onRecord?: (record: EventRecord, processes: ProcessTable) => void;
  /** Once programs are attached: how to ask how the run stands, at any time. */
  readonly onStanding?: (read: () => Standing) => void;
  /** Sentences about what can't be as wished. */
  readonly warn?: (sentence: string) => void;
}

/** What a run came to. */
export interface AgentSummary extends TallySummary {
  readonly sensor: Sensor['kind'];
  readonly kernel: string;
  /** System calls that were made or played; 0 where the sensor is linux, which counts none. */
  readonly calls: number;
  /** Records that found no room in a ring buffer, by hook. */
  readonly lost: ReadonlyMap<string, number>;
  /** What each hook put in each ring buffer, and what found no room there. */
  readonly rings: readonly RingTotal[];
  /** Runs of programs that the kernel left out, by hook. */
  readonly missed: ReadonlyMap<string, number>;
  /** Records that limits held back, by rule and cgroup. */
  readonly heldBack: readonly HeldBack[];
  readonly problems: readonly string[];
}

/** How often it is looked for losses, in milliseconds. */
const CHECK_MS = 1_000;
/** Nanoseconds that a record may take from its program to here where nothing else is on the way. */
const LAG = 100_000_000n;
/** The cgroup of a record's process; 0 where the record has none. */
const cgroupOf = ({ buffer, byteOffset, length }: Uint8Array): bigint =>
  length < HEAD.size ? 0n : new DataView(buffer, byteOffset).getBigUint64(HEAD.cgroup, true);

/** Later than all records. */
const EVER = 2n ** 63n;

/** Says when it is time to look; a sensor without a clock goes by its records' times. */
const createRhythm = (sensor: Sensor) => {
  let last = 0;
  return (recordTime: bigint): boolean => {
    const now = sensor.now === undefined ? Number(recordTime / 1_000_000n) : performance.now();
    if (last === 0) last = now;
    if (now - last < CHECK_MS) return false;
    last = now;
    return true;
  };
};

/**
 * Loads policies into a sensor's kernel, lets the sensor run, and turns what comes out of the ring buffers into alerts in the audit
 * log. What is lost on the way is found every second, logged and raised. The log is flushed at the end. @throws CompileError, VerifierError
 */
export const runAgent = async (
  given: AgentOptions,
  signal: AbortSignal = new AbortController().signal,
): Promise<AgentSummary> => {
  const switches = [given.enforcement, given.sensor.enforcement].filter((each) => each !== undefined);
  const options: AgentOptions = {
    ...given,
    ...(switches.length > 0 && { enforcement: anySwitch(switches) }),
    ...(given.onEnforcement && { log: withListener(given.log, given.onEnforcement) }),
  };
  const { sensor, policies, log } = options;
  const { kernel, scope, containers = NO_CONTAINERS } = sensor;
  const rules = policies.flatMap((policy) => policy.rules);
  const compiled = options.compiled ?? compile(rules, kernel.features);
  const errors = compiled.diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  if (errors.length > 0) throw new CompileError(errors);
  if (options.enforce && !kernel.features.enforcement)
    options.warn?.(`${kernel.features.name} can't enforce; enforcing policies only say what they would do`);

  const table = createProcessTable({
    onExact: (process) => {
      for (const { fill } of live?.kept.keys() ?? []) fill.add(process);
    },
  });
  const tally = createTally();
  const progress = createProgress();
  const dispatcher = options.onReloadable && createDispatcher(kernel, scope);
  const number = dispatcher === undefined ? 0 : 1;
  const budget = checkedBudget(options.budget ?? DEFAULT_BUDGET);
  const proven = options.enforce && kernel.openSentinel !== undefined ? new Set<string>() : undefined;
  const own = new Set<bigint>();
  const mounts = options.fanotifyMounts ?? [];
  const asked = hooksAsked(kernel, compiled, mounts, options.warn);
  const proof =
    proven &&
    (await openProof({ kernel, scope, compiled, own, proven, asked: { hooks: asked, mounts }, warn: options.warn }));
  const load = {
    ...options,
    budget,
    isSwitchedOff: () => options.enforcement?.isOff === true,
    kernel,
    scope,
    agentPid: kernel.ownPid?.() ?? 0,
    protect: options.protect ?? [],
    processes: table,
    containers,
    accounts: sensor.accounts,
    proven,
    asked,
  };
  let live: Live | undefined;
  dispatcher?.activate(number);
  let loaded: Loaded;
  try {
    loaded = loadObject({ ...load, compiled, ...(dispatcher && { post: { dispatcher, generation: number } }) });
  } catch (error) {
    await proof?.close();
    throw error;
  }
  const stream = kernel.stream(
    RINGS.map((ring) => mapOf(loaded.maps, ring)),
    HEAD.time,
  );
  const asking = await openAsking({
    kernel,
    scope,
    mounts,
    compiled,
    maps: loaded.maps,
    hooks: asked,
    onRecord: (record) => live?.byNumber.get(number)?.events.take(record),
    warn: options.warn,
  });
  const tiers = await proof?.run(
    mapOf(loaded.maps, 'config'),
    (hook) => asking.hooks.has(hook) || loaded.programs.some((program) => program.hook === hook),
  );
  log.append('start', {
    host: options.host,
    kernel: kernel.features.name,
    enforce: options.enforce,
    ...(tiers && { tiers }),
    ...(sensor.kind === 'linux' && { scope }),
  });
  for (const policy of policies) log.append('policy', policyRecord(policy));

  const waiting = createWaiting(options.wait);
  const noise = options.everyMatch
    ? undefined
    : createNoise({
        stormLimit: options.stormLimit,
        wallTime: (time) => kernel.wallTime(time),
        tell: (alert, rule) => {
          if (!appendAlert(log, options.host, alert)) {
            if (alert.aggregated !== undefined) log.append('shed', untoldOf(rule, alert.aggregated.count));
            return;
          }
          generations.current.events.guarded(() => {
            tally.count(rule);
            options.onAlert?.(alert);
          });
        },
      });
  const tree =
    options.enforce && kernel.kill !== undefined && sensor.kind !== 'replay'
      ? createTreeKiller({
          kernel,
          processes: table,
          log,
          ownPid: load.agentPid,
          enforces: () => options.enforcement?.isOff !== true,
          map: (name) => mapOf(generations.current.loaded.maps, name),
        })
      : undefined;
  const shared: Shared = {
    options,
    table,
    tally,
    waiting,
    noise,
    progress,
    tree,
    missed: new Map(),
    onRecord: (record, from) => {
      for (const [{ fill, facts }, of] of generations.kept) {
        fill.apply(record, of !== from);
        facts.apply(record);
      }
      tree?.apply(record);
      options.onRecord?.(record.keep(), table);
    },
  };
  const first = createGeneration(shared, { number, policies, compiled, loaded, asking });
  const generations: Live = {
    current: first,
    byNumber: new Map([[number, first]]),
    kept: new Map([[loaded, number]]),
    due: undefined,
  };
  live = generations;
  const past = createPast();
  const handle = (record: Uint8Array): void => {
    if (own.size > 0 && own.has(cgroupOf(record))) return;
    doDue(generations, record);
    const { byNumber, current } = generations;
    (byNumber.get(record[HEAD.generation] ?? 0) ?? current).events.handle(record);
  };
  const report = ({ body, alert }: FoundLoss, kind: 'loss' | 'shed'): void =>
    generations.current.events.guarded(() => {
      log.append(kind, body);
      generations.current.events.raise(alert);
    });
  const checkOne = ({ compiled: its, losses, heldBack, windows, correlator }: Generation, final: boolean): boolean => {
    const found = losses.check();
    for (const loss of found) report(loss, 'loss');
    if (options.limit !== undefined || its.plan.rules.some(({ limit }) => limit !== undefined))
      for (const shed of heldBack.check(final)) report(shed, 'shed');
    windows?.check(sensor.now?.() ?? progress.lastTime);
    for (const loss of correlationLosses(correlator)) report(loss, 'loss');
    return found.some(({ lifecycle }) => lifecycle);
  };
  const check = (final: boolean): void => {
    let stale = false;
    for (const generation of generations.byNumber.values()) stale = checkOne(generation, final) || stale;
    if (stale) generations.current.events.guarded(resync);
    generations.current.events.guarded(recordUntold);
  };
  /** Bounds what a crash can make forget: what was counted since the last look, a second ago. */
  const recordUntold = (): void => {
    if (sensor.now) noise?.advance(sensor.now() - LAG);
    for (const untold of noise?.untold() ?? []) log.append('shed', untold);
  };
  /** Puts the process table right after exec, fork or exit records were lost. */
  const resync = (): void => {
    stream.consume(handle);
    const asOf = sensor.now?.() ?? EVER;
    const there = kernel.processes(scope);
    table.resync(there, asOf);
    for (const { fill } of generations.kept.keys()) fill.repair(there);
  };
  const reloading =
    dispatcher &&
    createReload({
      shared,
      live: generations,
      load,
      mounts,
      own,
      dispatcher,
      stream,
      handle,
      onReloaded: (before, after, changes) => {
        if (checkOne(before, true)) after.events.guarded(resync);
        past.add(before);
        reloads++;
        after.events.guarded(() => noise?.keep(after.compiled.plan.rules));
        logReload(log, before.policies, after.policies, changes);
      },
    });
  let reloads = 0;
  let pumped = performance.now();
  const standing = (): Standing => {
    const { policies: its, compiled: now } = generations.current;
    return {
      ...tally.summary(),
      ...past.with(generations.byNumber.values()),
      policies: its,
      reloads,
      missed: shared.missed,
      waiting: waiting.size,
      unreadable: progress.unreadable.records,
      failed: progress.failed.records,
      programs: kernel.stats(),
      shares: policyShares(now.layouts, (rule) => now.plan.rules[rule]?.policy ?? ''),
      idleMs: performance.now() - pumped,
    };
  };
  const isTime = createRhythm(sensor);
  const pump = (): void => {
    pumped = performance.now();
    for (const { facts } of generations.kept.keys()) facts.poll();
    const records = stream.consume(handle);
    const until = { seen: progress.lastTime, now: sensor.now?.() ?? EVER };
    for (const { asking: its } of generations.byNumber.values()) its.tell(until);
    if (!isTime(progress.lastTime)) return;
    for (const { facts } of generations.kept.keys()) facts.sweep();
    check(false);
    if (records === 0 && sensor.now) table.advance(sensor.now() - LAG);
  };
  const stopFollowing =
    options.enforce && options.enforcement !== undefined
      ? followSwitch(
          options.enforcement,
          () => [...generations.byNumber.values()].map(({ loaded: its }) => mapOf(its.maps, 'config')),
          log,
        )
      : undefined;
  const stopListening = containers.onChange(() => {
    for (const { facts } of generations.kept.keys()) facts.recheck();
    waiting.check();
  });
  pump();
  options.onStanding?.(() => standing());
  options.onAttached?.();
  if (reloading !== undefined) options.onReloadable?.(reloading.reload);
  let played: SensorReport;
  try {
    played = await sensor.run(pump, signal);
  } finally {
    await reloading?.idle();
    const { lease, domains, asking: last } = generations.current;
    await last.close();
    lease?.release();
    stopFollowing?.();
    for (const link of loaded.links) kernel.detach(link);
    dispatcher?.close();
    await stream.drain(handle);
    last.tell();
    stream.close();
    await waiting.settle(signal);
    generations.current.events.guarded(() => noise?.end());
    stopListening();
    containers.close();
    domains?.close();
  }
  check(true);
  table.advance(EVER);
  const { unreadable, failed } = progress;
  const problems = [...played.problems, ...generations.current.loaded.facts.problems];
  if (unreadable.records > 0) {
    log.append('loss', { unreadable: unreadable.records, reason: unreadable.reason });
    problems.push(`${unreadable.records} records could not be read; the last: ${unreadable.reason}`);
  }
  if (failed.records > 0) {
    log.append('loss', { failed: failed.records, reason: failed.reason });
    problems.push(`${failed.records} records came to nothing; the last: ${failed.reason}`);
  }
  log.append('stop', { events: tally.events, alerts: tally.alerts });
  await log.flush();
  past.add(generations.current);
  const { rings, heldBack } = past;
  const lost = new Map<string, number>();
  for (const each of rings) if (each.lost > 0) lost.set(each.hook, (lost.get(each.hook) ?? 0) + each.lost);
  return {
    ...tally.summary(),
    sensor: sensor.kind,
    kernel: kernel.features.name,
    calls: played.calls,
    lost,
    rings,
    missed: shared.missed,
    heldBack,
    problems,
  };
};
