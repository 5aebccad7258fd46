import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';

const CHUNK_BYTES = 4 << 20;
/** What is read in less time than anybody waits for. */
const TURN_BYTES = 1 << 20;
const NEWLINE = 0x0a;

/**
 * Takes a line of a file: `bytes` from `from`, at least 1, up to `to`, without its newline. They are valid during the call, and the byte before the line may be
 * written over. `number` is the line's, from 1; `isWhole` says whether it has a newline.
 */
export type TakeLine = (bytes: Buffer, from: number, to: number, number: number, isWhole: boolean) => void;

/**
 * Reads a file's lines, a few megabytes at a time; others come between.
 * @param onRead called with how many bytes were read, once the lines in them were taken
 */
export const readRawLines = async (path: string, take: TakeLine, onRead: (bytes: number) => void): Promise<void> => {
  const fd = openSync(path, 'r');
  try {
    let space = Buffer.allocUnsafeSlow(2 + Math.min(fstatSync(fd).size, CHUNK_BYTES));
    let end = 1;
    let number = 0;
    for (;;) {
      if (end === space.length) space = Buffer.concat([space], 2 * space.length);
      const read = readSync(fd, space, end, space.length - end, null);
      const searched = end;
      end += read;
      const filled = space.subarray(0, end);
      let from = 1;
      for (let to = filled.indexOf(NEWLINE, searched); to >= 0; to = filled.indexOf(NEWLINE, from)) {
        take(space, from, to, ++number, true);
        from = to + 1;
      }
      if (read === 0 && end > from) take(space, from, end, ++number, false);
      onRead(read);
      if (read === 0) return;
      space.copyWithin(1, from, end);
      end = 1 + end - from;
      if (read >= TURN_BYTES) await turn();
    }
  } finally {
    closeSync(fd);
  }
};
