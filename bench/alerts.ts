import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { type AuditLog, createPublisher, findNatsServer, openAuditLog, startNatsServer } from '../alerts/index.ts';
import { type Case, type Measurement, measure } from './harness.ts';

const ALERTS = 30_000;
/** Alerts that are raised before the process turns to anything else. */
const BURST = 500;
/** Alerts under way at once, for the client as for the publisher. */
const WINDOW = 256;
const PACED = 2_000;
const PACED_MS = 1_500;
const TICK_MS = 5;
const FLUSH_MS = 120_000;
const HOST = 'bench-1';
const MOST_SAMPLES = 5;

/** What a match comes to: a new record each time, as the agent makes it. */
const matched = (seq: number) => ({
  v: 1,
  id: `${HOST}-${seq}`,
  seq,
  time: '2026-01-02T03:04:05.678900000Z',
  host: HOST,
  policy: 'credential-files',
  policyHash: 'ab'.repeat(32),
  rule: 'Password file read',
  priority: 'critical',
  tags: ['T1003.008'],
  hook: 'tp_btf/sys_exit',
  event: 'openat',
  output: 'cat read /etc/shadow (user=root parent=bash)',
  fields: { 'proc.name': 'cat', 'fd.name': '/etc/shadow', 'user.uid': 0, 'proc.pname': 'bash' },
  trust: { 'proc.name': 'resolved', 'fd.name': 'resolved', 'user.uid': 'resolved', 'proc.pname': 'resolved' },
  process: {
    pid: 42,
    start: seq,
    exe: '/usr/bin/cat',
    cmdline: 'cat /etc/shadow',
    uid: 0,
    ancestors: [{ pid: 1, exe: '/sbin/init', cmdline: null }],
  },
  kernel: '6.18.0',
});

const perSecond = (count: number, from: number): number => count / ((performance.now() - from) / 1000);

/** A log in a folder of its own, gone at the end. */
const withLog = async <T>(work: (log: AuditLog) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'shrike-bench-'));
  const log = await openAuditLog({ folder, host: HOST });
  try {
    return await work(log);
  } finally {
    await log.close();
    await rm(folder, { recursive: true, force: true });
  }
};

/** A publisher that follows a log, and how to wait until all is acknowledged. */
const withPublished = async <T>(
  url: string,
  log: AuditLog,
  work: (flush: () => Promise<void>) => Promise<T>,
): Promise<T> => {
  const publisher = createPublisher({ servers: url, host: HOST, log });
  try {
    return await work(async () => {
      if (!(await publisher.flush(FLUSH_MS))) throw new Error(`not acknowledged: ${publisher.state.lastError}`);
    });
  } finally {
    await publisher.close();
  }
};

const raiseAll = async (log: AuditLog): Promise<void> => {
  for (let raised = 0; raised < ALERTS; raised++) {
    log.append('alert', matched);
    if (raised % BURST === BURST - 1) await nextTurn();
  }
};

const durable = (): Promise<number> =>
  withLog(async (log) => {
    const from = performance.now();
    await raiseAll(log);
    await log.flush();
    return perSecond(ALERTS, from);
  });

const acknowledged = (url: string): Promise<number> =>
  withLog((log) =>
    withPublished(url, log, async (flush) => {
      await flush();
      const from = performance.now();
      await raiseAll(log);
      await flush();
      return perSecond(ALERTS, from);
    }),
  );

const payload = new TextEncoder().encode(JSON.stringify(matched(1_000)));
const SUBJECT = 'shrike.alerts.bench_client.critical.password_file_read';
let runs = 0;

/** Sends ready payloads of an alert's size with the client's own publishing, at most `WINDOW` at once. */
const clientAlone = async (nats: NatsConnection): Promise<number> => {
  const stream = nats.jetstream();
  const run = ++runs;
  let next = 0;
  const from = performance.now();
  const worker = async (): Promise<void> => {
    while (next < ALERTS) await stream.publish(SUBJECT, payload, { msgID: `client-${run}-${next++}` });
  };
  await Promise.all(Array.from({ length: WINDOW }, worker));
  return perSecond(ALERTS, from);
};

