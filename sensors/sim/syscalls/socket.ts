import {
  EACCES,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EALREADY,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPROTONOSUPPORT,
  ERESTARTSYS,
  ESOCKTNOSUPPORT,
  ETIMEDOUT,
} from '../../../engine/maps/index.ts';
import { decodeSockaddr, type InetAddress, type SocketAddress } from '../kernel/addresses.ts';
import { CAP_NET_BIND_SERVICE, CAP_NET_RAW } from '../kernel/credentials.ts';
import { OpenFile } from '../kernel/files.ts';
import { Loan } from '../kernel/loan.ts';
import { askSecurity, isAsked } from '../kernel/security.ts';
import { Socket } from '../kernel/sockets.ts';
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  IPPROTO_TCP,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  S_IFSOCK,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { CallError } from './call.ts';
import { askCgroup } from './cgroup-address.ts';
import { installPair } from './descriptors.ts';
import { receive, send } from './messages.ts';
import { socketOf, socketOptionCalls } from './socket-options.ts';
import { bindUnix, connectUnix, join } from './unix-socket.ts';

const SOCK_TYPE_MASK = 0xf;
const SOCK_MAX = 11;
const SOCK_SEQPACKET = 5;
/** sizeof(struct sockaddr_storage) */
const LONGEST_ADDRESS = 128;
const FIRST_PRIVILEGED_FREE_PORT = 1024;
/** net.core.somaxconn */
const MOST_BACKLOG = 4096;

/** A file for a socket, as the kernel makes it. */
const fileOf = (call: SystemCall, socket: Socket, flags: number): OpenFile => {
  const path = call.machine.files.anonymous('sockfs', '', S_IFSOCK | 0o777, call.task.cred);
  const file = new OpenFile(call.machine.memory, path, O_RDWR | (flags & O_NONBLOCK));
  file.attachSocket(socket);
  socket.file = file.at;
  return file;
};

/** 0, or why there is no such socket. */
const refuseSocket = (call: SystemCall, family: number, type: number, protocol: number): number => {
  if (call.recorded) return 0;
  if (family === AF_PACKET) {
    if (!call.machine.permissions.capable(call.task.cred, CAP_NET_RAW)) return -EPERM;
    return type === SOCK_RAW || type === SOCK_DGRAM ? 0 : -ESOCKTNOSUPPORT;
  }
  if (family !== AF_UNIX && family !== AF_INET && family !== AF_INET6 && family !== AF_NETLINK) return -EAFNOSUPPORT;
  if (family === AF_INET || family === AF_INET6) {
    if (type === SOCK_RAW) {
      if (protocol === 0) return -EPROTONOSUPPORT;
      return call.machine.permissions.capable(call.task.cred, CAP_NET_RAW) ? 0 : -EPERM;
    }
    const fits = type === SOCK_STREAM ? [0, IPPROTO_TCP] : type === SOCK_DGRAM ? [0, 17, 1, 58] : undefined;
    if (!fits) return -ESOCKTNOSUPPORT;
    return fits.includes(protocol) ? 0 : -EPROTONOSUPPORT;
  }
  if (family === AF_UNIX && protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT;
  if (family === AF_UNIX && ![SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET].includes(type))
    return -ESOCKTNOSUPPORT;
  return 0;
};

const socket: CallHandler = (call) => {
  const family = call.int(0);
  const flags = call.int(1);
  const type = flags & SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_TYPE_MASK | O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  if (type >= SOCK_MAX) return -EINVAL;
  const refusal = refuseSocket(call, family, type, call.int(2));
  if (refusal < 0) return refusal;
  const made = new Socket(call.machine.memory, family, type, call.int(2));
  return call.install(fileOf(call, made, flags), (flags & O_CLOEXEC) !== 0);
};

const socketpair: CallHandler = (call) => {
  const flags = call.int(1);
  const type = flags & SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_TYPE_MASK | O_CLOEXEC | O_NONBLOCK)) !== 0 || type >= SOCK_MAX) return -EINVAL;
  call.checkPointer(3);
  const refusal = refuseSocket(call, call.int(0), type, call.int(2));
  if (refusal < 0) return refusal;
  if (call.int(0) !== AF_UNIX) return -EOPNOTSUPP;
  const one = new Socket(call.machine.memory, AF_UNIX, type, 0);
  const other = new Socket(call.machine.memory, AF_UNIX, type, 0);
  join(one, other);
  return installPair(call, fileOf(call, one, flags), fileOf(call, other, flags), (flags & O_CLOEXEC) !== 0, 3);
};

/** The address a call got, and its bytes cut to the length it was given. @throws CallError EINVAL */
const addressOf = (
  call: SystemCall,
  index: number,
): { readonly bytes: Uint8Array; readonly address: SocketAddress | undefined } => {
  const given = call.bytes(index);
  const length = call.raw(index + 1) === undefined ? given.length : call.int(index + 1);
  if (length < 0 || length > LONGEST_ADDRESS) throw new CallError(EINVAL);
  const bytes = given.subarray(0, length);
  return { bytes, address: decodeSockaddr(bytes) };
};

