import { type FoundCheckpoint, parseCheckpoint } from '../transparency/checkpoint.ts';
import { cosign, cosignedAt } from '../transparency/cosignature.ts';
import { EMPTY_ROOT } from '../transparency/hash.ts';
import type { Signer } from '../transparency/key.ts';
import { isConsistent } from '../transparency/proof.ts';
import type { Alarm } from './alarm.ts';
import { type Proven, provenBy } from './evidence.ts';
import { createLogKeys, hostOf, type ShownKeys, signedBy } from './log-keys.ts';
import { type AddCheckpoint, hashOf, parseAddCheckpoint } from './request.ts';
import type { Incident, WitnessedLog, WitnessState } from './state.ts';
import { statementIn } from './statement.ts';
import type { TrustedKeys } from './trust.ts';
import type { Status } from './wire.ts';

/** What came in. */
export interface WitnessRequest extends ShownKeys {
  readonly body: string;
  /** The root of the log's first `old` entries, in base64. */
  readonly oldRoot?: string;
}

/** What goes back. */
export interface WitnessReply {
  readonly status: Status;
  /** The cosignature; with 409 the size that is known; else a sentence. */
  readonly body: string;
  /** With 409 the checkpoint that is known. */
  readonly known?: string;
}

/** What a witness did, beside alarms. */
export type WitnessNews =
  | { readonly kind: 'seen first' | 'cosigned' | 'heard' | 'stopped'; readonly log: WitnessedLog }
  | { readonly kind: 'over'; readonly log: WitnessedLog; readonly incidents: readonly Incident[] }
  | { readonly kind: 'refused'; readonly host: string; readonly origin?: string; readonly reason: string };

export interface JudgeOptions {
  readonly signer: Signer;
  readonly state: WitnessState;
  readonly trust: TrustedKeys;
  /** Whether a log's key is believed that comes with its first checkpoint. */
  readonly trustOnFirstUse: boolean;
  /** Resolves when the alarm is on disk. */
  readonly alarm: (alarm: Alarm) => Promise<void>;
  readonly news?: (news: WitnessNews) => void;
}

/** Decides what becomes of requests. */
export interface Judge {
  judge(request: WitnessRequest): Promise<WitnessReply>;
  /** Raises an alarm of a log that lasts until it goes on from what was cosigned; nothing where there is one already. */
  accuse(log: WitnessedLog, incident: Incident, alarm: Omit<Alarm, 'kind' | 'origin' | 'known' | 'key'>): Promise<void>;
  /** Whether something of a log is being looked at or kept just now. */
  isBusy(origin: string): boolean;
  /** Does something after what goes on with a log. */
  inTurn<Result>(origin: string, act: () => Promise<Result>): Promise<Result>;
}

/** Requests of one log that wait for each other; what is more is not answered. */
const MOST_WAITING = 64;