/** Calls `once` `PACED` times a second for a while. */
const paced = async (once: () => void): Promise<void> => {
  const from = performance.now();
  for (let made = 0; made < (PACED * PACED_MS) / 1000; await delay(TICK_MS)) {
    const due = ((performance.now() - from) / 1000) * PACED;
    for (; made < due; made++) once();
  }
};

/** Milliseconds that half, and that 99 of 100, took at most. */
type Latencies = { readonly p50: number; readonly p99: number };
const latenciesOf = (values: readonly number[]): Latencies => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
};

/** From a match to its commit, and to its acknowledgement. */
const latencies = async (url: string): Promise<{ readonly durable: Latencies; readonly acknowledged: Latencies }> => {
  const [toDurable, toAcknowledged]: [number[], number[]] = [[], []];
  const raisedAt = new Map<number, number>();
  const since = (seq: number): number => performance.now() - (raisedAt.get(seq) ?? Number.NaN);
  await withLog(async (log) => {
    log.onCommit((entries) => {
      for (const { seq } of entries) toDurable.push(since(seq));
    });
    const watched: AuditLog = Object.create(log, {
      acknowledged: { value: (seq: number) => raisedAt.has(seq) && toAcknowledged.push(since(seq)) },
    });
    await withPublished(url, watched, async (flush) => {
      await flush();
      await paced(() => {
        raisedAt.set(log.last + 1, performance.now());
        log.append('alert', matched);
      });
      await flush();
    });
  });
  return { durable: latenciesOf(toDurable), acknowledged: latenciesOf(toAcknowledged) };
};

const clientLatencies = async (nats: NatsConnection): Promise<Latencies> => {
  const stream = nats.jetstream();
  const values: number[] = [];
  const sent: Promise<unknown>[] = [];
  const run = ++runs;
  await paced(() => {
    const from = performance.now();
    const msgID = `paced-${run}-${sent.length}`;
    sent.push(stream.publish(SUBJECT, payload, { msgID }).then(() => values.push(performance.now() - from)));
  });
  await Promise.all(sent);
  return latenciesOf(values);
};

/**
 * Alerts a second from match to disk and to acknowledgement, beside what the NATS client alone does with ready payloads of the same size; and how long
 * one takes at 2,000 a second. Nothing where nats-server isn't installed.
 */
export const alerts = async (samples: number): Promise<readonly Measurement[]> => {
  if (findNatsServer() === undefined) {
    process.stderr.write('bench: alerts is left out, as nats-server is not installed\n');
    return [];
  }
  const server = await startNatsServer();
  const nats = await connect({ servers: server.url });
  let latest: Awaited<ReturnType<typeof latencies>> | undefined;
  let ofClient: Latencies | undefined;
  const client = 'client alone, acknowledged';
  const clientP50 = 'client alone, p50 at 2,000/s';
  const clientP99 = 'client alone, p99 at 2,000/s';
  const cases: readonly Case[] = [
    {
      name: 'match to acknowledged',
      unit: 'alerts/s',
      baseline: client,
      target: { of: 'ratio', least: 0.8 },
      sample: () => acknowledged(server.url),
    },
    { name: client, unit: 'alerts/s', sample: () => clientAlone(nats) },
    { name: 'match to durable', unit: 'alerts/s', sample: durable },
    {
      name: 'match to durable, p50 at 2,000/s',
      unit: 'ms',
      sample: async () => {
        latest = await latencies(server.url);
        return latest.durable.p50;
      },
    },
    { name: 'match to durable, p99 at 2,000/s', unit: 'ms', sample: () => latest?.durable.p99 ?? Number.NaN },
    {
      name: 'match to acknowledged, p50 at 2,000/s',
      unit: 'ms',
      baseline: clientP50,
      sample: () => latest?.acknowledged.p50 ?? Number.NaN,
    },
    {
      name: 'match to acknowledged, p99 at 2,000/s',
      unit: 'ms',
      baseline: clientP99,
      sample: () => latest?.acknowledged.p99 ?? Number.NaN,
    },
    {
      name: clientP50,
      unit: 'ms',
      sample: async () => {
        ofClient = await clientLatencies(nats);
        return ofClient.p50;
      },
    },
    { name: clientP99, unit: 'ms', sample: () => ofClient?.p99 ?? Number.NaN },
  ];
  try {
    return await measure('alerts', cases, Math.min(samples, MOST_SAMPLES));
  } finally {
    await nats.close();
    await server.stop();
  }
};
