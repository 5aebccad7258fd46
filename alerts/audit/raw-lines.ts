import { open } from 'node:fs/promises';

const CHUNK_BYTES = 4 << 20;
const NEWLINE = 0x0a;

/**
 * Takes a line of a file: `bytes` from `from`, at least 1, up to `to`, without its newline. They are valid during the call, and the byte before the line may be
 * written over. `number` is the line's, from 1; `isWhole` says whether it has a newline.
 */
export type TakeLine = (bytes: Buffer, from: number, to: number, number: number, isWhole: boolean) => void;

/** Reads a file's lines, a few megabytes at a time. @param onRead called with how many bytes were read, once the lines in them were taken */
export const readRawLines = async (path: string, take: TakeLine, onRead: (bytes: number) => void): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    let space = Buffer.allocUnsafeSlow(2 + Math.min(size, CHUNK_BYTES));
    let end = 1;
    let number = 0;
    for (;;) {
      if (end === space.length) space = Buffer.concat([space], 2 * space.length);
      const { bytesRead } = await handle.read(space, end, space.length - end);
      const searched = end;
      end += bytesRead;
      const filled = space.subarray(0, end);
      let from = 1;
      for (let to = filled.indexOf(NEWLINE, searched); to >= 0; to = filled.indexOf(NEWLINE, from)) {
        take(space, from, to, ++number, true);
        from = to + 1;
      }
      if (bytesRead === 0 && end > from) take(space, from, end, ++number, false);
      onRead(bytesRead);
      if (bytesRead === 0) return;
      space.copyWithin(1, from, end);
      end = 1 + end - from;
    }
  } finally {
    await handle.close();
  }
};
