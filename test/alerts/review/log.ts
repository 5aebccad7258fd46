import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AuditKind, openAuditLog } from '../../../alerts/index.ts';

/** What a test writes into a log: a kind, and a body that may be made from its number. */
export type Written = readonly [kind: AuditKind, body: object | ((seq: number) => object)];

/** Writes a log, in segments of about so many bytes. */
export const writeLog = async (folder: string, entries: readonly Written[], segmentBytes?: number): Promise<void> => {
  const log = await openAuditLog({
    folder,
    host: 'web-1',
    warn: () => undefined,
    reserveBytes: 0,
    commitEveryMs: 0,
    upkeepEveryMs: 0,
    ...(segmentBytes !== undefined && { segmentBytes }),
  });
  for (const [kind, body] of entries) {
    if (typeof body === 'function') log.append(kind, body);
    else log.append(kind, body);
    if (segmentBytes !== undefined) await log.flush();
  }
  await log.close();
};

/** Everything about a folder's files that a change would show: names, contents, modes, times. */
export const fingerprint = (folder: string): string => {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder, { recursive: true }).map(String).sort()) {
    const path = join(folder, name);
    const { mode, size, mtimeMs, ino } = lstatSync(path);
    hash.update(JSON.stringify([name, mode, size, mtimeMs, ino]));
    if (lstatSync(path).isFile()) hash.update(readFileSync(path));
  }
  return hash.digest('hex');
};

/** The path of a log's segment that begins with an entry. */
export const segmentAt = (folder: string, firstSeq = 1): string =>
  join(folder, `audit-${String(firstSeq).padStart(6, '0')}.jsonl`);
