import type { BigIntStats } from 'node:fs';
import type { Asked } from '../../../rules/index.ts';
import { kernelDevice } from '../files.ts';

const DELETED = ' (deleted)';
const MEMFD = '/memfd:';

const typecharOf = (path: string, stat: BigIntStats): string => {
  if (stat.isFile()) return path.startsWith(MEMFD) && stat.nlink === 0n ? 'm' : 'f';
  if (stat.isDirectory()) return 'd';
  if (stat.isCharacterDevice()) return 'c';
  if (stat.isBlockDevice()) return 'b';
  return stat.isFIFO() ? 'p' : 'o';
};

/** What is told of a file by the path that /proc/self/fd has for it, and what fstat(2) says. */
export const fileOf = (shown: string, stat: BigIntStats): Pick<Asked, 'path' | 'ino' | 'dev' | 'typechar'> => ({
  path: stat.nlink === 0n && shown.endsWith(DELETED) ? shown.slice(0, -DELETED.length) : shown,
  ino: stat.ino,
  dev: kernelDevice(stat.dev),
  typechar: typecharOf(shown, stat),
});
