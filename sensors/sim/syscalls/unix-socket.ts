import { EACCES, EADDRINUSE, EAGAIN, ECONNREFUSED, EINVAL, EISCONN, EPROTOTYPE } from '../../../engine/maps/index.ts';
import type { SocketAddress } from '../kernel/addresses.ts';
import { MAY_WRITE } from '../kernel/permissions.ts';
import { Pipe } from '../kernel/pipes.ts';
import type { Socket } from '../kernel/sockets.ts';
import { AF_UNIX, S_IFSOCK, SOCK_DGRAM } from '../uapi.ts';
import { CallError, type SystemCall } from './call.ts';

/** Connects two sockets of this host to each other. */
export const join = (one: Socket, other: Socket): void => {
  if (one.isDatagram) {
    one.target = other;
    other.target = one;
  }
  one.outgoing = other.incoming;
  other.outgoing = one.incoming;
  one.incoming.writers = 1;
  other.incoming.writers = 1;
  one.connected = true;
  other.connected = true;
};

/** The socket that a Unix address names. @throws CallError */
export const unixTarget = (call: SystemCall, path: string): Socket | undefined => {
  if (path.startsWith('@')) return call.machine.network.abstract.get(path);
  const found = call.machine.walk.find(call.task, call.task.fs.cwd, path, true);
  if (typeof found === 'number') throw new CallError(-found);
  const { inode } = found.dentry;
  if (!call.machine.permissions.may(call.task.cred, inode, MAY_WRITE)) throw new CallError(EACCES);
  return inode.socket;
};

/** connect(2) of a Unix socket. */
export const connectUnix = (call: SystemCall, from: Socket, address: SocketAddress): number => {
  if (address.family !== AF_UNIX || !address.path) return -EINVAL;
  if (call.recorded) {
    from.connected = true;
    return 0;
  }
  const to = unixTarget(call, address.path);
  if (!to) return -ECONNREFUSED;
  if (to.type !== from.type) return -EPROTOTYPE;
  if (from.type === SOCK_DGRAM) {
    from.target = to;
    from.connected = true;
    from.peerPath = address.path;
    return 0;
  }
  if (from.connected) return -EISCONN;
  if (!to.queue) return -ECONNREFUSED;
  if (to.queue.length > to.backlog) return -EAGAIN;
  const there = new Pipe();
  from.outgoing = there;
  there.readers = 1;
  there.writers = 1;
  from.incoming.writers = 1;
  from.connected = true;
  from.peerPath = address.path;
  to.queue.push({ peer: undefined, socket: from, incoming: there, outgoing: from.incoming });
  return 0;
};

/** sun_path's size. */
const UNIX_PATH_MAX = 108;

/** An unnamed Unix address gets an abstract one of five hexadecimal digits (unix(7), "Autobind feature"). */
const autobind = (call: SystemCall, from: Socket): number => {
  const { abstract } = call.machine.network;
  let number = 1;
  const name = (): string => `@${number.toString(16).padStart(5, '0')}`;
  while (abstract.has(name())) number++;
  return bindUnix(call, from, name());
};

/** bind(2) of a Unix socket. */
export const bindUnix = (call: SystemCall, from: Socket, path: string): number => {
  const { files, walk, network } = call.machine;
  if (from.unixPath !== undefined) return -EINVAL;
  if (path.startsWith('@')) {
    if (network.abstract.has(path)) return -EADDRINUSE;
    network.abstract.set(path, from);
    from.onClose = () => network.abstract.delete(path);
  } else {
    if (path === '') return autobind(call, from);
    if (new TextEncoder().encode(path).length > UNIX_PATH_MAX) return -EINVAL;
    const { task } = call;
    const entry = walk.entry(task, task.fs.cwd, path);
    if (typeof entry === 'number') return entry;
    if (walk.child(entry.parent, entry.name)) return -EADDRINUSE;
    const refusal = files.mayCreate(task.cred, entry.parent);
    if (refusal < 0) return refusal;
    const { inode } = files.create(task.cred, entry.parent, entry.name, S_IFSOCK | (0o777 & ~task.fs.umask)).dentry;
    inode.socket = from;
    from.onClose = () => {
      inode.socket = undefined;
    };
  }
  from.unixPath = path;
  return 0;
};
