import type { Disk, DiskFile } from '../../../alerts/audit/disk.ts';
import type { Random } from '../../support/random.ts';

const SECTOR = 512;

/** A write that no sync has followed yet. */
type Unsynced = { readonly at: number; readonly bytes: Uint8Array } | { readonly truncateTo: number };

interface ModelFile {
  /** What is on disk for certain. */
  durable: Uint8Array;
  /** What programs read: the durable content with all writes. */
  content: Uint8Array;
  unsynced: Unsynced[];
  /** Whether the folder's entry is on disk. */
  entrySynced: boolean;
}

/** A disk of which a power failure keeps what was synced, and any part of the rest. */
export interface ModelDisk {
  readonly disk: Disk;
  /** Nothing that is under way ends any more, and what comes later fails. */
  cut(): void;
  /** The disk after the power failure: writes are lost, torn within a sector, or there while those before them are not. */
  restart(): ModelDisk;
}

const grown = (content: Uint8Array, length: number): Uint8Array => {
  if (content.length >= length) return content.slice();
  const more = new Uint8Array(length);
  more.set(content);
  return more;
};

const truncated = (content: Uint8Array, length: number): Uint8Array =>
  length <= content.length ? content.slice(0, length) : grown(content, length);

const overwritten = (content: Uint8Array, bytes: Uint8Array, at: number): Uint8Array => {
  const result = grown(content, at + bytes.length);
  result.set(bytes, at);
  return result;
};

/** What a power failure leaves of a file: each sector that was written since has old bytes, new ones, or new ones up to somewhere. */
const afterFailure = (random: Random, { durable, unsynced }: ModelFile): Uint8Array => {
  let content = durable;
  for (const change of unsynced) {
    if ('truncateTo' in change) {
      if (random.chance(0.5)) content = truncated(content, change.truncateTo);
      continue;
    }
    const { at, bytes } = change;
    const end = random.chance(0.6) ? at + bytes.length : at + random.below(bytes.length + 1);
    content = grown(content, Math.max(content.length, random.chance(0.7) ? end : at));
    for (let from = at; from < at + bytes.length; ) {
      const to = Math.min(at + bytes.length, (Math.floor(from / SECTOR) + 1) * SECTOR);
      const kept = random.weighted([
        [5, to - from],
        [2, 0],
        [1, random.below(to - from + 1)],
      ] as const);
      const most = Math.max(0, Math.min(from + kept, content.length) - from);
      if (most > 0) content.set(bytes.subarray(from - at, from - at + most), from);
      from = to;
    }
  }
  return content;
};

export interface ModelOptions {
  /** Whether the next operation fails; a failed write has written a part, after a failed sync what was not synced may be lost for good. */
  readonly refuses?: () => boolean;
  /** A disk whose sync returns before what was written is on it, where that is so. */
  readonly lies?: (written: Uint8Array) => boolean;
  /** As a program that only syncs again what a failed sync may have lost: writing what a file says already reaches no disk. */
  readonly forgets?: boolean;
  /** How many bytes all files may take; asked before each write. */
  readonly capacity?: () => number;
}

const errorOf = (code: string, text: string): Error => Object.assign(new Error(`${code}: ${text}`), { code });

const isSame = (content: Uint8Array, bytes: Uint8Array, at: number): boolean =>
  at + bytes.length <= content.length && bytes.every((byte, index) => content[at + index] === byte);

