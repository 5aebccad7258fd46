import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Msg, NatsConnection, NatsError } from 'nats';
import { openLogKey, readPublicKey } from '../audit/log-key.ts';
import { replaceFile } from '../audit/replace-file.ts';
import { keysOf, readRotations } from '../audit/rotations.ts';
import { CHECKPOINT_FILE } from '../audit/seal.ts';
import type { Sealer } from '../audit/sealer.ts';
import { natsClient } from '../nats/client.ts';
import { parseServers } from '../nats/connection.ts';
import type { NatsAddress } from '../nats/identity.ts';
import { witnessSubject } from '../nats/subject.ts';
import { type FoundCheckpoint, parseCheckpoint } from '../transparency/checkpoint.ts';
import { cosignedAt } from '../transparency/cosignature.ts';
import { sameHash } from '../transparency/hash.ts';
import type { Verifier } from '../transparency/key.ts';
import { withSignature } from '../transparency/note.ts';
import { readTiles } from '../transparency/tile-folder.ts';
import { rootOfFirst, treeOf } from '../transparency/tree.ts';
import { openLink } from './link.ts';
import { addCheckpointBody } from './request.ts';
import { openByAny } from './state.ts';
import { type Statement, signStatement } from './statement.ts';
import { HEADER, type Status } from './wire.ts';
import { WITNESS_INTERVAL_MS } from './witness.ts';

/** The file of the newest checkpoint that the witness has cosigned, with its cosignature. */
export const COSIGNED_FILE = 'cosigned';

/** How long an answer may take. */
const TIMEOUT_MS = 5_000;
const LAST_RETRY_MS = 5_000;
/** How long a farewell may take. */
const FAREWELL_MS = 5_000;
/** How often it is looked whether there is a connection by then. */
const CONNECTING_MS = 20;
/** Requests that one announcement may take: told the size, reminding the witness, told it again. */
const MOST_REQUESTS = 4;

export interface AnnouncerOptions {
  readonly servers: string | NatsAddress;
  readonly host: string;
  /** The log's folder, and who seals the log in it. */
  readonly folder: string;
  readonly sealer: Pick<Sealer, 'state' | 'checkpoint' | 'addSignatures'>;
  /** The witness's public key: cosignatures of others count for nothing. */
  readonly witness: Verifier;
  /** How often the newest checkpoint is shown, also where nothing was added. */
  readonly intervalMs?: number;
  readonly report?: (sentence: string) => void;
}

/** How the witnessing of a log stands. */
export interface AnnouncerState {
  readonly connected: boolean;
  /** Entries that the witness has cosigned; 0 for none. */
  readonly cosigned: number;
  /** When it cosigned last: seconds since 1970. */
  readonly cosignedAt: number | undefined;
  /** Times that a checkpoint was shown, and that the witness answered, whatever it said. */
  readonly announced: number;
  readonly answered: number;
  /** What keeps the log from being witnessed, as a sentence. */
  readonly lastError: string | undefined;
}

/** Shows a log's checkpoints to a witness. */
export interface Announcer {
  readonly state: AnnouncerState;
  /** Tells the witness that the agent is being stopped, where it can be reached, and ends. */
  close(): Promise<void>;
}

interface Asked {
  readonly old: number;
  readonly size: number;
  readonly checkpoint: string;
}

interface Answer {
  readonly status: Status;
  readonly body: string;
  readonly known: string | undefined;
}

const answerOf = (message: Msg): Answer => {
  const known = message.headers?.get(HEADER.known);
  return {
    status: Number(message.headers?.get(HEADER.status)) as Status,
    body: message.string(),
    known: known ? Buffer.from(known, 'base64').toString() : undefined,
  };
};

/**
 * Shows a log's newest checkpoint to a witness again and again, with the proof that it goes on from what the witness has cosigned, and keeps the cosignature.
 * Works in the background: a witness or server that is absent, slow or hangs delays nothing.
 */
