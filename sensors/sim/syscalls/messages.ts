import {
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  EDESTADDRREQ,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
  EPROTOTYPE,
  ERESTARTSYS,
} from '../../../engine/maps/index.ts';
import { decodeSockaddr, type InetAddress } from '../kernel/addresses.ts';
import type { OpenFile } from '../kernel/files.ts';
import { writePointer } from '../kernel/kernel-object.ts';
import { Loan } from '../kernel/loan.ts';
import { askSecurity, isAsked } from '../kernel/security.ts';
import { sendSignal } from '../kernel/signals.ts';
import type { Socket } from '../kernel/sockets.ts';
import { MSGHDR } from '../kernel/structs.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, O_NONBLOCK, SIGPIPE, SOCK_STREAM } from '../uapi.ts';
import type { SystemCall } from './call.ts';
import { askCgroup } from './cgroup-address.ts';
import { unixTarget } from './unix-socket.ts';

/** Largest message of UDP over IPv4 (udp_sendmsg of net/ipv4/udp.c: 65,535 less the headers). */
const LARGEST_DATAGRAM = 65_507;
/** IPv4-mapped IPv6 addresses. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** What a call would wait for: not in the simulation, where it is interrupted instead. */
export const wouldBlock = (file: OpenFile): number => ((file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : -ERESTARTSYS);

/** What writing to nobody comes to. @param signals whether SIGPIPE goes with it */
export const brokenPipe = (call: SystemCall, signals: boolean): number => {
  if (signals && !call.recorded) sendSignal(call.task, SIGPIPE);
  return -EPIPE;
};

/** An error that waits for somebody to be told, once. */
const takeError = (socket: Socket): number => {
  const { error } = socket;
  socket.error = 0;
  return error;
};

/** Takes a message, or bytes of a stream, off a socket; 0 at a stream's end. */
export const receive = (call: SystemCall, file: OpenFile, count: number): number => {
  const { socket } = file;
  if (!socket) return -EBADF;
  if (socket.isDatagram) return receiveDatagram(call, file, socket, count);
  if (!socket.connected) return socket.family === AF_UNIX ? -EINVAL : -ENOTCONN;
  if (socket.incoming.length > 0) {
    call.data = socket.incoming.read(count);
    return call.data.length;
  }
  return socket.incoming.writers === 0 || socket.noMoreReading ? 0 : wouldBlock(file);
};

/** What of a message finds no room is lost. */
const receiveDatagram = (call: SystemCall, file: OpenFile, socket: Socket, count: number): number => {
  if (socket.error !== 0) return -takeError(socket);
  const message = socket.datagrams.shift();
  if (!message) return socket.noMoreReading ? 0 : wouldBlock(file);
  call.data = message.bytes.subarray(0, count);
  call.from = message.from;
  return call.data.length;
};

/** Asks lsm/socket_sendmsg, as every way to send does (sock_sendmsg of net/socket.c). */
const askSend = (call: SystemCall, socket: Socket, to: Uint8Array | undefined, size: number): number => {
  const { machine } = call;
  if (!isAsked(machine, 'socket_sendmsg')) return 0;
  const { memory } = machine;
  const loan = new Loan(memory);
  const message = loan.take(MSGHDR.size);
  if (to) {
    writePointer(memory, message + MSGHDR.name, loan.bytes(to));
    memory.view.setInt32(message + MSGHDR.nameLength, to.length, true);
  }
  const verdict = askSecurity(machine, 'socket_sendmsg', [socket, { at: message }, size]);
  loan.end();
  return verdict;
};

/**
 * Sends bytes to a socket's peer, or a message to an address.
 * @param signals whether SIGPIPE goes with -EPIPE (it does without MSG_NOSIGNAL); @param to the sockaddr, undefined for the peer
 */
export const send = (
  call: SystemCall,
  file: OpenFile,
  bytes: Uint8Array,
  signals: boolean,
  to?: Uint8Array,
): number => {
  const { socket } = file;
  if (!socket) return -EBADF;
  const verdict = askSend(call, socket, to, bytes.length);
  if (verdict < 0) return verdict;
  if (socket.family === AF_NETLINK || socket.family === AF_PACKET) return bytes.length;
  if (socket.isDatagram) {
    if (socket.noMoreWriting) return brokenPipe(call, signals);
    return socket.family === AF_UNIX ? sendUnix(call, socket, bytes, to) : sendInet(call, socket, bytes, to);
  }
  if (to && socket.family === AF_UNIX && socket.type === SOCK_STREAM) return socket.connected ? -EISCONN : -EOPNOTSUPP;
  return sendStream(call, file, socket, bytes, signals);
};

const sendStream = (call: SystemCall, file: OpenFile, socket: Socket, bytes: Uint8Array, signals: boolean): number => {
  if (!socket.connected) return socket.family === AF_UNIX ? -ENOTCONN : brokenPipe(call, signals);
  if (socket.noMoreWriting) return brokenPipe(call, signals);
  const { outgoing } = socket;
  if (!outgoing) return bytes.length;
  if (outgoing.readers === 0) {
    if (socket.family === AF_UNIX || socket.wasReset) return brokenPipe(call, signals);
    socket.wasReset = true;
    return bytes.length;
  }
  return outgoing.length === outgoing.capacity ? wouldBlock(file) : outgoing.write(bytes);
};

/** unix_dgram_sendmsg of net/unix/af_unix.c. */
const sendUnix = (call: SystemCall, from: Socket, bytes: Uint8Array, to: Uint8Array | undefined): number => {
  let target = from.target;
  if (to) {
    const address = decodeSockaddr(to);
    if (address?.family !== AF_UNIX || !address.path) return -EINVAL;
    target = unixTarget(call, address.path);
    if (!target) return -ECONNREFUSED;
    if (target.type !== from.type) return -EPROTOTYPE;
  }
  if (!target) return from.connected && call.recorded ? bytes.length : -ENOTCONN;
  if (target.closed) return -ECONNREFUSED;
  target.datagrams.push({
    bytes: bytes.slice(),
    from: from.unixPath === undefined ? undefined : { path: from.unixPath },
  });
  return bytes.length;
};

/** Where a message goes, as the socket's family allows it, or a negative errno (udp_sendmsg and udpv6_sendmsg of net/ipv4 and net/ipv6). */
const destinationOf = (from: Socket, to: Uint8Array): InetAddress | number => {
  const address = decodeSockaddr(to);
  if (!address) return -EINVAL;
  const fits = address.family === from.family || (from.family === AF_INET6 && address.family === AF_INET);
  if (!fits || !address.inet) return -EAFNOSUPPORT;
  return address.inet;
};

const sendInet = (call: SystemCall, from: Socket, bytes: Uint8Array, to: Uint8Array | undefined): number => {
  if (bytes.length > LARGEST_DATAGRAM) return -EMSGSIZE;
  if (!to && !from.peer) return -EDESTADDRREQ;
  if (from.error !== 0) return -takeError(from);
  let destination: InetAddress | number = to ? destinationOf(from, to) : (from.peer ?? -EDESTADDRREQ);
  if (typeof destination === 'number') return destination;
  if (to) {
    if (destination.port === 0) return -EINVAL;
    const mapped = MAPPED.exec(destination.address)?.[1];
    if (mapped) destination = { address: mapped, port: destination.port };
    const answer = askCgroup(call, 'sendmsg', from, destination, !destination.address.includes(':'));
    if (typeof answer === 'number') return answer;
    destination = answer.address;
    if (destination.port === 0) return -EINVAL;
  }
  const error = call.machine.network.deliver(from, destination, bytes);
  if (error !== 0 && from.connected && !call.recorded) from.error = error;
  return bytes.length;
};
