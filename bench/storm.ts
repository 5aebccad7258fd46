import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type AgentOptions, runAgent } from '../agent/index.ts';
import { openAuditLog } from '../alerts/index.ts';
import { loadPolicyText } from '../policies/index.ts';
import { HEAD } from '../rules/index.ts';
import { createSimHost, type RecordStream, type Sensor } from '../sensors/index.ts';
import { type Case, type Measurement, measure } from './harness.ts';

const MATCHES = 100_000;
/** Records between two turns of the event loop. */
const BURST = 200;
/** And between two waits for the log, whose memory a slow disk would fill. */
const FLUSH = 10_000;
/** Nanoseconds between two matches. */
const APART = 10_000n;
const FDCWD = -100;
const MOST_SAMPLES = 5;

const policy = (aggregate: string): AgentOptions['policies'] =>
  loadPolicyText(
    'storm.yaml',
    `apiVersion: shrike/v1
kind: Policy
metadata: {name: storm}
spec:
  rules:
    - rule: Account list read
      condition: evt.type = openat and fd.name = /etc/passwd
      priority: notice
      output: "%proc.name read %fd.name (user=%user.uid parent=%proc.pname)"
      ${aggregate}
`,
  ).policies;

/** A sensor whose ring buffer has the record of one match very often, at later and later times; `onDone` gets the matches a second of this process's time. */
const createFlood = (flush: () => Promise<void>, onDone: (perSecond: number) => void): Sensor => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  const shell = host.spawn({ exepath: '/bin/bash' });
  const task = host.spawn({ exepath: '/usr/bin/cat', parent: shell });
  let record: Uint8Array | undefined;
  let wanted = 0;
  let time = 0n;
  const flooded = (stream: RecordStream): RecordStream => ({
    ...stream,
    consume: (handle) => {
      let records = stream.consume((bytes) => {
        record = bytes.slice();
        handle(bytes);
      });
      if (record === undefined) return records;
      const view = new DataView(record.buffer);
      if (time === 0n) time = view.getBigUint64(HEAD.time, true);
      for (; wanted > 0; wanted--, records++) {
        time += APART;
        view.setBigUint64(HEAD.time, time, true);
        handle(record);
      }
      return records;
    },
  });
  return {
    kind: 'sim',
    scope: '/',
    kernel: { ...host.kernel, stream: (maps, timeAt) => flooded(host.kernel.stream(maps, timeAt)) },
    run: async (pump) => {
      host.call(task, 'openat', [FDCWD, '/etc/passwd', 0, 0]);
      pump();
      const begun = process.cpuUsage();
      for (let made = 0; made < MATCHES; made += BURST) {
        wanted = BURST;
        pump();
        await (made % FLUSH === 0 ? flush() : nextTurn());
      }
      const { user, system } = process.cpuUsage(begun);
      onDone(MATCHES / ((user + system) / 1e6));
      return { calls: host.calls, problems: [] };
    },
  };
};

const sample = async (aggregate: string, more: Partial<AgentOptions>): Promise<number> => {
  const folder = mkdtempSync(join(tmpdir(), 'shrike-bench-'));
  const log = await openAuditLog({ folder, host: 'bench' });
  try {
    let perSecond = 0;
    const sensor = createFlood(log.flush, (found) => {
      perSecond = found;
    });
    const policies = policy(aggregate);
    const { alerts, aggregated } = await runAgent({ policies, sensor, host: 'bench', enforce: false, log, ...more });
    if (alerts + aggregated < MATCHES) throw new Error(`${alerts} alerts and ${aggregated} more matches of ${MATCHES}`);
    return perSecond;
  } finally {
    await log.close();
    rmSync(folder, { recursive: true });
  }
};

const BY_KEY = 'aggregate: {by: [proc.exepath, fd.name], within: 60s}';

/** Matches of one rule a second of this process's time, from record to log: with an alert each, and counted. */
export const storm = (samples: number): Promise<readonly Measurement[]> => {
  const cases: readonly Case[] = [
    { name: 'an alert each', unit: 'matches/s', sample: () => sample('', {}) },
    {
      name: 'a storm',
      unit: 'matches/s',
      baseline: 'an alert each',
      sample: () => sample('', { stormLimit: 100 }),
    },
    { name: 'by two fields', unit: 'matches/s', baseline: 'an alert each', sample: () => sample(BY_KEY, {}) },
    {
      name: 'by the output',
      unit: 'matches/s',
      baseline: 'an alert each',
      sample: () => sample('aggregate: {within: 60s}', {}),
    },
  ];
  return measure('storm', cases, Math.min(samples, MOST_SAMPLES));
};
