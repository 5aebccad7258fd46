import { EVENT_TYPES, type EventType } from './events.ts';

/** Where a request keeps an argument of the call that it stands for. */
export type RequestMember =
  /** A member of the operation's own structure, of so many bits. */
  | { readonly kind: 'member'; readonly access: string; readonly bits: 16 | 32 | 64 }
  /** A struct filename: the kernel's own copy of a path. */
  | { readonly kind: 'filename'; readonly access: string }
  /** The descriptor that the request is about. */
  | { readonly kind: 'fd' };

/** An operation of io_uring that does what a system call does. */
export interface RequestType {
  /** IORING_OP_* without the prefix. */
  readonly name: string;
  /** Its number (include/uapi/linux/io_uring.h). */
  readonly opcode: number;
  /** The call's event. */
  readonly event: EventType;
  /** The structure in io_kiocb.cmd; undefined where nothing of it is read. */
  readonly struct: string | undefined;
  /** By the call's arguments; undefined for what the request doesn't keep, or the caller's memory alone has. */
  readonly members: readonly (RequestMember | undefined)[];
}

/**
 * Operations by number: name, the call's name, the structure that its preparation fills in (io_uring/*.c), and its members in the order
 * of the call's arguments. `fd`: the request's descriptor; `-`: not kept; a member has 32 bits if it doesn't say so.
 */
// biome-ignore format: one operation a line reads as a table
const OPERATIONS: readonly (readonly [opcode: number, name: string, call: string, struct: string, members: string])[] = [
  [1, 'READV', 'readv', 'io_rw', 'fd addr:64 len'],
  [2, 'WRITEV', 'writev', 'io_rw', 'fd addr:64 len'],
  [3, 'FSYNC', 'fsync', '', ''],
  [4, 'READ_FIXED', 'read', 'io_rw', 'fd addr:64 len'],
  [5, 'WRITE_FIXED', 'write', 'io_rw', 'fd addr:64 len'],
  [8, 'SYNC_FILE_RANGE', 'sync_file_range', '', ''],
  [9, 'SENDMSG', 'sendmsg', 'io_sr_msg', 'fd umsg:64 msg_flags'],
  [10, 'RECVMSG', 'recvmsg', 'io_sr_msg', 'fd umsg:64 msg_flags'],
  [13, 'ACCEPT', 'accept4', 'io_accept', 'fd addr:64 addr_len:64 flags'],
  [16, 'CONNECT', 'connect', 'io_connect', 'fd addr:64 addr_len'],
  [17, 'FALLOCATE', 'fallocate', '', ''],
  [18, 'OPENAT', 'openat', 'io_open', 'dfd filename:path how.flags how.mode'],
  [19, 'CLOSE', 'close', 'io_close', 'fd'],
  [21, 'STATX', 'statx', '', ''],
  [22, 'READ', 'read', 'io_rw', 'fd addr:64 len'],
  [23, 'WRITE', 'write', 'io_rw', 'fd addr:64 len'],
  [24, 'FADVISE', 'fadvise64', '', ''],
  [25, 'MADVISE', 'madvise', '', ''],
  [26, 'SEND', 'sendto', 'io_sr_msg', 'fd buf:64 len msg_flags'],
  [27, 'RECV', 'recvfrom', 'io_sr_msg', 'fd buf:64 len msg_flags'],
  [28, 'OPENAT2', 'openat2', 'io_open', 'dfd filename:path'],
  [29, 'EPOLL_CTL', 'epoll_ctl', '', ''],
  [30, 'SPLICE', 'splice', '', ''],
  [33, 'TEE', 'tee', '', ''],
  [34, 'SHUTDOWN', 'shutdown', 'io_shutdown', 'fd how'],
  [35, 'RENAMEAT', 'renameat2', 'io_rename', 'old_dfd oldpath:path new_dfd newpath:path flags'],
  [36, 'UNLINKAT', 'unlinkat', 'io_unlink', 'dfd filename:path flags'],
  [37, 'MKDIRAT', 'mkdirat', 'io_mkdir', 'dfd filename:path mode:16'],
  [38, 'SYMLINKAT', 'symlinkat', 'io_link', '- new_dfd newpath:path'],
  [39, 'LINKAT', 'linkat', 'io_link', 'old_dfd oldpath:path new_dfd newpath:path flags'],
  [41, 'FSETXATTR', 'fsetxattr', '', ''],
  [42, 'SETXATTR', 'setxattr', '', ''],
  [43, 'FGETXATTR', 'fgetxattr', '', ''],
  [44, 'GETXATTR', 'getxattr', '', ''],
  [45, 'SOCKET', 'socket', 'io_socket', 'domain type protocol'],
  [47, 'SEND_ZC', 'sendto', 'io_sr_msg', 'fd buf:64 len msg_flags'],
  [48, 'SENDMSG_ZC', 'sendmsg', 'io_sr_msg', 'fd umsg:64 msg_flags'],
  [49, 'READ_MULTISHOT', 'read', 'io_rw', 'fd addr:64 len'],
  [50, 'WAITID', 'waitid', '', ''],
  [55, 'FTRUNCATE', 'ftruncate', 'io_ftrunc', 'fd len:64'],
  [56, 'BIND', 'bind', 'io_bind', 'fd - addr_len'],
  [57, 'LISTEN', 'listen', 'io_listen', 'fd backlog'],
  [58, 'RECV_ZC', 'recvfrom', '', 'fd'],
  [59, 'EPOLL_WAIT', 'epoll_wait', '', ''],
  [60, 'READV_FIXED', 'readv', 'io_rw', 'fd addr:64 len'],
  [61, 'WRITEV_FIXED', 'writev', 'io_rw', 'fd addr:64 len'],
  [62, 'PIPE', 'pipe2', '', ''],
];

const memberOf = (struct: string, text: string): RequestMember | undefined => {
  if (text === '-') return undefined;
  if (text === 'fd' && struct !== 'io_close') return { kind: 'fd' };
  const [name = '', what = '32'] = text.split(':');
  const access = `${struct}.${name}`;
  return what === 'path'
    ? { kind: 'filename', access }
    : { kind: 'member', access, bits: Number(what) as 16 | 32 | 64 };
};

const typeOf = ([opcode, name, call, struct, members]: (typeof OPERATIONS)[number]): RequestType => {
  const event = EVENT_TYPES.get(call);
  if (event === undefined) throw new Error(`IORING_OP_${name} stands for ${call}, which is no system call`);
  const list = members === '' ? [] : members.split(' ').map((text) => memberOf(struct, text));
  return Object.freeze({
    name,
    opcode,
    event,
    struct: struct === '' ? undefined : struct,
    members: Object.freeze(list),
  });
};

/** The operations that stand for system calls, by number. */
export const REQUEST_TYPES: readonly RequestType[] = OPERATIONS.map(typeOf);

/** Opcodes are below it; those that the table doesn't have come to nothing. */
export const REQUEST_OPCODES = 64;

/** The plain operation of several that do the same: its name is the shortest (READ, not READ_FIXED). */
const BY_CALL = new Map<string, RequestType>();
for (const type of REQUEST_TYPES) {
  const known = BY_CALL.get(type.event.type);
  if (known === undefined || type.name.length < known.name.length) BY_CALL.set(type.event.type, type);
}

/** The operation that does what a system call does; undefined where io_uring has none. */
export const requestTypeOf = (call: string): RequestType | undefined => BY_CALL.get(call);
