import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyAuditLog } from '../alerts/index.ts';
import { type LargeLog, writeLargeLog } from './audit-log.ts';
import { type Case, type Measurement, measure } from './harness.ts';

const ALERTS = 1_000_000;
const MOST_SAMPLES = 5;

/** Records that are verified a second of all threads' time together. */
const verify = async ({ folder, key, entries }: LargeLog): Promise<number> => {
  const begun = process.cpuUsage();
  const { verified, findings } = await verifyAuditLog({ folder, key });
  const { user, system } = process.cpuUsage(begun);
  if (verified !== entries || findings.length > 0)
    throw new Error(`${verified} of ${entries} entries verified: ${findings[0]?.message}`);
  return entries / ((user + system) / 1e6);
};

/** A log of a million alerts: verified, reported, queried. */
export const audit = async (samples: number): Promise<readonly Measurement[]> => {
  const parent = mkdtempSync(join(tmpdir(), 'shrike-bench-'));
  try {
    const log = await writeLargeLog(parent, ALERTS);
    const cases: readonly Case[] = [
      {
        name: 'verify, of one core',
        unit: 'records/s',
        target: { of: 'median', least: 250_000 },
        sample: () => verify(log),
      },
    ];
    return await measure('audit', cases, Math.min(samples, MOST_SAMPLES));
  } finally {
    rmSync(parent, { recursive: true });
  }
};
