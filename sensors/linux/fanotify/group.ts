import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { closeFd, errnoName } from '../call.ts';

/** include/uapi/linux/fanotify.h; FAN_REPORT_TID is from Linux 4.20 on. */
const [FAN_CLOEXEC, FAN_CLASS_CONTENT, FAN_REPORT_TID] = [1, 4, 0x100];
const [FAN_MARK_ADD, FAN_MARK_MOUNT] = [1, 0x10];
export const FAN_OPEN_PERM = 0x1_0000n;
export const FAN_OPEN_EXEC_PERM = 0x4_0000n;
export const [FAN_ALLOW, FAN_DENY] = [1, 2];
const [O_LARGEFILE, O_CLOEXEC, AT_FDCWD] = [0o100000, 0o2000000, -100];
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const [F_SETFL, O_NONBLOCK] = [4, 0o4000];
/** struct pollfd and its events (poll(2)). */
const POLLFD_BYTES = 8;
const [POLLIN, POLLOUT] = [1, 4];

const openLibc = () => (createRequire(import.meta.url)('koffi') as typeof Koffi).load('libc.so.6');
const errno = (): number => (createRequire(import.meta.url)('koffi') as typeof Koffi).errno();

/** Opens a group that watches nothing and closes it: an errno's name where that is refused. It takes CAP_SYS_ADMIN. */
export const tryGroup = (): string | undefined => {
  const init = openLibc().func('int fanotify_init(unsigned int, unsigned int)');
  const group = Number(init(FAN_CLOEXEC | FAN_CLASS_CONTENT | FAN_REPORT_TID, O_LARGEFILE | O_CLOEXEC));
  if (group < 0) return errnoName(errno());
  closeFd(group);
  return undefined;
};

/** Opens a fanotify group that is asked before files of some mounts are opened and executed: a file descriptor. @throws Error with an errno's name */
export const openGroup = (mounts: readonly string[]): number => {
  const libc = openLibc();
  const init = libc.func('int fanotify_init(unsigned int, unsigned int)');
  const mark = libc.func('int fanotify_mark(int, unsigned int, uint64_t, int, const char *)');
  const group = Number(init(FAN_CLOEXEC | FAN_CLASS_CONTENT | FAN_REPORT_TID, O_LARGEFILE | O_CLOEXEC));
  if (group < 0) throw new Error(`fanotify can't be used here (${errnoName(errno())})`);
  for (const path of mounts)
    if (Number(mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM, AT_FDCWD, path)) < 0)
      throw new Error(`${path} can't be watched by fanotify (${errnoName(errno())})`);
  return group;
};

/** Has this process end with the one that started it, so that nobody waits for its answers (prctl(2)). */
export const endWithParent = (): void => {
  openLibc().func('int prctl(int, unsigned long)')(PR_SET_PDEATHSIG, SIGKILL);
};

/** Has writes to a descriptor fail with EAGAIN where there is no room, instead of waiting (fcntl(2)). */
export const neverWait = (fd: number): void => {
  openLibc().func('int fcntl(int, int, int)')(fd, F_SETFL, O_NONBLOCK);
};

/** Returns a function that waits until the first descriptor can be read, or, where `orWrite` is set, the second can be written; true where the first can. */
export const createWait = (readable: number, writable: number): ((orWrite: boolean) => boolean) => {
  const poll = openLibc().func('int poll(void *, unsigned long, int)');
  const bytes = Buffer.alloc(2 * POLLFD_BYTES);
  return (orWrite) => {
    bytes.fill(0);
    bytes.writeInt32LE(readable, 0);
    bytes.writeInt16LE(POLLIN, 4);
    bytes.writeInt32LE(writable, POLLFD_BYTES);
    bytes.writeInt16LE(POLLOUT, POLLFD_BYTES + 4);
    poll(bytes, orWrite ? 2 : 1, -1);
    return (bytes.readInt16LE(6) & POLLIN) !== 0;
  };
};

export const METADATA_BYTES = 24;

/** An event that waits for an answer. */
export interface PermissionEvent {
  readonly mask: bigint;
  readonly fd: number;
  /** Of the thread. */
  readonly tid: number;
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
      tid: bytes.readInt32LE(at + 20),
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
