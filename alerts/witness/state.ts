import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { crc32c } from '../audit/crc32c.ts';
import { replaceFile } from '../audit/replace-file.ts';
import { type FoundCheckpoint, openCheckpoint } from '../transparency/checkpoint.ts';
import { parseVerifier } from '../transparency/key.ts';

const LOGS_FOLDER = 'logs';

/** What a witness has against a log, from when it was found until the log goes on from what was cosigned. */
export const INCIDENTS = ['forked', 'shrunk', 'unsealed', 'silent'] as const;
export type Incident = (typeof INCIDENTS)[number];

const KEPT = z.object({
  v: z.literal(1),
  origin: z.string(),
  /** The log's public keys, the newest last. */
  keys: z.array(z.string()).min(1),
  /** The newest checkpoint that was cosigned, as its log signed it. */
  checkpoint: z.string(),
  /** Seconds since 1970. */
  cosignedAt: z.number(),
  firstSeenAt: z.number(),
  /** When the agent said that it was being stopped; left out while it runs. */
  stoppedAt: z.number().exactOptional(),
  incidents: z.array(z.enum(INCIDENTS)),
});

/** What a witness knows of a log; it is on disk before anything is cosigned. */
export type KeptLog = Readonly<z.infer<typeof KEPT>>;

/** A log with its newest cosigned checkpoint, read and checked. */
export interface WitnessedLog extends KeptLog {
  readonly found: FoundCheckpoint;
}

const checksumOf = (json: string): string => crc32c(new TextEncoder().encode(json)).toString(16).padStart(8, '0');
const fileOf = (origin: string): string => `${createHash('sha256').update(origin).digest('hex').slice(0, 32)}.json`;

/** A checkpoint that one of some public keys has signed, the newest asked first. @throws Error that says what is wrong by the newest */
export const openByAny = (checkpoint: string, keys: readonly string[]): FoundCheckpoint => {
  const problems: unknown[] = [];
  for (const key of keys.toReversed()) {
    try {
      return openCheckpoint(checkpoint, parseVerifier(key));
    } catch (error) {
      problems.push(error);
    }
  }
  throw problems[0] ?? new Error('there is no key of the log');
};

const read = (path: string): WitnessedLog => {
  try {
    const [json = '', checksum] = readFileSync(path, 'utf8').split('\n');
    if (checksum !== checksumOf(json)) throw new Error('its checksum is not that of its text');
    const kept = KEPT.parse(JSON.parse(json));
    return { ...kept, found: openByAny(kept.checkpoint, kept.keys) };
  } catch (error) {
    throw new Error(
      `${path} is damaged (${(error as Error).message.split('\n')[0]}), and says what this witness has seen of a log: put a copy of it back; without it the log counts as seen for the first time`,
    );
  }
};

/** What a witness keeps on disk: a file for each log. */
export interface WitnessState {
  /** Whether there was nothing yet when the folder was opened. */
  readonly isNew: boolean;
  readonly logs: ReadonlyMap<string, WitnessedLog>;
  /** Keeps what is known of a log from now on; when it resolves that is on disk. */
  keep(log: WitnessedLog): Promise<void>;
}

/** Reads what a witness's folder holds, and changes nothing. @throws Error that names the file that is damaged */
export const readWitnessState = (folder: string): ReadonlyMap<string, WitnessedLog> => {
  const logs = new Map<string, WitnessedLog>();
  const path = join(folder, LOGS_FOLDER);
  if (!existsSync(path))
    throw new Error(`no witness keeps its state in ${folder}; give the folder that "shrike witness --state" names`);
  for (const name of readdirSync(path).filter((each) => each.endsWith('.json'))) {
    const log = read(join(path, name));
    logs.set(log.origin, log);
  }
  return logs;
};

/** Opens what a witness keeps, making the folder where there is none. @throws Error that names the file that is damaged */
export const openWitnessState = (folder: string): WitnessState => {
  const isNew = mkdirSync(join(folder, LOGS_FOLDER), { recursive: true, mode: 0o700 }) !== undefined;
  const logs = new Map(readWitnessState(folder));
  return {
    isNew,
    logs,
    async keep(log) {
      const { found, ...kept } = log;
      const json = JSON.stringify(kept);
      const text = `${json}\n${checksumOf(json)}\n`;
      await replaceFile(join(folder, LOGS_FOLDER), fileOf(log.origin), text);
      logs.set(log.origin, { ...kept, found });
    },
  };
};
