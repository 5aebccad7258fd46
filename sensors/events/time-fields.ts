import { present, presentOr, type Reader } from './reader.ts';

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

const isoSeconds = (wallTime: bigint): string => new Date(Number(wallTime / NS_PER_MS)).toISOString().slice(0, 19);
const fraction = (wallTime: bigint): string => String(wallTime % NS_PER_SECOND).padStart(9, '0');

/** A text of when the event happened. */
const clock =
  (text: (wallTime: bigint) => string): Reader =>
  (_record, { wallTime }) =>
    present(text(wallTime));

/** When and where an event happened; all times are UTC. */
export const TIME_READERS = {
  'evt.num': (_record, { number }) => present(BigInt(number)),
  'evt.time': clock((time) => `${isoSeconds(time).slice(11)}.${fraction(time)}`),
  'evt.time.s': clock((time) => isoSeconds(time).slice(11)),
  'evt.time.iso8601': clock((time) => `${isoSeconds(time)}.${fraction(time)}Z`),
  'evt.datetime': clock((time) => `${isoSeconds(time).replace('T', ' ')}.${fraction(time)}`),
  'evt.datetime.s': clock((time) => isoSeconds(time).replace('T', ' ')),
  'evt.rawtime': (_record, { wallTime }) => present(wallTime),
  'evt.hostname': (_record, { hostname }) => presentOr(hostname),
  'evt.source': () => present('syscall'),
  'evt.count': () => present(1n),
} as const satisfies Record<string, Reader>;