/** Asks an LSM hook about an address; it is the kernel's own copy. */
const askAddress = (
  call: SystemCall,
  hook: 'socket_connect' | 'socket_bind',
  target: Socket,
  bytes: Uint8Array,
): number => {
  const { machine } = call;
  if (!isAsked(machine, hook)) return 0;
  const loan = new Loan(machine.memory);
  const copy = loan.take(LONGEST_ADDRESS);
  machine.memory.bytes.set(bytes, copy);
  const verdict = askSecurity(machine, hook, [target, { at: copy }, bytes.length]);
  loan.end();
  return verdict;
};

export const askConnect = (call: SystemCall, target: Socket, bytes: Uint8Array): number =>
  askAddress(call, 'socket_connect', target, bytes);

/** A recorded call worked on a socket that the recording doesn't show the making of: it is made now. */
export const ensureSocket = (call: SystemCall): void => {
  if (call.task.files.get(call.int(0))) return;
  const family =
    call.raw(1) instanceof Uint8Array || call.isNull(1) ? AF_INET : (decodeSockaddr(call.bytes(1))?.family ?? AF_INET);
  const made = new Socket(call.machine.memory, family, SOCK_STREAM, 0);
  call.install(fileOf(call, made, 0), false, call.int(0));
};

const AF_UNSPEC = 0;

const connect: CallHandler = (call) => {
  const { file, socket: from } = socketOf(call);
  const { bytes, address } = addressOf(call, 1);
  const verdict = askConnect(call, from, bytes);
  if (verdict < 0) return verdict;
  if (!address) return -EINVAL;
  if (address.family === AF_UNSPEC) {
    from.connected = false;
    from.peer = undefined;
    return 0;
  }
  if (from.family === AF_UNIX) return connectUnix(call, from, address);
  const isMapped = from.family === AF_INET6 && address.family === AF_INET && from.type !== SOCK_STREAM;
  if (address.family !== from.family && !isMapped && !call.recorded) return -EAFNOSUPPORT;
  const { inet } = address;
  if (!inet) return -EAFNOSUPPORT;
  return connectInet(call, file, from, inet);
};

const connectInet = (call: SystemCall, file: OpenFile, from: Socket, wanted: InetAddress): number => {
  const { network } = call.machine;
  const isNew = !from.connected && !from.queue && from.pending === undefined;
  const answer = isNew ? askCgroup(call, 'connect', from, wanted) : { address: wanted };
  if (typeof answer === 'number') return answer;
  const to = answer.address;
  if (from.type !== SOCK_STREAM) {
    network.establish(from, to);
    return 0;
  }
  if (from.pending === -ETIMEDOUT) return -EALREADY;
  if (from.pending !== undefined) {
    const result = from.pending;
    from.pending = undefined;
    return result;
  }
  if (from.connected || from.queue) return -EISCONN;
  if (call.recorded) {
    const own = call.recorded.detail;
    if (own && 'address' in own) from.local ??= own;
    network.establish(from, to);
    return 0;
  }
  const result = network.connect(from, to);
  if (result < 0) from.peer = { address: to.address, port: 0 };
  if ((file.flags & O_NONBLOCK) === 0) return result;
  from.pending = result;
  return -EINPROGRESS;
};

const bind: CallHandler = (call) => {
  const { socket: from } = socketOf(call);
  const { bytes, address } = addressOf(call, 1);
  const verdict = askAddress(call, 'socket_bind', from, bytes);
  if (verdict < 0) return verdict;
  if (!address) return -EINVAL;
  if (address.family !== from.family) return from.family === AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
  if (from.family === AF_NETLINK || from.family === AF_PACKET) return 0;
  if (from.family === AF_UNIX) return bindUnix(call, from, address.path ?? '');
  return address.inet ? bindInet(call, from, address.inet) : -EAFNOSUPPORT;
};

/** What a program for bind may say beside 1: no capability is needed (BPF_RET_BIND_NO_CAP_NET_BIND_SERVICE of include/linux/bpf-cgroup.h). */
const NEEDS_NO_CAPABILITY = 2;

/** inet_bind of net/ipv4/af_inet.c. */
const bindInet = (call: SystemCall, from: Socket, wanted: InetAddress): number => {
  const answer = askCgroup(call, 'bind', from, wanted);
  if (typeof answer === 'number') return answer;
  const { address: inet, said } = answer;
  const { network, permissions } = call.machine;
  if (call.recorded) {
    from.local = inet;
    network.bind(from, inet);
    return 0;
  }
  if (!network.isLocal(inet.address)) return -EADDRNOTAVAIL;
  const privileged = inet.port > 0 && inet.port < FIRST_PRIVILEGED_FREE_PORT && (said & NEEDS_NO_CAPABILITY) === 0;
  if (privileged && !permissions.capable(call.task.cred, CAP_NET_BIND_SERVICE)) return -EACCES;
  return from.local ? -EINVAL : network.bind(from, inet);
};

