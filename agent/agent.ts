import type { Alert, AuditLog } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import {
  type Compiled,
  compile,
  createCorrelator,
  type Diagnostic,
  type EventRecord,
  HEAD,
  RINGS,
  type RuleMatching,
} from '../rules/index.ts';
import {
  createProcessTable,
  NO_CONTAINERS,
  type ProcessTable,
  type Sensor,
  type SensorReport,
} from '../sensors/index.ts';
import { correlationLosses } from './correlation-losses.ts';
import { openDomains } from './domains.ts';
import { createEvents } from './events.ts';
import { createHeldBack, type HeldBack } from './held-back.ts';
import { createLease } from './lease.ts';
import { type LoadOptions, loadObject, mapOf } from './load.ts';
import { createLosses, type RingTotal } from './losses.ts';
import { createOwnLimits } from './own-limits.ts';
import type { ProcessFill } from './process-facts.ts';
import { createTally, type TallySummary } from './tally.ts';
import { createWaiting, type WaitLimits } from './waiting.ts';
import { createWindowSweep, pauseWindows } from './windows.ts';

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
  /** How long alerts wait for facts of containers. */
  readonly wait?: WaitLimits;
  /** Records of one rule in one cgroup: how many a second on average, how many at once; default without limit. */
  readonly limit?: NonNullable<LoadOptions['limit']>;
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
  readonly onAlert?: (alert: Alert) => void;
  /** Every record, before its rules are looked at: for displays. */
  readonly onRecord?: (record: EventRecord, processes: ProcessTable) => void;
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

/** Thrown when policies can't be compiled for the kernel; the diagnostics say why. */
export class CompileError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(`${diagnostics.length} ${diagnostics.length === 1 ? 'rule' : 'rules'} can't be compiled`);
    this.name = 'CompileError';
    this.diagnostics = diagnostics;
  }
}

/** How often it is looked for losses, in milliseconds. */
const CHECK_MS = 1_000;
/** Nanoseconds that a record may take from its program to here where nothing else is on the way. */
const LAG = 100_000_000n;
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
  options: AgentOptions,
  signal: AbortSignal = new AbortController().signal,
): Promise<AgentSummary> => {
  const { sensor, policies, log } = options;
  const { kernel, scope, containers = NO_CONTAINERS } = sensor;
  const rules = policies.flatMap((policy) => policy.rules);
  const compiled = options.compiled ?? compile(rules, { level: kernel.features.level });
  const errors = compiled.diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  if (errors.length > 0) throw new CompileError(errors);
  if (options.enforce && !kernel.features.enforcement)
    options.warn?.(`${kernel.features.name} can't enforce; enforcing policies only say what they would do`);

  let fill: ProcessFill | undefined;
  const table = createProcessTable({ onExact: (process) => fill?.add(process) });
  const tally = createTally();
  const correlator = createCorrelator({
    rules: compiled.plan.rules,
    parentOf: ({ pid, start }) => table.get(pid, start),
  });
  const waiting = createWaiting(options.wait);
  const { maps, links, ...loaded } = loadObject({
    ...options,
    kernel,
    scope,
    compiled,
    agentPid: sensor.kind === 'linux' ? process.pid : 0,
    protect: options.protect ?? [],
    processes: table,
    containers,
    accounts: sensor.accounts,
  });
  fill = loaded.fill;
  const { facts } = loaded;
  const lease = options.enforce && sensor.now ? createLease(mapOf(maps, 'config'), sensor.now) : undefined;
  const stream = kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  log.append('start', {
    host: options.host,
    kernel: kernel.features.name,
    enforce: options.enforce,
    ...(sensor.kind === 'linux' && { scope }),
  });
  for (const policy of policies)
    log.append('policy', { name: policy.name, hash: policy.hash, mode: policy.mode, rules: policy.rules.length });

  const losses = createLosses({ kernel, compiled, lost: mapOf(maps, 'lost') });
  if (options.ignore !== undefined) pauseWindows(maps, true);
  const windows = options.ignore === undefined ? createWindowSweep(compiled, maps) : undefined;
  const limits = createOwnLimits(compiled);
  const heldBack = createHeldBack({ kernel, compiled, buckets: mapOf(maps, 'buckets'), own: limits });
  const domains = openDomains(compiled.plan.rules, sensor, options.warn);
  const events = createEvents({
    ...options,
    compiled,
    domains,
    table,
    tally,
    correlator,
    limits,
    waiting,
    onRecord: (record) => {
      losses.received(record);
      fill?.apply(record);
      facts.apply(record);
      options.onRecord?.(record, table);
    },
  });
  const check = (final: boolean): void => {
    const found = losses.check();
    for (const { body, alert } of found)
      events.guarded(() => {
        log.append('loss', body);
        events.raise(alert);
      });
    if (options.limit !== undefined || rules.some((rule) => rule.limit !== undefined))
      for (const { body, alert } of heldBack.check(final))
        events.guarded(() => {
          log.append('shed', body);
          events.raise(alert);
        });
    windows?.check(sensor.now?.() ?? events.lastTime);
    for (const { body, alert } of correlationLosses(correlator))
      events.guarded(() => {
        log.append('loss', body);
        events.raise(alert);
      });
    if (found.some(({ lifecycle }) => lifecycle)) events.guarded(resync);
  };
  /** Puts the process table right after exec, fork or exit records were lost. */
  const resync = (): void => {
    stream.consume(events.handle);
    const asOf = sensor.now?.() ?? EVER;
    table.resync(kernel.processes(scope), asOf);
    fill?.prune();
  };
  const isTime = createRhythm(sensor);
  const pump = (): void => {
    facts.poll();
    const records = stream.consume(events.handle);
    if (!isTime(events.lastTime)) return;
    facts.sweep();
    check(false);
    if (records === 0 && sensor.now) table.advance(sensor.now() - LAG);
  };
  const stopListening = containers.onChange(() => {
    facts.recheck();
    waiting.check();
  });
  pump();
  options.onAttached?.();
  let report: SensorReport;
  try {
    report = await sensor.run(pump, signal);
  } finally {
    lease?.release();
    for (const link of links) kernel.detach(link);
    await stream.drain(events.handle);
    stream.close();
    await waiting.settle(signal);
    stopListening();
    containers.close();
    domains?.close();
  }
  check(true);
  table.advance(EVER);
  const { unreadable, failed } = events;
  const problems = [...report.problems, ...facts.problems];
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
  const { rings, missed } = losses.totals();
  const lost = new Map<string, number>();
  for (const each of rings) if (each.lost > 0) lost.set(each.hook, (lost.get(each.hook) ?? 0) + each.lost);
  return {
    ...tally.summary(),
    sensor: sensor.kind,
    kernel: kernel.features.name,
    calls: report.calls,
    lost,
    rings,
    missed,
    heldBack: heldBack.totals(),
    problems,
  };
};
