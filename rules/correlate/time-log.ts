/** Times in their order, as nanoseconds from `origin`, which numbers hold exactly. Those in front of `start` are gone. */
export interface TimeLog {
  origin: bigint;
  offsets: number[];
  start: number;
}

/** Places in front of the first that are given back only when they are so many. */
const SLACK = 64;
/** Offsets beyond it, 13 days, are counted from a later time. */
const FAR = 2 ** 50;

/** An empty log; its first times are best near `origin`. */
export const createTimeLog = (origin: bigint): TimeLog => ({ origin, offsets: [], start: 0 });

/** How many times there are. */
export const sizeOf = ({ offsets, start }: TimeLog): number => offsets.length - start;

/** The earliest; `origin` where there is none. */
export const firstOf = ({ origin, offsets, start }: TimeLog): bigint => origin + BigInt(offsets[start] ?? 0);

/** The latest; `origin` where there is none. */
export const lastOf = ({ origin, offsets }: TimeLog): bigint => origin + BigInt(offsets[offsets.length - 1] ?? 0);

/** Nanoseconds from the earliest to the latest. */
export const spanOf = ({ offsets, start }: TimeLog): number =>
  (offsets[offsets.length - 1] ?? 0) - (offsets[start] ?? 0);

/** Puts a time in its place; constant where it is the latest. */
export const addTime = (log: TimeLog, time: bigint): void => {
  let offset = Number(time - log.origin);
  if (offset > FAR) {
    const from = sizeOf(log) === 0 ? time : firstOf(log);
    const by = Number(from - log.origin);
    log.offsets = log.offsets.slice(log.start).map((each) => each - by);
    log.start = 0;
    log.origin = from;
    offset = Number(time - from);
  }
  const { offsets, start } = log;
  let index = offsets.length;
  while (index > start && (offsets[index - 1] ?? 0) > offset) index--;
  if (index === offsets.length) offsets.push(offset);
  else offsets.splice(index, 0, offset);
};

/** Takes the earliest away. */
export const dropFirst = (log: TimeLog): void => {
  log.start++;
  if (log.start < SLACK || 2 * log.start < log.offsets.length) return;
  log.offsets = log.offsets.slice(log.start);
  log.start = 0;
};
