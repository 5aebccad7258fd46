import { Counter, Gauge, Registry } from 'prom-client';
import type { Standing } from '../agent/index.ts';
import {
  type AnnouncerState,
  type Histogram,
  LATENCY_BOUNDS,
  type PublisherState,
  type Sealer,
  type StoredLog,
} from '../alerts/index.ts';
import { PRIORITIES } from '../rules/index.ts';

/** What metrics are about. */
export interface MetricSources {
  readonly version: string;
  readonly host: string;
  readonly sensor: string;
  readonly kernel: string;
  readonly log: StoredLog;
  readonly sealer: Sealer;
  /** Undefined where the log has no witness. */
  witness(): AnnouncerState | undefined;
  /** Undefined until programs are attached. */
  standing(): Standing | undefined;
  /** Undefined where nothing is published. */
  publisher(): PublisherState | undefined;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** A metric whose value is read when it is asked for; `undefined` where there is none yet. */
interface Read {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  read(): readonly Sample[] | number | undefined;
}

const samplesOf = (value: readonly Sample[] | number | undefined): readonly Sample[] =>
  value === undefined ? [] : typeof value === 'number' ? [[{}, value]] : value;

const counter = (registry: Registry, { name, help, labels = [], read }: Read): void => {
  new Counter({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      this.reset();
      for (const [own, value] of samplesOf(read())) this.inc(own, value);
    },
  });
};

const gauge = (registry: Registry, { name, help, labels = [], read }: Read): void => {
  new Gauge({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      this.reset();
      for (const [own, value] of samplesOf(read())) this.set(own, value);
    },
  });
};