/** Makes a disk; operations end after some microtasks, so that others come between. */
export const createModelDisk = (
  random: Random,
  options: ModelOptions = {},
  files: Map<string, ModelFile> = new Map(),
): ModelDisk => {
  const {
    refuses = () => false,
    lies = () => false,
    forgets = false,
    capacity = () => Number.POSITIVE_INFINITY,
  } = options;
  let isCut = false;
  const fail = (): never => {
    throw errorOf('EIO', 'i/o error');
  };
  const full = (): never => {
    throw errorOf('ENOSPC', 'no space left on device');
  };
  /** What a power failure during a removal leaves is up to chance. */
  const removing = new Set<string>();
  const room = (): number => capacity() - [...files.values()].reduce((sum, { content }) => sum + content.length, 0);
  /** Takes a while; what was under way when the power failed never ends. */
  const operate = async <Result>(act: () => Result, onFailure: () => void = () => undefined): Promise<Result> => {
    const isRefused = refuses();
    for (let turns = random.below(3); turns >= 0; turns--) await Promise.resolve();
    if (isCut) return new Promise<Result>(() => undefined);
    if (isRefused) {
      onFailure();
      return fail();
    }
    return act();
  };
  const fileOf = (name: string): ModelFile => files.get(name) ?? fail();
  const create = (name: string): ModelFile => {
    const empty = new Uint8Array(0);
    const file = files.get(name) ?? { durable: empty, content: empty, unsynced: [], entrySynced: false };
    files.set(name, file);
    return file;
  };
  const handleOf = (name: string, file: ModelFile): DiskFile => ({
    write: (bytes, at) => {
      const copy = bytes.slice();
      const write = (length: number): void => {
        const part = copy.subarray(0, length);
        if (forgets && isSame(file.content, part, at)) return;
        file.content = overwritten(file.content, part, at);
        file.unsynced.push({ at, bytes: part });
      };
      return operate(
        () => {
          const free = room() - Math.max(0, at + copy.length - file.content.length);
          if (free >= 0) return write(copy.length);
          write(Math.max(0, copy.length + free));
          return full();
        },
        () => write(random.below(copy.length + 1)),
      );
    },
    sync: () =>
      operate(
        () => {
          if (file.unsynced.some((change) => 'bytes' in change && lies(change.bytes))) return;
          file.durable = file.content;
          file.unsynced = [];
        },
        () => {
          // As Linux does it: pages that could not be written are clean from then on, and may be lost.
          file.durable = afterFailure(random, file);
          file.unsynced = [];
        },
      ),
    truncate: (bytes) =>
      operate(() => {
        if (forgets) return;
        file.content = truncated(file.content, bytes);
        file.unsynced.push({ truncateTo: bytes });
      }),
    size: () => operate(() => file.content.length),
    isInPlace: () => operate(() => files.get(name) === file),
    close: () => operate(() => undefined),
  });
  const disk: Disk = {
    folder: '/model',
    lock: () => () => undefined,
    names: () => [...files.keys()],
    facts: async (name) => ({
      bytes: name === '.' ? 0 : fileOf(name).content.length,
      kind: name === '.' ? 'directory' : 'file',
      mode: 0o600,
      uid: process.getuid?.() ?? 0,
    }),
    read: (name, from = 0, to = Number.POSITIVE_INFINITY) => fileOf(name).content.slice(from, to),
    open: (name) =>
      operate(
        () => {
          if (!files.has(name) && room() <= 0) return full();
          const file = create(name);
          file.entrySynced = true;
          return handleOf(name, file);
        },
        () => {
          if (random.chance(0.5)) create(name);
        },
      ),
    reopen: (name) => operate(() => handleOf(name, fileOf(name))),
    remove: async (name) => {
      removing.add(name);
      try {
        await operate(
          () => void files.delete(name),
          () => {
            if (random.chance(0.5)) files.delete(name);
          },
        );
      } finally {
        removing.delete(name);
      }
    },
    allocate: (name, bytes) =>
      operate(() => {
        if (room() < bytes) return full();
        const content = new Uint8Array(bytes);
        files.set(name, { durable: content, content, unsynced: [], entrySynced: true });
      }),
    room: () => operate(room),
  };
  return {
    disk,
    cut: () => {
      isCut = true;
    },
    restart: () => {
      const left = new Map<string, ModelFile>();
      for (const [name, file] of files) {
        if (!file.entrySynced && random.chance(0.5)) continue;
        if (removing.has(name) && random.chance(0.5)) continue;
        const content = afterFailure(random, file);
        left.set(name, { durable: content, content, unsynced: [], entrySynced: true });
      }
      return createModelDisk(random, options, left);
    },
  };
};
