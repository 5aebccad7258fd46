import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { leafHash, sameHash } from '../transparency/hash.ts';
import { TILE_WIDTH } from '../transparency/tile.ts';
import type { AuditKind } from './line.ts';
import type { StoredLog } from './log.ts';
import { KEY_FILE, openLogKey } from './log-key.ts';
import { readAuditLog } from './read.ts';
import { codeOf, isMissing, withRemedy } from './remedy.ts';
import { CHECKPOINT_FILE, openSeal, type Seal } from './seal.ts';

const EVERY_MS = 1_000;
/** Lines that are hashed at once, less than a millisecond's work; others come between. */
const AT_ONCE = 256;
/** Lines after which a checkpoint is signed while many wait. */
const SIGN_EVERY = 65_536;
/** Lines that wait in memory; what is more is read from the disk later. */
const MOST_WAITING = 50_000;

/** How sealing stands. */
export interface SealerState {
  /** Which log: the name in its checkpoints; undefined where its key can't be had. */
  readonly origin: string | undefined;
  /** The last entry that is signed. */
  readonly sealed: number;
  /** Why nothing is signed any more until the agent starts anew; undefined where all is well. */
  readonly refusal: string | undefined;
  /** What the disk says, as long as it keeps the sealer from its work. */
  readonly trouble: string | undefined;
}

/** Takes a checkpoint that was just signed. */
export type CheckpointListener = (checkpoint: string, sealer: Sealer) => void;

/** Follows a log while it is written, and signs it. */
export interface Sealer {
  readonly state: SealerState;
  /** The newest checkpoint, with the cosignatures that it has by now. */
  readonly checkpoint: string | undefined;
  /** Takes and signs everything that is committed now. */
  seal(): Promise<void>;
  /** Adds lines of witnesses to the file of a checkpoint; false where a newer one has taken its place by now. */
  addSignatures(checkpoint: string, lines: string): Promise<boolean>;
  onCheckpoint(listener: CheckpointListener): () => void;
}

export interface SealerOptions {
  readonly log: StoredLog;
  readonly warn?: (sentence: string) => void;
  /** How often a log that grew is signed, in milliseconds; 0: only when it is told to, and at the log's end. Default every second. */
  readonly everyMs?: number;
  /** Called with each checkpoint, in order; nobody waits for them. */
  readonly onCheckpoint?: readonly CheckpointListener[];
}

/** What keeps a log from being signed for good: it isn't what was signed before, or has no key. */
class Refusal extends Error {}

const refuse = (sentence: string): never => {
  throw new Refusal(sentence);
};

const UNSEALED = 'the agent goes on, and nothing is signed';

const checkpointIn = (folder: string): string | undefined => {
  const path = join(folder, CHECKPOINT_FILE);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (existsSync(join(folder, 'tile')))
      throw new Error(
        `${path} is missing, but the tiles that it signed are there: put it back, or give the agent another folder`,
      );
    return undefined;
  }
};

const entries = (first: number, last: number): string =>
  first === last ? `entry ${first} was` : `entries ${first} to ${last} were`;

/** The key, and the seal as it was left. @throws Error where the folder isn't what was signed, as far as that shows without reading the log */
const openSealOf = async ({ folder, host, last }: StoredLog): Promise<{ seal: Seal; origin: string }> => {
  const signer = await openLogKey(folder, host);
  const checkpoint = checkpointIn(folder);
  const path = join(folder, CHECKPOINT_FILE);
  let seal: Seal;
  try {
    seal = openSeal(folder, signer, checkpoint);
  } catch (error) {
    throw new Error(`${path}, and ${join(folder, KEY_FILE)}: ${(error as Error).message}`);
  }
  if (seal.size > last)
    throw new Error(
      `${path} is of ${seal.size} entries, but the log has ${last}: ${entries(last + 1, seal.size)} signed and ${last + 1 === seal.size ? 'is' : 'are'} gone; keep the folder as it is, it shows what happened, and give the agent another`,
    );
  if (checkpoint === undefined) await seal.sign();
  return { seal, origin: signer.verifier.name };
};

/**
 * Follows a log: hashes each line once it is committed, and signs a checkpoint each second where there are new ones, and when the log is closed. Lines that
 * were not signed before are read from the disk. Where the log is not what was signed, nothing is signed any more: that is warned of and recorded as `loss`,
 * and the log goes on.
 */
