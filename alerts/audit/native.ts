import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type * as Koffi from 'koffi';

/** Calls of libc that Node has no function for. */
interface Native {
  flock(fd: number): number;
  allocate(fd: number, bytes: number): Promise<number>;
}

/** include/uapi/asm-generic/fcntl.h */
const [LOCK_EX, LOCK_NB] = [2, 4];
const { EWOULDBLOCK, EAGAIN, EOPNOTSUPP, EINVAL, ENOSYS } = constants.errno;

let loaded: Native | undefined | 'none';

const load = (): Native | 'none' => {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    const libc = koffi.load(null);
    const flock = libc.func('int flock(int, int)');
    const allocate = libc.func('int posix_fallocate(int, int64_t, int64_t)');
    return {
      flock: (fd) => (Number(flock(fd, LOCK_EX | LOCK_NB)) === 0 ? 0 : koffi.errno()),
      allocate: (fd, bytes) =>
        new Promise((resolve, reject) => {
          allocate.async(fd, 0, bytes, (error: unknown, result: unknown) =>
            error === null ? resolve(Number(result)) : reject(error),
          );
        }),
    };
  } catch {
    return 'none';
  }
};

const native = (): Native | undefined => {
  loaded ??= load();
  return loaded === 'none' ? undefined : loaded;
};

/** Locks an open file for this process with flock(2), until its descriptor is closed; `unsupported`: this system or file system has no such lock. */
export const lockFile = (fd: number): 'locked' | 'busy' | 'unsupported' => {
  const errno = native()?.flock(fd) ?? ENOSYS;
  if (errno === 0) return 'locked';
  return errno === EWOULDBLOCK ? 'busy' : 'unsupported';
};

/** Gives an open file real blocks for so many bytes with posix_fallocate(3); false where that can't be done here. @throws ENOSPC, EDQUOT, EIO */
export const allocateBlocks = async (fd: number, bytes: number): Promise<boolean> => {
  const errno = (await native()?.allocate(fd, bytes)) ?? ENOSYS;
  if (errno === 0) return true;
  if ([EOPNOTSUPP, EINVAL, ENOSYS, EAGAIN].includes(errno)) return false;
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  throw Object.assign(new Error(`${code}: no blocks could be allocated, fallocate`), { code });
};