const listen: CallHandler = (call) => {
  const { socket: from } = socketOf(call);
  if (from.type !== SOCK_STREAM && from.type !== SOCK_SEQPACKET) return -EOPNOTSUPP;
  if (from.connected) return -EINVAL;
  if (from.family === AF_UNIX && from.unixPath === undefined) return -EINVAL;
  if (from.family !== AF_UNIX && !from.local)
    call.machine.network.bind(from, { address: from.family === AF_INET6 ? '::' : '0.0.0.0', port: 0 });
  const backlog = call.int(1);
  from.listen(backlog < 0 || backlog > MOST_BACKLOG ? MOST_BACKLOG : backlog);
  return 0;
};

const accept = (call: SystemCall, flags: number): number => {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  const { file, socket: listener } = socketOf(call);
  const detail = call.recorded?.detail;
  const recordedPeer = detail && 'address' in detail ? detail : undefined;
  if (listener.type !== SOCK_STREAM && listener.type !== SOCK_SEQPACKET) return -EOPNOTSUPP;
  if (!listener.queue && !call.recorded) return -EINVAL;
  const connection = listener.queue?.shift();
  if (!connection && !call.recorded) return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : -ERESTARTSYS;
  const made = new Socket(call.machine.memory, listener.family, listener.type, listener.protocol);
  const peer = recordedPeer ?? connection?.peer;
  if (connection) {
    made.incoming = connection.incoming;
    made.outgoing = connection.outgoing;
  }
  made.connected = true;
  made.local = connection?.socket?.peer ?? listener.local;
  made.peer = peer;
  made.unixPath = listener.unixPath;
  made.peerPath = connection?.socket?.unixPath;
  call.from = peer;
  return call.install(fileOf(call, made, flags), (flags & O_CLOEXEC) !== 0);
};

const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;

/** The file as a call with MSG_DONTWAIT sees it: nobody waits. */
const impatient = (file: OpenFile, flags: number, act: () => number): number => {
  if ((flags & MSG_DONTWAIT) === 0 || (file.flags & O_NONBLOCK) !== 0) return act();
  file.flags |= O_NONBLOCK;
  const result = act();
  file.flags &= ~O_NONBLOCK;
  return result;
};

/** sendto: with an address for datagrams, without one as write. */
const sendto: CallHandler = (call) => {
  const { file } = socketOf(call);
  const given = call.isNull(1) ? new Uint8Array(0) : call.bytes(1);
  const bytes = call.raw(2) === undefined ? given : given.subarray(0, call.number(2));
  const to = call.isNull(4) ? undefined : addressOf(call, 4).bytes;
  const flags = call.int(3);
  return impatient(file, flags, () => send(call, file, bytes, (flags & MSG_NOSIGNAL) === 0, to));
};

/** What a message header names: the bytes to send, and where to. @throws CallError EFAULT */
const sendmsg = (call: SystemCall, flags: number): number => {
  const { file } = socketOf(call);
  const { bytes, to } = call.message(1);
  return impatient(file, flags, () => send(call, file, bytes, (flags & MSG_NOSIGNAL) === 0, to));
};

const receiveWith = (call: SystemCall, count: number, flags: number): number => {
  const { file } = socketOf(call);
  return impatient(file, flags, () => receive(call, file, count));
};

/** shutdown(2)'s `how`. */
const SHUT_RD = 0;
const SHUT_WR = 1;
const SHUT_RDWR = 2;

const shutdown: CallHandler = (call) => {
  const { socket: from } = socketOf(call);
  const how = call.int(1);
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  if (!from.connected && from.family !== AF_UNIX) return -ENOTCONN;
  if (how !== SHUT_RD) {
    from.noMoreWriting = true;
    if (from.outgoing) from.outgoing.writers = 0;
  }
  if (how !== SHUT_WR) from.noMoreReading = true;
  return 0;
};

/** Sockets. */
export const socketCalls: Readonly<Record<string, CallHandler>> = {
  socket,
  socketpair,
  connect,
  bind,
  listen,
  accept: (call) => accept(call, 0),
  accept4: (call) => accept(call, call.int(3)),
  sendto,
  sendmsg: (call) => sendmsg(call, call.int(2)),
  sendmmsg: (call) => {
    const sent = sendmsg(call, call.int(3));
    return sent < 0 ? sent : 1;
  },
  recvfrom: (call) => receiveWith(call, call.number(2), call.int(3)),
  recvmsg: (call) => receiveWith(call, LARGEST_MESSAGE, call.int(2)),
  recvmmsg: (call) => {
    const received = receiveWith(call, LARGEST_MESSAGE, call.int(3));
    return received < 0 ? received : 1;
  },
  shutdown,
  ...socketOptionCalls,
};

const LARGEST_MESSAGE = 65_536;