export const openSealer = async (options: SealerOptions): Promise<Sealer> => {
  const { log, warn = () => undefined, everyMs = EVERY_MS } = options;
  const { folder } = log;
  const listeners = new Set(options.onCheckpoint);
  let seal: Seal | undefined;
  let origin: string | undefined;
  let refusal: string | undefined;
  let trouble: string | undefined;
  let isChecked = false;
  let append = (kind: AuditKind, body: unknown): void => void log.append(kind, body);
  let waiting: { firstSeq: number; lines: readonly Uint8Array[] }[] = [];
  let waitingLines = 0;
  let isAwake = false;
  let busy: Promise<unknown> = Promise.resolve();

  const inTurn = <Result>(act: () => Promise<Result>): Promise<Result> => {
    const result = busy.then(act);
    busy = result.catch(() => undefined);
    return result;
  };

  const giveUp = (error: unknown): void => {
    refusal = withRemedy(error);
    waiting = [];
    stopListening();
    clearInterval(interval);
    log.sealed(undefined);
    warn(`the audit log is not sealed any more: ${refusal}; ${UNSEALED}`);
    append('loss', { unsealed: true, from: (seal?.signed ?? 0) + 1, reason: refusal });
  };

  const sign = async (opened: Seal): Promise<void> => {
    if (opened.signed === opened.size) return;
    const text = await opened.sign();
    log.sealed(opened.signed);
    for (const listener of listeners) {
      try {
        listener(text, sealer);
      } catch (error) {
        warn(`a checkpoint was signed and could not be passed on: ${(error as Error).message}`);
      }
    }
  };

  /** Reads what was committed and not taken yet, after a look at whether the last lines that are signed are still what was signed. */
  const readOn = async (opened: Seal, end: number): Promise<void> => {
    const size = opened.size;
    const from = isChecked ? size + 1 : Math.max(0, Math.ceil(size / TILE_WIDTH) - 1) * TILE_WIDTH + 1;
    for await (const { entry, path, line, bytes } of readAuditLog(folder, { from })) {
      if (entry.seq > end) break;
      if (entry.seq <= size) {
        if (!sameHash(leafHash(bytes), opened.leaf(entry.seq - 1)))
          refuse(
            `${path}:${line}: entry ${entry.seq} is not the one that was signed: "shrike audit verify ${folder}" says what else was changed; keep the folder as it is, and give the agent another`,
          );
      } else {
        if (entry.seq !== opened.size + 1)
          refuse(
            `the log in ${folder} begins with entry ${entry.seq}: ${entries(opened.size + 1, entry.seq - 1)} removed before anybody signed; give the agent another folder`,
          );
        opened.add(bytes);
      }
      if (entry.seq % AT_ONCE === 0) await turn();
      if (opened.size - opened.signed >= SIGN_EVERY) await sign(opened);
    }
    if (opened.size < end)
      refuse(`the log in ${folder} ends with entry ${opened.size}, though ${end} had been written`);
    isChecked = true;
  };

  const takeUp = async (opened: Seal): Promise<void> => {
    while (!isChecked || opened.size < log.committed) {
      const next = opened.size + 1;
      const first = waiting[0];
      if (!isChecked || first === undefined || first.firstSeq > next) {
        await readOn(opened, first === undefined ? log.committed : Math.min(log.committed, first.firstSeq - 1));
        continue;
      }
      const from = next - first.firstSeq;
      const lines = first.lines.slice(from, from + AT_ONCE);
      for (const line of lines) opened.add(line);
      if (from + lines.length >= first.lines.length) {
        waiting.shift();
        waitingLines -= first.lines.length;
      }
      if (opened.size - opened.signed >= SIGN_EVERY) await sign(opened);
      await turn();
    }
  };

  const openUp = async (): Promise<Seal> => {
    ({ seal, origin } = await openSealOf(log));
    log.sealed(seal.signed);
    return seal;
  };

  /** Does something with the seal; what the disk refuses is tried again, all else is the end of it. */
  const attempt = async (act: (opened: Seal) => Promise<void>): Promise<void> => {
    if (refusal !== undefined) return;
    try {
      await act(seal ?? (await openUp()));
      trouble = undefined;
    } catch (error) {
      if (error instanceof Refusal || codeOf(error) === '') {
        giveUp(error);
        return;
      }
      if (trouble === undefined) warn(`the audit log can't be sealed, trying again: ${withRemedy(error)}`);
      trouble = withRemedy(error);
    }
  };

  const work = (isSigned: boolean): Promise<void> => {
    isAwake = false;
    return attempt(async (opened) => {
      await takeUp(opened);
      if (isSigned) await sign(opened);
    });
  };

  const stopListening = log.onLines((firstSeq, lines) => {
    if (waitingLines > MOST_WAITING) {
      waiting = [];
      waitingLines = 0;
    }
    waiting.push({ firstSeq, lines });
    waitingLines += lines.length;
    if (isAwake) return;
    isAwake = true;
    void inTurn(() => work(false));
  });
  const interval = everyMs === 0 ? undefined : setInterval(() => void inTurn(() => work(true)), everyMs).unref();
  log.onClosing(async (stillAppend) => {
    clearInterval(interval);
    append = stillAppend;
    await inTurn(() => work(true));
    stopListening();
    if (trouble !== undefined)
      warn(`the audit log's last entries are not signed (${trouble}); the next start in ${folder} does it`);
  });

  const sealer: Sealer = {
    get state() {
      return { origin, sealed: seal?.signed ?? 0, refusal, trouble };
    },
    get checkpoint() {
      return seal?.checkpoint;
    },
    seal: async () => {
      await log.flush();
      await inTurn(() => work(true));
    },
    addSignatures: (checkpoint, lines) =>
      inTurn(async () => {
        if (seal === undefined || refusal !== undefined || !isNewest(seal.checkpoint, checkpoint)) return false;
        await seal.addSignatures(lines);
        return true;
      }),
    onCheckpoint: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  log.sealed(0);
  await inTurn(() => attempt(async () => undefined));
  return sealer;
};

/** Whether two notes are of the same text, whoever has cosigned one of them meanwhile. */
const isNewest = (newest: string | undefined, checkpoint: string): boolean =>
  newest !== undefined && newest.split('\n\n')[0] === checkpoint.split('\n\n')[0];