/** Checks what logs show against what was cosigned, keeps it, and cosigns. Nothing is cosigned that is not on disk. */
export const createJudge = ({
  signer,
  state,
  trust,
  trustOnFirstUse,
  alarm,
  news = () => undefined,
}: JudgeOptions): Judge => {
  const logKeys = createLogKeys({ trust, trustOnFirstUse, logs: state.logs });
  const turns = new Map<string, { last: Promise<unknown>; waiting: number }>();

  const inTurn = <Result>(origin: string, act: () => Promise<Result>): Promise<Result> => {
    const turn = turns.get(origin) ?? { last: Promise.resolve(), waiting: 0 };
    turns.set(origin, turn);
    turn.waiting++;
    const result = turn.last.then(act);
    turn.last = result.then(
      () => undefined,
      () => undefined,
    );
    void turn.last.then(() => {
      turn.waiting--;
      if (turn.waiting === 0) turns.delete(origin);
    });
    return result;
  };

  const accuse: Judge['accuse'] = async (log, incident, { sentence, ...shown }) => {
    const now = state.logs.get(log.origin) ?? log;
    if (now.incidents.includes(incident)) return;
    await alarm({
      kind: incident,
      origin: log.origin,
      key: now.keys.at(-1) ?? '',
      known: now.checkpoint,
      sentence,
      ...shown,
    });
    await state.keep({ ...now, incidents: [...now.incidents, incident] });
  };

  const knownReply = (log: WitnessedLog | undefined): WitnessReply => ({
    status: 409,
    body: `${log?.found.size ?? 0}\n`,
    ...(log && { known: log.checkpoint }),
  });

  /** The log goes on from what was cosigned, and is cosigned. */
  const accept = async (
    log: WitnessedLog | undefined,
    found: FoundCheckpoint,
    text: string,
    keys: readonly string[],
  ): Promise<WitnessReply> => {
    const now = Math.floor(Date.now() / 1000);
    const statement = statementIn(found);
    const over = (log?.incidents ?? []).filter((each) => each !== 'unsealed' || statement?.kind !== 'unsealed');
    const isGrown = log === undefined || found.size > log.found.size;
    const { stoppedAt: _, ...before } = log ?? { firstSeenAt: now };
    const kept: WitnessedLog = {
      v: 1,
      ...before,
      origin: found.origin,
      keys: [...keys],
      checkpoint: text,
      found,
      cosignedAt: now,
      ...(statement?.kind === 'stopped' && { stoppedAt: now }),
      incidents: (log?.incidents ?? []).filter((each) => !over.includes(each)),
    };
    await state.keep(kept);
    if (log === undefined) news({ kind: 'seen first', log: kept });
    if (over.length > 0) news({ kind: 'over', log: kept, incidents: over });
    news({ kind: kept.stoppedAt !== undefined ? 'stopped' : isGrown ? 'cosigned' : 'heard', log: kept });
    if (statement?.kind === 'unsealed')
      await accuse(kept, 'unsealed', {
        sentence: `the audit log ${found.origin} is not sealed any more: on its host's disk it is not what was signed, up to entry ${found.size}`,
        offered: text,
      });
    return { status: 200, body: cosign(found, signer, now) };
  };

  /** A checkpoint that this witness has cosigned and doesn't know of: its state was lost, or is an older copy. */
  const remember = async (
    log: WitnessedLog | undefined,
    found: FoundCheckpoint,
    text: string,
    keys: readonly string[],
  ): Promise<WitnessedLog> => {
    const now = Math.floor(Date.now() / 1000);
    const had = log === undefined ? 'nothing' : `${log.found.size} entries`;
    await alarm({
      kind: 'forgot',
      origin: found.origin,
      key: keys.at(-1) ?? '',
      known: text,
      sentence: `the witness ${signer.verifier.name} has cosigned ${found.size} entries of the audit log ${found.origin} and knew of ${had}: its state was lost, or an older copy was put back`,
    });
    const kept: WitnessedLog = {
      v: 1,
      firstSeenAt: now,
      incidents: [],
      ...log,
      origin: found.origin,
      keys: [...keys],
      checkpoint: text,
      found,
      cosignedAt: now,
    };
    await state.keep(kept);
    return kept;
  };

  const blame = async (
    log: WitnessedLog,
    text: string,
    offeredKey: string | undefined,
    proven: Proven,
    { proof }: AddCheckpoint,
    oldRoot: Uint8Array | undefined,
  ): Promise<void> => {
    await accuse(log, proven.kind, {
      sentence:
        proven.kind === 'forked'
          ? `the audit log was rewritten: ${proven.sentence}`
          : `the audit log was cut or an older copy was put back: ${proven.sentence}`,
      offered: text,
      ...(offeredKey !== undefined && { offeredKey }),
      ...(proven.offeredSize > proven.knownSize && oldRoot !== undefined && { proof, oldRoot }),
    });
  };

  const check = async (
    request: WitnessRequest,
    asked: AddCheckpoint,
    found: FoundCheckpoint,
    keys: readonly string[],
  ): Promise<WitnessReply> => {
    const { checkpoint: text, old, proof } = asked;
    let log = state.logs.get(found.origin);
    if (found.size > (log?.found.size ?? 0) && cosignedAt(found, signer.verifier) !== undefined)
      log = await remember(log, found, text, keys);
    const known = log?.found ?? { size: 0, root: EMPTY_ROOT };
    const oldRoot = request.oldRoot === undefined ? undefined : hashOf(request.oldRoot);
    const fromKnown = old === known.size;
    if (log !== undefined && (found.size <= known.size || fromKnown)) {
      const proven = provenBy(log.found, found, { proof, ...(oldRoot && { oldRoot }) });
      if (proven !== undefined) {
        await blame(log, text, keys.at(-1), proven, asked, oldRoot);
        return found.size > known.size ? { status: 422, body: `${proven.sentence}\n` } : knownReply(log);
      }
    }
    if (found.size < known.size || !fromKnown) return knownReply(log);
    const holds = isConsistent({
      from: known.size,
      fromRoot: known.root,
      to: found.size,
      toRoot: found.root,
      path: proof,
    });
    return holds
      ? accept(log, found, text, keys)
      : { status: 422, body: `the proof from ${known.size} to ${found.size} entries does not hold\n` };
  };

  return {
    accuse,
    inTurn,
    isBusy: (origin) => turns.has(origin),
    async judge(request) {
      let origin: string | undefined;
      const refuse = (status: Status, reason: string): WitnessReply => {
        news({ kind: 'refused', host: request.hostToken, reason, ...(origin !== undefined && { origin }) });
        return { status, body: `${reason}\n` };
      };
      let asked: AddCheckpoint;
      let found: FoundCheckpoint;
      try {
        asked = parseAddCheckpoint(request.body);
        found = parseCheckpoint(asked.checkpoint);
      } catch (error) {
        return refuse(400, (error as Error).message);
      }
      origin = found.origin;
      if (asked.old > found.size)
        return refuse(400, `the old size ${asked.old} is larger than the checkpoint's, ${found.size}`);
      if (hostOf(origin) !== request.hostToken)
        return refuse(403, `the log ${origin} is not of the host that asks, ${request.hostToken}`);
      let keys = logKeys.of(origin, request);
      let signed = signedBy(found, keys);
      if (signed.length === 0) {
        try {
          trust.refresh();
        } catch (error) {
          return refuse(500, (error as Error).message);
        }
        keys = logKeys.of(origin, request);
        signed = signedBy(found, keys);
      }
      if (keys.length === 0) return refuse(404, `the log ${origin} is not one of those whose keys are trusted`);
      if (signed.length === 0) return refuse(403, `the checkpoint of ${origin} is not signed by a key that is trusted`);
      if ((turns.get(origin)?.waiting ?? 0) >= MOST_WAITING)
        return refuse(500, `too many requests of ${origin} at once`);
      const checked = found;
      try {
        const by = signed;
        return await inTurn(origin, () => check(request, asked, checked, by));
      } catch (error) {
        return refuse(500, `what was seen of ${origin} can't be kept: ${(error as Error).message}`);
      }
    },
  };
};
