import { type Alert, type AuditLog, raiseAlert } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import {
  type Compiled,
  compile,
  type Diagnostic,
  decodeRecord,
  type EventRecord,
  type Guard,
  HEAD,
  lostAt,
  type Priority,
  RecordError,
  type Residual,
  RINGS,
  type Rule,
  residualOf,
} from '../rules/index.ts';
import {
  containersInCgroup,
  createProcessTable,
  fieldsOf,
  type KernelMap,
  NO_CONTAINERS,
  type Processes,
  type ProcessTable,
  type Sensor,
  type SensorReport,
  snapshotOf,
} from '../sensors/index.ts';
import { FIRST, loadObject, mapOf } from './load.ts';
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
  /** How long alerts wait for facts of containers. */
  readonly wait?: WaitLimits;
  readonly onAlert?: (alert: Alert) => void;
  /** Every record, before its rules are looked at: for displays. */
  readonly onRecord?: (record: EventRecord, processes: ProcessTable) => void;
  /** Sentences about what can't be as wished. */
  readonly warn?: (sentence: string) => void;
}

/** What a run came to. */
export interface AgentSummary {
  readonly kernel: string;
  /** System calls that the sensor saw or made. */
  readonly calls: number;
  /** Records that programs put in the ring buffer. */
  readonly events: number;
  /** Rule matches that user space took back after the kernel part. */
  readonly residualDropped: number;
  readonly alerts: number;
  readonly byPriority: Readonly<Partial<Record<Priority, number>>>;
  readonly byRule: ReadonlyMap<string, number>;
  readonly denied: number;
  readonly killed: number;
  /** Records that found no room in the ring buffer, by hook. */
  readonly lost: ReadonlyMap<string, number>;
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

/** What an audit record of an enforcing rule says was done. */
const outcomeOf = (verdict: 'deny' | 'kill', rule: Rule, certain: boolean, guard: Guard): string => {
  if (!certain) return 'not certain';
  if (rule.mode !== 'enforce' || guard === 'monitor') return 'would have';
  if (guard !== 'done') return `suppressed: ${guard}`;
  return verdict === 'deny' ? 'denied' : 'killed';
};

/**
 * Loads policies into a sensor's kernel, lets the sensor run, and turns what comes out of the ring buffer into alerts in the audit
 * log. The log is flushed at the end. @throws CompileError, VerifierError
 */
export const runAgent = async (
  options: AgentOptions,
  signal: AbortSignal = new AbortController().signal,
): Promise<AgentSummary> => {
  const { sensor, policies, log } = options;
  const { kernel } = sensor;
  const rules = policies.flatMap((policy) => policy.rules);
  const hashes = new Map(policies.map((policy) => [policy.name, policy.hash]));
  const compiled = options.compiled ?? compile(rules, { level: kernel.features.level });
  const errors = compiled.diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  if (errors.length > 0) throw new CompileError(errors);
  if (options.enforce && !kernel.features.enforcement)
    options.warn?.(`${kernel.features.name} can't enforce; enforcing policies only say what they would do`);

  const table = createProcessTable();
  const residual: Residual = residualOf(compiled.plan);
  const tally = createTally();
  const { containers = NO_CONTAINERS } = sensor;
  const waiting = createWaiting(options.wait);
  const { maps, links } = loadObject({
    kernel,
    scope: sensor.scope,
    compiled,
    enforce: options.enforce,
    agentPid: sensor.kind === 'linux' ? process.pid : 0,
    protect: options.protect ?? [],
    processes: table,
    ...(options.warn && { warn: options.warn }),
  });
  const stream = kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  log.append('start', { host: options.host, kernel: kernel.features.name, enforce: options.enforce });
  for (const policy of policies)
    log.append('policy', { name: policy.name, hash: policy.hash, mode: policy.mode, rules: policy.rules.length });

  const broken = { records: 0, reason: '' };
  const decode = (bytes: Uint8Array): EventRecord | undefined => {
    try {
      return decodeRecord(bytes, compiled.layouts);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      broken.records++;
      broken.reason = error.message;
      return undefined;
    }
  };
  const raise = (rule: Rule, index: number, record: EventRecord, alert: ReturnType<typeof raiseAlert>): void => {
    let raised: Alert | undefined;
    log.append('alert', (seq) => {
      raised = { ...alert, id: `${options.host}-${seq}`, seq } as Alert;
      return raised;
    });
    if (rule.action !== 'alert') {
      const outcome = outcomeOf(rule.action, rule, record.certain.has(index), record.guard);
      log.append('enforcement', {
        rule: rule.name,
        policy: rule.policy,
        policyHash: alert.policyHash,
        mode: rule.mode,
        hook: record.hook,
        pid: record.pid,
        action: rule.action,
        outcome,
        fields: alert.fields,
      });
    }
    tally.count(rule, alert.enforced === true ? rule.action : undefined);
    if (raised !== undefined) options.onAlert?.(raised);
  };
  /** What rules are checked on: an event with the processes as they were then, and its container as it is known by now. */
  const occurrenceOf = (record: EventRecord, processes: Processes) => {
    const wallTime = kernel.wallTime(record.time);
    const cgroup = kernel.cgroupPath(record.cgroup);
    const pending = new Set<string>();
    const fields = fieldsOf(record, {
      processes,
      number: tally.events,
      wallTime,
      cgroupPath: () => cgroup,
      containers,
      onPending: (field) => pending.add(field),
      userName: (uid) => sensor.userName?.(uid),
    });
    const decided = { hook: record.hook, event: record.event?.type ?? '', truth: record.truth };
    /** Raises or drops; false where a fact may still come that it depends on. */
    const decide = (rule: Rule, index: number, final: boolean): boolean => {
      pending.clear();
      if (!residual.matches(index, decided, fields)) {
        tally.residualDropped++;
        return true;
      }
      const alert = raiseAlert(rule, index, record, fields, {
        host: options.host,
        kernel: kernel.features.name,
        policyHash: hashes.get(rule.policy) ?? '',
        wallTime,
        processes,
        ...(cgroup !== undefined && { container: containers.facts(cgroup) }),
        pending,
      });
      if (pending.size > 0 && !final) return false;
      raise(rule, index, record, alert);
      return true;
    };
    return { decide, container: cgroup === undefined ? '' : (containersInCgroup(cgroup)[0]?.id ?? '') };
  };
  const handle = (bytes: Uint8Array): void => {
    const record = decode(bytes);
    if (record === undefined) return;
    tally.events++;
    table.apply(record);
    options.onRecord?.(record, table);
    if (record.matched.length === 0) return;
    const { decide, container } = occurrenceOf(record, table);
    let later: ReturnType<typeof occurrenceOf> | undefined;
    for (const index of record.matched) {
      const rule = rules[index];
      if (rule === undefined) continue;
      const acts = rule.action !== 'alert';
      if ((acts || !waiting.holds(container)) && decide(rule, index, acts)) continue;
      later ??= occurrenceOf(record, snapshotOf(table, record));
      const { decide: decideLater } = later;
      waiting.add(container, (final) => decideLater(rule, index, final));
    }
  };
  const pump = (): void => {
    stream.consume(handle);
    waiting.rethrow();
  };
  const stopListening = containers.onChange(waiting.check);
  pump();
  let report: SensorReport;
  try {
    report = await sensor.run(pump, signal);
  } finally {
    for (const link of links) kernel.detach(link);
    await stream.drain(handle);
    stream.close();
    await waiting.settle(signal);
    stopListening();
    containers.close();
  }
  const lost = readLost(mapOf(maps, 'lost'), compiled);
  for (const [hook, records] of lost) log.append('loss', { hook, records });
  if (broken.records > 0) log.append('loss', { unreadable: broken.records, reason: broken.reason });
  log.append('stop', { events: tally.events, alerts: tally.alerts });
  await log.flush();
  const problems =
    broken.records === 0
      ? report.problems
      : [...report.problems, `${broken.records} records could not be read; the last: ${broken.reason}`];
  return { ...tally.summary(), kernel: kernel.features.name, calls: report.calls, lost, problems };
};

const readLost = (map: KernelMap, compiled: Compiled): ReadonlyMap<string, number> => {
  const value = map.lookup(FIRST);
  const lost = new Map<string, number>();
  if (value === undefined) return lost;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  for (const layout of compiled.layouts) {
    const records = RINGS.reduce((sum, ring) => sum + Number(view.getBigUint64(lostAt(layout.index, ring), true)), 0);
    if (records > 0) lost.set(layout.hook, records);
  }
  return lost;
};

const createTally = () => {
  const byPriority: Partial<Record<Priority, number>> = {};
  const byRule = new Map<string, number>();
  let denied = 0;
  let killed = 0;
  const tally = {
    events: 0,
    residualDropped: 0,
    alerts: 0,
    count: (rule: Rule, enforced: 'alert' | 'deny' | 'kill' | undefined): void => {
      tally.alerts++;
      byPriority[rule.priority] = (byPriority[rule.priority] ?? 0) + 1;
      byRule.set(rule.name, (byRule.get(rule.name) ?? 0) + 1);
      if (enforced === 'deny') denied++;
      if (enforced === 'kill') killed++;
    },
    summary: () => ({
      events: tally.events,
      residualDropped: tally.residualDropped,
      alerts: tally.alerts,
      byPriority,
      byRule,
      denied,
      killed,
    }),
  };
  return tally;
};
