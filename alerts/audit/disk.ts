import { randomFillSync } from 'node:crypto';
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readSync } from 'node:fs';
import { type FileHandle, lstat, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFolder } from './lock.ts';
import { allocateBlocks } from './native.ts';

/** A file that is written at places; a power failure may undo, tear and reorder what was written since the last `sync`. */
export interface DiskFile {
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** fdatasync(2): returns when what was written before is on disk. Where it fails, what was written may be lost for good, also when it is called again. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  /** Whether the folder's path still leads to this file. */
  isInPlace(): Promise<boolean>;
  close(): Promise<void>;
}

/** What a folder says of a file. */
export interface FileFacts {
  readonly bytes: number;
  readonly kind: 'file' | 'directory' | 'symbolic link' | 'special file';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
}

/** A folder on a disk, with what a log asks of it; names are those of files in it. */
export interface Disk {
  readonly folder: string;
  /** Makes the folder where it is missing, takes it for this process, and says how to release it; fails naming the process that has it. */
  lock(): () => void;
  names(): readonly string[];
  facts(name: string): Promise<FileFacts>;
  /** The bytes of a file, default all; fewer where it ends before. */
  read(name: string, from?: number, to?: number): Uint8Array;
  /** Opens a file (mode 0600), made where it is missing; that it is there is on disk when this returns. */
  open(name: string): Promise<DiskFile>;
  /** Opens a file that is there. */
  reopen(name: string): Promise<DiskFile>;
  /** Removes a file, if it is there; that it is gone is on disk when this returns. */
  remove(name: string): Promise<void>;
  /** Makes a file that takes so many bytes of the disk for certain; leaves none where there is no room. */
  allocate(name: string, bytes: number): Promise<void>;
  /** Bytes that are left for this user; infinite where that isn't known. */
  room(): Promise<number>;
}

const MODE = 0o600;
const FOLDER_MODE = 0o700;
const { O_RDWR, O_RDONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
const PIECE_BYTES = 1 << 20;

const writeAll = async (handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let written = 0; written < bytes.length; )
    written += (await handle.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
};

const fileOf = (handle: FileHandle, path: string): DiskFile => ({
  write: (bytes, at) => writeAll(handle, bytes, at),
  sync: () => handle.datasync(),
  truncate: (bytes) => handle.truncate(bytes),
  size: async () => (await handle.stat()).size,
  isInPlace: async () => {
    const [mine, there] = await Promise.all([handle.stat(), lstat(path).catch(() => undefined)]);
    return there !== undefined && there.ino === mine.ino && there.dev === mine.dev;
  },
  close: () => handle.close(),
});

const reopen = (path: string): Promise<FileHandle> => open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);

/** Opens a file for writing at places, or makes it. */
const openOrMake = async (path: string): Promise<FileHandle> => {
  try {
    return await reopen(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
  }
};

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const readPart = (path: string, from: number, to: number): Uint8Array => {
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const bytes = new Uint8Array(Math.max(0, Math.min(to, fstatSync(fd).size) - from));
    let at = 0;
    for (let got = -1; at < bytes.length && got !== 0; at += got)
      got = readSync(fd, bytes, at, bytes.length - at, from + at);
    return bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
};

/** Takes blocks by writing what no file system packs. */
const fill = async (handle: FileHandle, bytes: number): Promise<void> => {
  const piece = new Uint8Array(PIECE_BYTES);
  for (let at = 0; at < bytes; at += piece.length)
    await writeAll(handle, randomFillSync(piece).subarray(0, Math.min(piece.length, bytes - at)), at);
};

const allocate = async (path: string, bytes: number): Promise<void> => {
  const handle = await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
  try {
    if (!(await allocateBlocks(handle.fd, bytes))) await fill(handle, bytes);
    await handle.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
};

/** Makes a folder and those above it; Node says ENOENT for whatever keeps it from that. */
const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(folder, { mode: FOLDER_MODE });
  }
};

/** A folder of the file system. */
export const openDisk = (folder: string): Disk => ({
  folder,
  lock: () => {
    makeFolder(folder);
    return lockFolder(folder);
  },
  names: () => readdirSync(folder),
  facts: async (name) => {
    const facts = await lstat(join(folder, name));
    const kind = facts.isFile()
      ? 'file'
      : facts.isDirectory()
        ? 'directory'
        : facts.isSymbolicLink()
          ? 'symbolic link'
          : 'special file';
    return { bytes: facts.size, kind, mode: facts.mode & 0o777, uid: facts.uid };
  },
  read: (name, from = 0, to = Number.POSITIVE_INFINITY) => readPart(join(folder, name), from, to),
  open: async (name) => {
    const path = join(folder, name);
    const handle = await openOrMake(path);
    try {
      await syncFolder(folder);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return fileOf(handle, path);
  },
  reopen: async (name) => fileOf(await reopen(join(folder, name)), join(folder, name)),
  remove: async (name) => {
    await rm(join(folder, name), { force: true });
    await syncFolder(folder);
  },
  allocate: (name, bytes) => allocate(join(folder, name), bytes),
  room: async () => {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  },
});
