import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAuditQuery, verifyAuditLog } from '../alerts/index.ts';
import { type LargeLog, SHRIKE, writeLargeLog } from './audit-log.ts';
import { run, type Taken } from './command.ts';
import { busySeconds, type Case, type Measurement, measure } from './harness.ts';

const ALERTS = 1_000_000;
const MOST_SAMPLES = 5;
const MOST_MEGABYTES = 1_000;
const GROUPED = 'SELECT rule, count(*) AS alerts FROM alerts GROUP BY rule ORDER BY alerts DESC';

/** Records that are verified a second of all threads' time together. */
const verify = async ({ folder, key, entries }: LargeLog): Promise<number> => {
  const begun = process.cpuUsage();
  const { verified, findings } = await verifyAuditLog({ folder, key });
  const { user, system } = process.cpuUsage(begun);
  if (verified !== entries || findings.length > 0)
    throw new Error(`${verified} of ${entries} entries verified: ${findings[0]?.message}`);
  return entries / ((user + system) / 1e6);
};

/** Seconds of a query that groups all alerts, on a log that is open. */
const grouped = async ({ folder }: LargeLog): Promise<number> => {
  const query = await openAuditQuery({ folder });
  try {
    return await busySeconds(async () => {
      const { rows } = await query.run(GROUPED);
      let alerts = 0;
      for await (const portion of rows) for (const [, count] of portion) alerts += Number(count);
      if (alerts !== ALERTS) throw new Error(`the query counted ${alerts} alerts of ${ALERTS}`);
    });
  } finally {
    query.close();
  }
};

/** A command's time, and its memory in the same sample. */
const command = (name: string, most: number | undefined, once: () => Promise<Taken>): readonly Case[] => {
  let latest: Taken | undefined;
  return [
    {
      name: `shrike audit ${name}`,
      unit: 's',
      ...(most !== undefined && { target: { of: 'median', most } as const }),
      sample: async () => {
        latest = await once();
        return latest.seconds;
      },
    },
    {
      name: `shrike audit ${name}, memory`,
      unit: 'MB',
      target: { of: 'median', most: MOST_MEGABYTES },
      sample: () => latest?.megabytes ?? Number.NaN,
    },
  ];
};

/** A log of a million alerts: verified, reported, queried. */
export const audit = async (samples: number): Promise<readonly Measurement[]> => {
  const parent = mkdtempSync(join(tmpdir(), 'shrike-bench-'));
  try {
    const log = await writeLargeLog(parent, ALERTS);
    const { folder } = log;
    const shrike = (...args: readonly string[]): Promise<Taken> => run(SHRIKE, ['audit', ...args]);
    const cases: readonly Case[] = [
      {
        name: 'verify, of one core',
        unit: 'records/s',
        target: { of: 'median', least: 250_000 },
        sample: () => verify(log),
      },
      { name: 'group by', unit: 's', target: { of: 'median', most: 1 }, sample: () => grouped(log) },
      ...command('verify', undefined, () => shrike('verify', folder, '--key', log.key.text)),
      ...command('query', undefined, () => shrike('query', GROUPED, folder)),
      ...command('report', 10, () =>
        shrike('report', folder, '--key', log.key.text, '--out', join(parent, 'report.html')),
      ),
    ];
    return await measure('audit', cases, Math.min(samples, MOST_SAMPLES));
  } finally {
    rmSync(parent, { recursive: true });
  }
};
