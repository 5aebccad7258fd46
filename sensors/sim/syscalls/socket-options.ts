import { EACCES, EINVAL, ENOPROTOOPT, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPERM } from '../../../engine/maps/index.ts';
import { encodeSockaddr, type InetAddress } from '../kernel/addresses.ts';
import { CAP_NET_ADMIN, CAP_NET_RAW } from '../kernel/credentials.ts';
import type { OpenFile } from '../kernel/files.ts';
import type { Socket } from '../kernel/sockets.ts';
import { AF_INET6, AF_NETLINK, AF_UNIX, IPPROTO_TCP } from '../uapi.ts';
import { CallError, type CallHandler, type SystemCall } from './call.ts';

/** The open socket that is a call's first argument. @throws CallError EBADF, ENOTSOCK */
export const socketOf = (call: SystemCall): { readonly file: OpenFile; readonly socket: Socket } => {
  const file = call.file(0);
  if (!file.socket) throw new CallError(ENOTSOCK);
  return { file, socket: file.socket };
};

/** Levels (include/linux/socket.h). */
const [SOL_IP, SOL_SOCKET, SOL_UDP, SOL_IPV6] = [0, 1, 17, 41];

/** Options of any socket (include/uapi/asm-generic/socket.h). */
const [SO_DEBUG, SO_TYPE, SO_ERROR, SO_PEERCRED, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN] = [1, 3, 4, 17, 30, 38, 39];
const [SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK, SO_BINDTODEVICE] = [32, 33, 36, 25];
const READ_ONLY: ReadonlySet<number> = new Set([SO_TYPE, SO_ERROR, SO_PEERCRED, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN]);
const LAST_OPTION = 83;
const INT_BYTES = 4;

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(INT_BYTES);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
};

/** 0 where a socket has options of a level, else why not. */
const refuseLevel = ({ family, protocol }: Socket, level: number): number => {
  if (level === SOL_SOCKET) return 0;
  if (family === AF_UNIX) return -EOPNOTSUPP;
  if (family === AF_NETLINK) return -ENOPROTOOPT;
  const own = protocol === IPPROTO_TCP ? IPPROTO_TCP : SOL_UDP;
  return level === SOL_IP || level === own || (level === SOL_IPV6 && family === AF_INET6) ? 0 : -ENOPROTOOPT;
};

const optionOf = (call: SystemCall, socket: Socket, option: number): number | Uint8Array | undefined => {
  switch (option) {
    case SO_TYPE:
      return socket.type;
    case SO_DOMAIN:
      return socket.family;
    case SO_PROTOCOL:
      return socket.protocol;
    case SO_ACCEPTCONN:
      return socket.queue ? 1 : 0;
    case SO_ERROR: {
      const error = socket.error || -(socket.pending ?? 0);
      socket.error = 0;
      socket.pending = undefined;
      return error;
    }
    case SO_PEERCRED: {
      const { tgid, euid, egid } = call.task;
      return Uint8Array.from([tgid, euid, egid].flatMap((value) => [...word(value)]));
    }
    default:
      return option > 0 && option <= LAST_OPTION ? (socket.options.get(`${SOL_SOCKET} ${option}`) ?? 0) : undefined;
  }
};

/** getsockopt(fd, level, option, value, length): the value is the result's data. */
const getsockopt: CallHandler = (call) => {
  const { socket } = socketOf(call);
  const [level, option] = [call.int(1), call.int(2)];
  const refusal = refuseLevel(socket, level);
  if (refusal < 0) return refusal;
  const value = level === SOL_SOCKET ? optionOf(call, socket, option) : (socket.options.get(`${level} ${option}`) ?? 0);
  if (value === undefined) return -ENOPROTOOPT;
  call.data = typeof value === 'number' ? word(value) : value;
  return 0;
};

const setsockopt: CallHandler = (call) => {
  const { socket } = socketOf(call);
  const [level, option] = [call.int(1), call.int(2)];
  const value = call.raw(3);
  const bytes = value instanceof Uint8Array ? value : undefined;
  if (bytes !== undefined && level === SOL_SOCKET && option !== SO_BINDTODEVICE && bytes.length < INT_BYTES)
    return -EINVAL;
  const refusal = refuseLevel(socket, level);
  if (refusal < 0) return refusal;
  if (level === SOL_SOCKET) {
    if (READ_ONLY.has(option) || option <= 0 || option > LAST_OPTION) return -ENOPROTOOPT;
    const { permissions } = call.machine;
    const has = (capability: number): boolean => permissions.capable(call.task.cred, capability);
    if (option === SO_DEBUG && !has(CAP_NET_ADMIN)) return -EACCES;
    if ((option === SO_SNDBUFFORCE || option === SO_RCVBUFFORCE) && !has(CAP_NET_ADMIN)) return -EPERM;
    if (option === SO_MARK && !has(CAP_NET_RAW) && !has(CAP_NET_ADMIN)) return -EPERM;
  }
  const number =
    bytes && bytes.length >= INT_BYTES ? new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true) : 1;
  socket.options.set(`${level} ${option}`, number);
  return 0;
};

const UNNAMED = Uint8Array.of(AF_UNIX, 0);

const nameOf = ({ family }: Socket, path: string | undefined, inet: InetAddress | undefined): Uint8Array => {
  if (family === AF_UNIX) return path === undefined ? UNNAMED : encodeSockaddr({ path });
  if (family === AF_NETLINK) return Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return encodeSockaddr(inet ?? { address: family === AF_INET6 ? '::' : '0.0.0.0', port: 0 });
};

/** A socket's names and options (getsockname(2), getpeername(2), socket(7)). */
export const socketOptionCalls: Readonly<Record<string, CallHandler>> = {
  getsockname: (call) => {
    const { socket } = socketOf(call);
    call.data = nameOf(socket, socket.unixPath, socket.local);
    return 0;
  },
  getpeername: (call) => {
    const { socket } = socketOf(call);
    if (!socket.connected) return -ENOTCONN;
    call.data = nameOf(socket, socket.peerPath, socket.peer);
    return 0;
  },
  getsockopt,
  setsockopt,
};
