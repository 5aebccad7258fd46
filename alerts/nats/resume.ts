import type { Place, Position } from './position.ts';
import type { AlertStream } from './stream.ts';

/** The host's last alert in a stream. */
export interface LastAlert {
  /** Its entry in the log; undefined where it is of another log, or no alert of Shrike's. */
  readonly seq: number | undefined;
  readonly streamSeq: number;
}

/** Where to go on. */
export interface Resume {
  /** The alert behind which publishing goes on; 0 for the log's first. */
  readonly after: number;
  /** What the server had and has no more: it went back, or its stream is another; undefined where it has all it had. */
  readonly rewind?: 'went back' | 'another stream';
}

/** The stream had the alert and let it go: by age, by a limit, or because somebody deleted it. */
const isLetGo = ({ firstSeq, lastSeq, deleted }: AlertStream, { streamSeq }: Place): boolean =>
  streamSeq <= lastSeq && (streamSeq < firstSeq || deleted.includes(streamSeq));

/** The last alert known to have been stored before a number of the stream; 0 for none. */
const storedBefore = ({ earlier, stored }: Position, streamSeq: number): number =>
  [...earlier, ...(stored ? [stored] : [])].findLast((place) => place.streamSeq < streamSeq)?.seq ?? 0;

/**
 * Decides where to go on from what the stream has of the host and what it was known to have. A stream that let alerts go gets none again; one that went
 * back (an older copy of its store was put back, it was made anew) gets all that it lacks.
 */
export const whereToGoOn = (
  stream: AlertStream,
  last: LastAlert | undefined,
  position: Position | undefined,
): Resume => {
  const has = last?.seq;
  if (position === undefined) return { after: has ?? 0 };
  const { stored, done } = position;
  const isSame = stream.name === position.stream && stream.created === position.created;
  if (!isSame) return has !== undefined && has >= done ? { after: has } : { after: has ?? 0, rewind: 'another stream' };
  if (stored === undefined) return { after: Math.max(has ?? 0, done) };
  if (has !== undefined && has >= stored.seq) return { after: Math.max(has, done) };
  if (isLetGo(stream, stored)) return { after: done };
  const isOfAnotherLog = last !== undefined && has === undefined;
  if (isOfAnotherLog && last.streamSeq > stored.streamSeq) return { after: done };
  return {
    after: has ?? storedBefore(position, last?.streamSeq ?? stream.firstSeq),
    rewind: 'went back',
  };
};
