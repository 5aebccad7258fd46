import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFolder } from './lock.ts';

/** A file that is written at places; a power failure may undo, tear and reorder what was written since the last `sync`. */
export interface DiskFile {
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** fdatasync(2): returns when what was written before is on disk. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** A folder on a disk, with what a log asks of it; names are those of files in it. */
export interface Disk {
  readonly folder: string;
  /** Takes the folder for this process, and says how to release it; fails naming the process that has it. */
  lock(): () => void;
  names(): readonly string[];
  read(name: string): Uint8Array;
  /** Opens a file (mode 0600), made where it is missing; that it is there is on disk when this returns. */
  open(name: string): Promise<DiskFile>;
  remove(name: string): Promise<void>;
}

const fileOf = (handle: FileHandle): DiskFile => ({
  write: async (bytes, at) => {
    for (let written = 0; written < bytes.length; )
      written += (await handle.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
  },
  sync: () => handle.datasync(),
  truncate: (bytes) => handle.truncate(bytes),
  close: () => handle.close(),
});

/** Opens a file for writing at places, or makes it. */
const openOrMake = async (path: string): Promise<FileHandle> => {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return open(path, 'wx+', 0o600);
  }
};

/** A folder of the file system, made with mode 0700 where it is missing. */
export const openDisk = (folder: string): Disk => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    folder,
    lock: () => lockFolder(folder),
    names: () => readdirSync(folder),
    read: (name) => readFileSync(join(folder, name)),
    open: async (name) => {
      const handle = await openOrMake(join(folder, name));
      const directory = await open(folder, 'r');
      await directory.sync();
      await directory.close();
      return fileOf(handle);
    },
    remove: (name) => rm(join(folder, name), { force: true }),
  };
};
