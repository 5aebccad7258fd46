import type { Alert, FieldJson } from '../alert.ts';
import { isoNow } from '../time.ts';
import type { Evidence } from './evidence.ts';
import type { Incident } from './state.ts';

/** What a witness alarms of: an incident of a log, or its own memory. */
export type AlarmKind = Incident | 'forgot';

/** What a witness has found. */
export interface Alarm {
  readonly kind: AlarmKind;
  /** Which log: the name in its checkpoints. */
  readonly origin: string;
  /** The key that signed the newest checkpoint that was cosigned, as text. */
  readonly key: string;
  /** That of what the log showed instead, where it is another. */
  readonly offeredKey?: string;
  /** What is wrong, without the remedy. */
  readonly sentence: string;
  /** The newest checkpoint that was cosigned. */
  readonly known: string;
  /** What the log showed instead, where it did. */
  readonly offered?: string;
  readonly proof?: Evidence['proof'];
  readonly oldRoot?: Uint8Array;
}

/** The rule of each kind, as alerts name it. */
export const ALARM_RULES = {
  forked: 'Audit log forked',
  shrunk: 'Audit log shrunk',
  unsealed: 'Audit log not sealed',
  silent: 'Audit log silent',
  forgot: 'Witness lost its state',
} as const satisfies Record<AlarmKind, string>;

const WITNESS_POLICY = 'shrike';
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const fieldsOf = ({ origin, key, offeredKey, known, offered, proof, oldRoot }: Alarm): Record<string, FieldJson> => ({
  'log.origin': origin,
  'log.key': key,
  ...(offeredKey !== undefined && offeredKey !== key && { 'log.offered_key': offeredKey }),
  'checkpoint.known': known,
  ...(offered !== undefined && { 'checkpoint.offered': offered }),
  ...(proof !== undefined && { proof: proof.map(base64) }),
  ...(oldRoot !== undefined && { 'proof.old_root': base64(oldRoot) }),
});

/** An alarm as an alert of the witness's own: about a log, not about a process (pid 0). @param witness its name */
export const alarmAlert =
  (alarm: Alarm, witness: string, now = Date.now()) =>
  (seq: number): Alert => ({
    v: 1,
    id: `${witness}-${seq}`,
    seq,
    time: isoNow(now),
    host: witness,
    policy: WITNESS_POLICY,
    policyHash: '',
    rule: ALARM_RULES[alarm.kind],
    priority: 'critical',
    tags: [],
    hook: '',
    event: 'witness',
    output: alarm.sentence,
    fields: fieldsOf(alarm),
    trust: {},
    process: { pid: 0, start: 0, exe: null, cmdline: null, uid: 0, ancestors: [] },
    kernel: '',
  });

/** The evidence that an alarm's alert carries, and the keys it is to be checked with; undefined where it carries none. */
export const evidenceIn = ({
  fields,
}: Pick<Alert, 'fields'>): (Evidence & { readonly key: string; readonly offeredKey: string }) | undefined => {
  const text = (name: string): string | undefined => {
    const value = fields[name];
    return typeof value === 'string' ? value : undefined;
  };
  const [key, known, offered] = [text('log.key'), text('checkpoint.known'), text('checkpoint.offered')];
  if (key === undefined || known === undefined || offered === undefined) return undefined;
  const { proof } = fields;
  const oldRoot = text('proof.old_root');
  return {
    key,
    offeredKey: text('log.offered_key') ?? key,
    known,
    offered,
    ...(Array.isArray(proof) && { proof: proof.map((hash) => Buffer.from(hash, 'base64')) }),
    ...(oldRoot !== undefined && { oldRoot: Buffer.from(oldRoot, 'base64') }),
  };
};
