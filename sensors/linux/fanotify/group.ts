import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { errnoName } from '../call.ts';

/** include/uapi/linux/fanotify.h */
const [FAN_CLOEXEC, FAN_CLASS_CONTENT] = [1, 4];
const [FAN_MARK_ADD, FAN_MARK_MOUNT] = [1, 0x10];
export const FAN_OPEN_PERM = 0x1_0000n;
export const FAN_OPEN_EXEC_PERM = 0x4_0000n;
export const [FAN_ALLOW, FAN_DENY] = [1, 2];
const [O_LARGEFILE, O_CLOEXEC, AT_FDCWD] = [0o100000, 0o2000000, -100];
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** What permission events are asked for: one file, or all of a mount, by where it is mounted. */
export interface Mark {
  readonly path: string;
  readonly of: 'file' | 'mount';
}

/** Opens a fanotify group that is asked before files are opened and executed: a file descriptor. @throws Error with an errno's name */
export const openGroup = (marks: readonly Mark[]): number => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  const libc = koffi.load('libc.so.6');
  const init = libc.func('int fanotify_init(unsigned int, unsigned int)');
  const mark = libc.func('int fanotify_mark(int, unsigned int, uint64_t, int, const char *)');
  const group = Number(init(FAN_CLOEXEC | FAN_CLASS_CONTENT, O_LARGEFILE | O_CLOEXEC));
  if (group < 0) throw new Error(`fanotify can't be used here (${errnoName(koffi.errno())})`);
  for (const { path, of } of marks) {
    const how = FAN_MARK_ADD | (of === 'mount' ? FAN_MARK_MOUNT : 0);
    if (Number(mark(group, how, FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM, AT_FDCWD, path)) < 0)
      throw new Error(`${path} can't be watched by fanotify (${errnoName(koffi.errno())})`);
  }
  return group;
};

/** Has this process end with the one that started it, so that nobody waits for its answers (prctl(2)). */
export const endWithParent = (): void => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  koffi.load('libc.so.6').func('int prctl(int, unsigned long)')(PR_SET_PDEATHSIG, SIGKILL);
};

export const METADATA_BYTES = 24;

/** An event that waits for an answer. */
export interface PermissionEvent {
  readonly mask: bigint;
  readonly fd: number;
  readonly pid: number;
}

/** The events that one read gave (struct fanotify_event_metadata). */
export const eventsIn = (bytes: Buffer): readonly PermissionEvent[] => {
  const events: PermissionEvent[] = [];
  for (let at = 0; at + METADATA_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < METADATA_BYTES) break;
    events.push({
      mask: bytes.readBigUInt64LE(at + 8),
      fd: bytes.readInt32LE(at + 16),
      pid: bytes.readInt32LE(at + 20),
    });
    at += length;
  }
  return events;
};

/** struct fanotify_response */
export const responseOf = (fd: number, response: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(fd, 0);
  bytes.writeUInt32LE(response, 4);
  return bytes;
};
