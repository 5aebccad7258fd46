import { deserialize, serialize } from 'node:v8';
import type { FanotifyTask } from '../../../rules/index.ts';
import type { Answered } from '../../kernel.ts';
import type { mapOfFd } from '../map.ts';

/** What the process that answers reads from stdin, serialized. */
export interface ResponderTask {
  readonly task: FanotifyTask;
  readonly mounts: readonly string[];
  /** Maps that it has descriptors of. */
  readonly maps: readonly { readonly spec: Parameters<typeof mapOfFd>[0]; readonly fd: number }[];
  /** The descriptor of a loaded `askingTaskProgram`. */
  readonly program: number;
  /** Milliseconds after which a file may be opened that nothing was said about. */
  readonly limitMs: number;
  /** Milliseconds that each answer is held back: to see what comes of slowness. */
  readonly holdMs?: number;
}

/** What it writes: that it watches, what became of a question that rules had something to say about, or what went wrong. */
export type ResponderLine =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'answered' } & Answered)
  /** Nothing could be found out about a caller, which was let through; told once. */
  | { readonly kind: 'failed'; readonly why: string }
  /** So many lines nobody took in time. */
  | { readonly kind: 'dropped'; readonly lines: number };

/** As it goes through a pipe. */
export const encodeLine = (line: ResponderLine): Buffer => Buffer.from(`${serialize(line).toString('base64')}\n`);

export const decodeLine = (text: string): ResponderLine => deserialize(Buffer.from(text, 'base64')) as ResponderLine;
