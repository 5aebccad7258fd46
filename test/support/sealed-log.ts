import { type AuditLogOptions, openAuditLog, type StoredLog } from '../../alerts/audit/log.ts';
import { openSealer, type Sealer } from '../../alerts/audit/sealer.ts';

/** A log that a test writes and seals. */
export interface SealedLog {
  readonly log: StoredLog;
  readonly sealer: Sealer;
  readonly warned: readonly string[];
  /** Its checkpoints, in order. */
  readonly signed: readonly string[];
}

/** The host of logs of {@link openSealedLog}. */
export const SEALED_HOST = 'web-1';

/** Opens a log with a sealer, which signs when it is told to, or every so often. */
export const openSealedLog = async (
  folder: string,
  options: Partial<AuditLogOptions> = {},
  everyMs = 0,
): Promise<SealedLog> => {
  const warned: string[] = [];
  const signed: string[] = [];
  const warn = (sentence: string) => void warned.push(sentence);
  const quiet = { commitEveryMs: 0, reserveBytes: 0, upkeepEveryMs: 0 };
  const log = await openAuditLog({ folder, host: SEALED_HOST, warn: () => undefined, ...quiet, ...options });
  const sealer = await openSealer({ log, warn, everyMs, onCheckpoint: [(text) => void signed.push(text)] });
  return { log, sealer, warned, signed };
};

/** Writes so many entries and closes the log. */
export const writeSealedLog = async (
  folder: string,
  entries: number,
  options: Partial<AuditLogOptions> = {},
): Promise<SealedLog> => {
  const opened = await openSealedLog(folder, options);
  for (let entry = 0; entry < entries; entry++)
    opened.log.append('start', { host: SEALED_HOST, entry, text: 'x'.repeat(entry % 50) });
  await opened.log.close();
  return opened;
};
