import { z } from 'zod';
import type { HostState } from './arrivals.ts';

/** A message of a stream: its number there, and its id. */
export type Checkpoint = readonly [sequence: number, id: string];

/** How far a subscriber has come: JSON that it keeps where it likes, and gives back to go on from there. */
export interface Position {
  readonly v: 1;
  /** All messages of the stream up to this one are done with; 0 for none. */
  readonly sequence: number;
  /** Messages that were seen, in ascending order: by them it is noticed that the stream went back. */
  readonly checkpoints: readonly Checkpoint[];
  readonly hosts: Readonly<Record<string, HostState>>;
}

const whole = z.int().nonnegative();

const schema: z.ZodType<Position> = z.object({
  v: z.literal(1),
  sequence: whole,
  checkpoints: z.array(z.tuple([whole, z.string()])).readonly(),
  hosts: z.record(
    z.string(),
    z.object({
      seen: z.array(z.tuple([whole, whole])),
      last: z.object({ seq: whole, id: z.string(), time: z.string() }),
    }),
  ),
});

/** A position that was kept as JSON. @throws Error with a sentence where it is none */
export const parsePosition = (value: unknown): Position => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue === undefined || issue.path.length === 0 ? 'it' : issue.path.join('.');
  throw new Error(`this is no position of a subscriber: ${place}: ${issue?.message ?? 'unreadable'}`);
};

const MOST_CHECKPOINTS = 48;
const EVERY = 64;

/** With a message more: the last one, and ever fewer of those before it, so that a stream that went back is read again from not far before. */
export const withCheckpoint = (checkpoints: readonly Checkpoint[], added: Checkpoint): readonly Checkpoint[] => {
  const previous = checkpoints.at(-2);
  const isClose = previous !== undefined && added[0] - previous[0] < EVERY;
  const all = [...(isClose ? checkpoints.slice(0, -1) : checkpoints), added];
  if (all.length <= MOST_CHECKPOINTS) return all;
  const old = all.length >> 1;
  return all.filter((_, index) => index === 0 || index >= old || index % 2 === 0);
};