export const createAnnouncer = (options: AnnouncerOptions): Announcer => {
  const { host, folder, sealer, witness, intervalMs = WITNESS_INTERVAL_MS, report = () => undefined } = options;
  const servers = parseServers(options.servers);
  const closing = new AbortController();
  let cosigned = readCosigned(folder, witness);
  /** The size that the witness is believed to know. */
  let acknowledged = cosigned?.size ?? 0;
  let lastCosignedAt = cosigned && cosignedAt(cosigned, witness);
  let lastError: string | undefined;
  let announced = 0;
  let answered = 0;

  const complain = (sentence: string): void => {
    if (sentence !== lastError) report(`the log's witness ${witness.name}: ${sentence}`);
    lastError = sentence;
  };
  const recovered = (): void => {
    if (lastError !== undefined) report(`the log's witness ${witness.name}: it cosigns again`);
    lastError = undefined;
  };

  const ask = async (nats: NatsConnection, { old, size, checkpoint }: Asked): Promise<Answer> => {
    const read = readTiles(folder);
    const headers = natsClient().headers();
    headers.set(HEADER.key, readPublicKey(folder)?.text ?? '');
    for (const { path } of readRotations(folder).rotations)
      headers.append(HEADER.rotation, readFileSync(path).toString('base64'));
    if (old > 0) headers.set(HEADER.oldRoot, Buffer.from(rootOfFirst(old, size, read)).toString('base64'));
    const proof = treeOf(size, read).consistency(old);
    const body = addCheckpointBody({ old, proof, checkpoint });
    return answerOf(await nats.request(witnessSubject(host), body, { timeout: TIMEOUT_MS, headers }));
  };

  const keep = async ({ size }: FoundCheckpoint, text: string, lines: string): Promise<boolean> => {
    const whole = parseCheckpoint(withSignature(text, lines));
    const at = cosignedAt(whole, witness);
    if (at === undefined) {
      complain(
        `what answers there is not the witness whose key was given (${witness.text}); is the key the one that it prints?`,
      );
      return false;
    }
    lastCosignedAt = at;
    acknowledged = size;
    recovered();
    if (size <= (cosigned?.size ?? -1)) return true;
    cosigned = whole;
    await replaceFile(folder, COSIGNED_FILE, withSignature(text, lines));
    await sealer.addSignatures(text, lines);
    return true;
  };

  /** Says what the log's key signs: that it is shorter than what the witness has cosigned. */
  const admit = async (nats: NatsConnection, newest: FoundCheckpoint, known: string | undefined): Promise<void> => {
    const signer = await openLogKey(folder, host);
    const keys = keysOf(folder, signer.verifier).map(({ text }) => text);
    const { size, root } = openByAny(known ?? '', keys);
    complain(
      `it has cosigned ${size} entries of this log, and here are ${newest.size}: the log in ${folder} was cut or an older copy was put back; keep it as it is, and give the agent another folder`,
    );
    const checkpoint = signStatement(newest, { kind: 'after', size, root }, signer);
    await ask(nats, { old: newest.size, size: newest.size, checkpoint });
  };

  /** Shows one checkpoint until the witness has cosigned it or says why not. */
  const show = async (nats: NatsConnection, newest: FoundCheckpoint, text: string): Promise<void> => {
    let isReminded = false;
    for (let requests = 0; requests < MOST_REQUESTS; requests++) {
      const old = Math.min(acknowledged, newest.size);
      const { status, body, known } = await ask(nats, { old, size: newest.size, checkpoint: text });
      if (status === 200) {
        await keep(newest, text, body);
        return;
      }
      if (status !== 409) {
        complain(`it refuses this log's checkpoint (${status}): ${body.trim()}`);
        return;
      }
      const size = Number(body);
      if (size > newest.size) return admit(nats, newest, known);
      if (size === newest.size && known !== undefined && !sameHash(parseCheckpoint(known).root, newest.root)) {
        complain(
          `it has cosigned other ${size} entries of this log: the log in ${folder} was rewritten; keep it as it is, and give the agent another folder`,
        );
        return;
      }
      if (cosigned !== undefined && size < cosigned.size && cosigned.size <= newest.size && !isReminded) {
        isReminded = true;
        report(
          `the log's witness ${witness.name}: it knows of ${size} entries and has cosigned ${cosigned.size}: it has lost its state, and is told`,
        );
        const reminder = readFileSync(join(folder, COSIGNED_FILE), 'utf8');
        const reply = await ask(nats, { old: size, size: cosigned.size, checkpoint: reminder });
        acknowledged = reply.status === 200 || reply.status === 409 ? cosigned.size : size;
      } else acknowledged = size;
    }
    complain('it names another size each time; is there more than one witness on this server?');
  };

  const newestText = (): string | undefined => {
    const path = join(folder, CHECKPOINT_FILE);
    return sealer.checkpoint ?? (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
  };

  const announce = async (nats: NatsConnection, said?: Statement): Promise<void> => {
    const plain = newestText();
    if (plain === undefined) return;
    const newest = parseCheckpoint(plain);
    const statement: Statement | undefined = sealer.state.refusal === undefined ? said : { kind: 'unsealed' };
    const text = statement === undefined ? plain : signStatement(newest, statement, await openLogKey(folder, host));
    announced++;
    await show(nats, newest, text);
    answered++;
  };

  /** The same, where nothing that goes wrong ends more than this announcement. */
  const tryTo = async (nats: NatsConnection, said?: Statement): Promise<void> => {
    try {
      await announce(nats, said);
    } catch (error) {
      if (nats.isClosed()) throw error;
      complain(wordsOf(error));
    }
  };

  let running: Promise<void> = Promise.resolve();
  const use = async (nats: NatsConnection): Promise<void> => {
    const lost = nats.closed().then(() => {
      throw new Error(`${servers.text}: the connection was lost`, { cause: 'lost' });
    });
    lost.catch(() => undefined);
    while (!closing.signal.aborted) {
      running = tryTo(nats);
      await Promise.race([running, lost]);
      await Promise.race([delay(intervalMs, undefined, { signal: closing.signal }).catch(() => undefined), lost]);
    }
    await lost;
  };
  const link = openLink({
    servers,
    name: `shrike ${host}, for its witness`,
    use,
    lastRetryMs: Math.min(intervalMs, LAST_RETRY_MS),
    report: (sentence) => report(`the log's witness: ${sentence}`),
  });

  /** Waits for the first connection, where it is on its way; a server that isn't there is told nothing. */
  const sayFarewell = async (signal: AbortSignal): Promise<void> => {
    while (link.connection === undefined && link.lastError === undefined)
      await delay(CONNECTING_MS, undefined, { signal });
    await running.catch(() => undefined);
    const { connection } = link;
    if (connection === undefined || signal.aborted) return;
    await tryTo(connection);
    await tryTo(connection, { kind: 'stopped' });
  };

  return {
    get state() {
      return {
        connected: link.connection !== undefined,
        cosigned: cosigned?.size ?? 0,
        cosignedAt: lastCosignedAt,
        announced,
        answered,
        lastError: lastError ?? link.lastError,
      };
    },
    async close() {
      closing.abort();
      const patience = new AbortController();
      const limit = delay(FAREWELL_MS, undefined, { signal: patience.signal }).catch(() => undefined);
      await Promise.race([sayFarewell(patience.signal).catch(() => undefined), limit]);
      patience.abort();
      await link.close();
    },
  };
};

const readCosigned = (folder: string, witness: Verifier): FoundCheckpoint | undefined => {
  try {
    const found = parseCheckpoint(readFileSync(join(folder, COSIGNED_FILE), 'utf8'));
    return cosignedAt(found, witness) === undefined ? undefined : found;
  } catch {
    return undefined;
  }
};

const wordsOf = (error: unknown): string => {
  const { ErrorCode } = natsClient();
  const { code, message } = error as NatsError;
  if (code === ErrorCode.NoResponders) return 'nobody answers there; does "shrike witness" run on this server?';
  if (code === ErrorCode.Timeout) return 'it does not answer in time';
  if (code === ErrorCode.PermissionsViolation)
    return 'this user may not ask it; write the server\'s configuration anew ("shrike nats-config --witness")';
  return message;
};
