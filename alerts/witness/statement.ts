import { type Checkpoint, checkpointText, type FoundCheckpoint } from '../transparency/checkpoint.ts';
import type { Signer } from '../transparency/key.ts';
import { signNote } from '../transparency/note.ts';
import { hashOf } from './request.ts';

/** What a log says beside its newest checkpoint, as an extension line of it (C2SP tlog-checkpoint), so that its key signs it. */
export type Statement =
  /** The agent is being stopped: no more comes until it is started again. */
  | { readonly kind: 'stopped' }
  /** The log on disk is not what was signed, and the agent signs no more of it. */
  | { readonly kind: 'unsealed' }
  /** The log knows of a checkpoint of its own that is larger, and yet this one is its newest. */
  | { readonly kind: 'after'; readonly size: number; readonly root: Uint8Array };

const lineOf = (statement: Statement): string =>
  statement.kind === 'after'
    ? `after ${statement.size} ${Buffer.from(statement.root).toString('base64')}`
    : statement.kind;

/** A checkpoint that says more, signed by its log. */
export const signStatement = ({ size, root }: Checkpoint, statement: Statement, signer: Signer): string =>
  signNote(`${checkpointText({ origin: signer.verifier.name, size, root })}${lineOf(statement)}\n`, signer);

const statementOf = (line: string): Statement | undefined => {
  if (line === 'stopped' || line === 'unsealed') return { kind: line };
  const [, size = '', encoded = ''] = /^after ([1-9][0-9]{0,15}) (\S+)$/.exec(line) ?? [];
  const root = hashOf(encoded);
  return root === undefined ? undefined : { kind: 'after', size: Number(size), root };
};

/** What a checkpoint says beside its size and root; undefined for a plain one, and for what isn't understood. */
export const statementIn = ({ note }: FoundCheckpoint): Statement | undefined => {
  const [line, ...more] = note.text.slice(0, -1).split('\n').slice(3);
  return line === undefined || more.length > 0 ? undefined : statementOf(line);
};