/** A histogram that is counted elsewhere, in the text format (Prometheus, exposition formats). */
const histogramText = (name: string, help: string, { cumulative, count, sum }: Histogram): string =>
  [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} histogram`,
    ...LATENCY_BOUNDS.map((bound, index) => `${name}_bucket{le="${bound}"} ${cumulative[index] ?? 0}`),
    `${name}_bucket{le="+Inf"} ${count}`,
    `${name}_sum ${sum}`,
    `${name}_count ${count}`,
    '',
  ].join('\n');

const addUp = (samples: readonly Sample[]): readonly Sample[] => {
  const sums = new Map<string, Sample>();
  for (const [labels, value] of samples) {
    const key = JSON.stringify(labels);
    sums.set(key, [labels, value + (sums.get(key)?.[1] ?? 0)]);
  }
  return [...sums.values()];
};

/** Counts of what the agent saw, raised, lost and did. */
const agentMetrics = (registry: Registry, standing: () => Standing | undefined): void => {
  const of =
    (read: (now: Standing) => readonly Sample[] | number): Read['read'] =>
    () => {
      const now = standing();
      return now && read(now);
    };
  counter(registry, {
    name: 'shrike_events_total',
    help: 'Records that programs put in a ring buffer and that were read.',
    labels: ['hook', 'ring'],
    read: of(({ rings }) => rings.map(({ hook, ring, received }) => [{ hook, ring }, received])),
  });
  counter(registry, {
    name: 'shrike_events_lost_total',
    help: 'Records that found no room in a ring buffer.',
    labels: ['hook', 'ring'],
    read: of(({ rings }) => rings.map(({ hook, ring, lost }) => [{ hook, ring }, lost])),
  });
  counter(registry, {
    name: 'shrike_runs_missed_total',
    help: 'Runs of programs that the kernel left out, since one was running on that CPU already.',
    labels: ['hook'],
    read: of(({ missed }) => [...missed].map(([hook, runs]) => [{ hook }, runs])),
  });
  counter(registry, {
    name: 'shrike_alerts_total',
    help: 'Alerts raised.',
    labels: ['priority'],
    read: of(({ byPriority }) => PRIORITIES.map((priority) => [{ priority }, byPriority[priority] ?? 0])),
  });
  counter(registry, {
    name: 'shrike_rule_alerts_total',
    help: 'Alerts raised, by rule.',
    labels: ['rule'],
    read: of(({ byRule }) => [...byRule].map(([rule, alerts]) => [{ rule }, alerts])),
  });
  counter(registry, {
    name: 'shrike_matches_total',
    help: 'Matches of the kernel part that raised no alert of their own: residual (user space took them back), hidden (an earlier rule matched), aggregated (another alert counts them).',
    labels: ['outcome'],
    read: of(({ residualDropped, hidden, aggregated }) => [
      [{ outcome: 'residual' }, residualDropped],
      [{ outcome: 'hidden' }, hidden],
      [{ outcome: 'aggregated' }, aggregated],
    ]),
  });
  counter(registry, {
    name: 'shrike_held_back_total',
    help: "Records that a rule's limit or the agent's rate limit held back.",
    labels: ['rule', 'limit'],
    read: of(({ heldBack }) => addUp(heldBack.map(({ rule, limit, records }) => [{ rule, limit }, records]))),
  });
  counter(registry, {
    name: 'shrike_enforced_total',
    help: 'Calls denied and processes killed.',
    labels: ['action'],
    read: of(({ denied, killed }) => [
      [{ action: 'deny' }, denied],
      [{ action: 'kill' }, killed],
    ]),
  });
  counter(registry, {
    name: 'shrike_records_failed_total',
    help: 'Records that could not be read, or that came to nothing.',
    labels: ['reason'],
    read: of(({ unreadable, failed }) => [
      [{ reason: 'unreadable' }, unreadable],
      [{ reason: 'failed' }, failed],
    ]),
  });
  counter(registry, {
    name: 'shrike_reloads_total',
    help: 'How often the policies were exchanged while the agent ran.',
    read: of(({ reloads }) => reloads),
  });
  gauge(registry, {
    name: 'shrike_policy_info',
    help: 'Policies that run: always 1.',
    labels: ['policy', 'hash', 'mode'],
    read: of(({ policies }) => policies.map(({ name, hash, mode }) => [{ policy: name, hash, mode }, 1])),
  });
  gauge(registry, {
    name: 'shrike_waiting_alerts',
    help: 'Events that wait for facts of their containers.',
    read: of(({ waiting }) => waiting),
  });
  gauge(registry, {
    name: 'shrike_idle_seconds',
    help: 'Time since the ring buffers were last looked into.',
    read: of(({ idleMs }) => idleMs / 1000),
  });
};

/** What the kernel says of its programs; zeros while its statistics are off. */
const costMetrics = (registry: Registry, standing: () => Standing | undefined): void => {
  const programs = () => standing()?.programs ?? [];
  const byHook = (value: 'runs' | 'ns', scale: number) =>
    addUp(programs().map((program): Sample => [{ hook: program.hook }, program[value] * scale]));
  counter(registry, {
    name: 'shrike_program_runs_total',
    help: "Runs of the loaded programs, as the kernel's statistics count them (--program-cost).",
    labels: ['hook'],
    read: () => byHook('runs', 1),
  });
  counter(registry, {
    name: 'shrike_program_seconds_total',
    help: "Time in the loaded programs, as the kernel's statistics count it (--program-cost).",
    labels: ['hook'],
    read: () => byHook('ns', 1e-9),
  });
  counter(registry, {
    name: 'shrike_policy_seconds_total',
    help: "The programs' time split among policies, by how many of the rules that each program looks for are whose.",
    labels: ['policy'],
    read: () => {
      const seconds = new Map(byHook('ns', 1e-9).map(([{ hook = '' }, value]) => [hook, value]));
      const shares = standing()?.shares ?? [];
      return addUp(shares.map(({ policy, hook, share }): Sample => [{ policy }, share * (seconds.get(hook) ?? 0)]));
    },
  });
};

const ROOMS = ['enough', 'reserve', 'none'] as const;

const logMetrics = (registry: Registry, log: StoredLog): void => {
  counter(registry, {
    name: 'shrike_audit_entries_total',
    help: 'Entries appended to the audit log since the start.',
    read: () => log.last - log.openedAt,
  });
  counter(registry, {
    name: 'shrike_audit_omitted_total',
    help: 'Entries that found no room; the log says how many of which.',
    read: () => log.state.omitted,
  });
  gauge(registry, {
    name: 'shrike_audit_waiting_entries',
    help: 'Entries that are not on disk yet.',
    read: () => log.state.waiting,
  });
  gauge(registry, {
    name: 'shrike_audit_waiting_bytes',
    help: 'Bytes that are not on disk yet.',
    read: () => log.state.waitingBytes,
  });
  gauge(registry, { name: 'shrike_audit_bytes', help: 'Bytes of the audit log.', read: () => log.state.bytes });
  gauge(registry, {
    name: 'shrike_audit_room',
    help: '1 for how the disk is: enough, reserve (full; critical entries go on in what was kept), none.',
    labels: ['room'],
    read: () => ROOMS.map((room) => [{ room }, room === log.state.room ? 1 : 0]),
  });
};

const sealMetrics = (registry: Registry, log: StoredLog, sealer: Sealer): void => {
  gauge(registry, {
    name: 'shrike_audit_sealed_entries',
    help: 'Entries of the audit log that its newest checkpoint signs.',
    read: () => sealer.state.sealed,
  });
  gauge(registry, {
    name: 'shrike_audit_unsealed_entries',
    help: 'Entries of the audit log on disk that no checkpoint signs yet.',
    read: () => log.committed - sealer.state.sealed,
  });
  gauge(registry, {
    name: 'shrike_audit_sealing',
    help: '1 while the audit log is sealed; 0 where nothing is signed any more.',
    read: () => (sealer.state.refusal === undefined ? 1 : 0),
  });
};

const witnessMetrics = (registry: Registry, sealer: Sealer, witness: () => AnnouncerState | undefined): void => {
  gauge(registry, {
    name: 'shrike_audit_cosigned_entries',
    help: 'Entries of the audit log that its witness has cosigned.',
    read: () => witness()?.cosigned,
  });
  gauge(registry, {
    name: 'shrike_audit_uncosigned_entries',
    help: 'Entries of the audit log that are signed and not cosigned yet.',
    read: () => sealer.state.sealed - (witness()?.cosigned ?? 0),
  });
  gauge(registry, {
    name: 'shrike_audit_cosigned_timestamp_seconds',
    help: 'When the witness cosigned last.',
    read: () => witness()?.cosignedAt,
  });
};

const publisherMetrics = (registry: Registry, publisher: () => PublisherState | undefined): void => {
  const of =
    (read: (now: PublisherState) => readonly Sample[] | number): Read['read'] =>
    () => {
      const now = publisher();
      return now && read(now);
    };
  gauge(registry, {
    name: 'shrike_nats_connected',
    help: 'Whether there is a connection to a NATS server, and a stream that takes the alerts.',
    labels: ['to'],
    read: of(({ connected, stream }) => [
      [{ to: 'server' }, connected ? 1 : 0],
      [{ to: 'stream' }, stream ? 1 : 0],
    ]),
  });
  counter(registry, {
    name: 'shrike_nats_published_total',
    help: 'Alerts that a server has acknowledged.',
    read: of(({ published }) => published),
  });
  counter(registry, {
    name: 'shrike_nats_refused_total',
    help: 'Alerts larger than the server takes; they are in the audit log only.',
    read: of(({ refused }) => refused),
  });
  counter(registry, {
    name: 'shrike_nats_rewinds_total',
    help: 'How often the server had gone back and got what it lacked again.',
    read: of(({ rewinds }) => rewinds),
  });
  counter(registry, {
    name: 'shrike_nats_resent_total',
    help: 'How often what was under way was sent again.',
    labels: ['reason'],
    read: of(({ resent }) => Object.entries(resent).map(([reason, times]): Sample => [{ reason }, times])),
  });
  gauge(registry, {
    name: 'shrike_nats_in_flight',
    help: 'Alerts sent and not acknowledged yet.',
    read: of(({ inFlight }) => inFlight),
  });
  gauge(registry, {
    name: 'shrike_nats_behind_entries',
    help: 'Entries of the log behind the last acknowledged alert.',
    read: of(({ behind }) => behind),
  });
};

/** Shrike's metrics in Prometheus's text format, read anew at each call. */
export const createMetrics = (sources: MetricSources): (() => Promise<string>) => {
  const { version, host, sensor, kernel, log } = sources;
  const registry = new Registry();
  gauge(registry, {
    name: 'shrike_info',
    help: 'What runs: always 1.',
    labels: ['version', 'host', 'sensor', 'kernel'],
    read: () => [[{ version, host, sensor, kernel }, 1]],
  });
  gauge(registry, {
    name: 'process_resident_memory_bytes',
    help: 'Memory of the agent.',
    read: () => process.memoryUsage.rss(),
  });
  counter(registry, {
    name: 'process_cpu_seconds_total',
    help: "The agent's time on processors.",
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  });
  agentMetrics(registry, sources.standing);
  costMetrics(registry, sources.standing);
  logMetrics(registry, log);
  sealMetrics(registry, log, sources.sealer);
  if (sources.witness() !== undefined) witnessMetrics(registry, sources.sealer, sources.witness);
  if (sources.publisher() !== undefined) publisherMetrics(registry, sources.publisher);
  return async () => {
    const published = sources.publisher();
    return [
      await registry.metrics(),
      histogramText(
        'shrike_audit_commit_seconds',
        'From an entry being appended to it being on disk.',
        log.state.latency,
      ),
      ...(published === undefined
        ? []
        : [
            histogramText(
              'shrike_nats_publish_seconds',
              "From an alert's commit to its acknowledgement.",
              published.latency,
            ),
          ]),
    ].join('\n');
  };
};
