import type { CallOptions, SimArgument } from '../../../../sensors/index.ts';
import { is } from '../language/index.ts';
import {
  argument,
  type Context,
  call,
  domainOf,
  emit,
  type Field,
  intArgument,
  resultFields,
  typeFields,
  unknownFile,
} from './context.ts';
import type { End, Known, KnownSocket } from './known.ts';

/** include/linux/socket.h */
export const FAMILIES = { ipv4: 2, ipv6: 10, unix: 1, netlink: 16 } as const;
/** include/linux/socket.h, by number. */
const DOMAINS: Readonly<Record<number, string>> = {
  1: 'AF_UNIX',
  2: 'AF_INET',
  3: 'AF_AX25',
  10: 'AF_INET6',
  16: 'AF_NETLINK',
  17: 'AF_PACKET',
};
const LETTERS: Readonly<Record<number, string>> = { 2: '4', 10: '6', 1: 'u', 16: 'o' };
/** The host's own ends, as the simulated network gives them out. */
const OWN = { ipv4: '10.0.2.15', ipv6: 'fd00::15' } as const;

const plain = (address: string): string => address.replace('::ffff:', '');
const text = ({ address, port }: End): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** The fields of a connection's two ends where both are known. */
const endFields = (local: End, remote: End, weConnect: boolean): readonly Field[] => {
  const [own, other] = [
    { ...local, address: plain(local.address) },
    { ...remote, address: plain(remote.address) },
  ];
  const [client, server] = weConnect ? [own, other] : [other, own];
  const of = (letter: string, end: End): readonly Field[] => [
    [`fd.${letter}ip`, is(end.address)],
    [`fd.${letter}net`, is(end.address)],
    [`fd.${letter}port`, is(end.port)],
  ];
  return [
    ...of('c', client),
    ...of('s', server),
    ...of('l', own),
    ...of('r', other),
    ['fd.sip.name', domainOf(server.address)],
    ['fd.rip.name', domainOf(other.address)],
    ['fd.cip.name', domainOf(client.address)],
    ['fd.ip', is([own.address, other.address])],
    ['fd.net', is([own.address, other.address])],
    ['fd.port', is([BigInt(own.port), BigInt(other.port)])],
    ['fd.name', is(`${text(client)}->${text(server)}`)],
    ['evt.arg[addr]', is(`${text(client)}->${text(server)}`)],
  ];
};

/** A socket's descriptor. */
export const socket = (context: Context, process: Known, family: number, type: 1 | 2 | 3): number => {
  const fd = call(context, process, 'socket', [family, type, 0]);
  const letter = LETTERS[family] ?? 'o';
  const isInet = family === FAMILIES.ipv4 || family === FAMILIES.ipv6;
  const fields: Field[] = [
    ...resultFields(fd),
    ['fd.num', is(Math.max(fd, -1))],
    argument('domain', is(DOMAINS[family] ?? String(family))),
    intArgument('type', type),
    intArgument('protocol', 0),
  ];
  if (fd >= 0) {
    fields.push(...typeFields(letter), ...(isInet ? inetUntold : [['fd.sockfamily', 'untold'] as const]));
    process.fds.set(fd, {
      path: '',
      type: letter,
      socket: { protocol: !isInet ? 'other' : type === 1 ? 'tcp' : 'udp' },
    });
  }
  emit(context, 'socket', process, ...fields);
  return fd;
};

const LETTERS_OF_ENDS = ['', 'c', 's', 'l', 'r'] as const;

/** What a socket has beside a connection is left to whoever looks at it. */
export const inetUntold: readonly Field[] = [
  'fd.name',
  'fd.l4proto',
  'fd.sockfamily',
  'fd.connected',
  'fd.name_changed',
  'fd.sip.name',
  'fd.rip.name',
  'fd.cip.name',
  ...LETTERS_OF_ENDS.flatMap((letter) => [`fd.${letter}ip`, `fd.${letter}net`, `fd.${letter}port`]),
].map((name) => [name, 'untold']);

/** What a socket is whether it is connected or not. */
const kindFields = (socket: KnownSocket | undefined, connected: boolean): readonly Field[] => {
  if (socket === undefined || socket.protocol === 'other') return [];
  return [
    ['fd.l4proto', is(socket.protocol)],
    ['fd.sockfamily', is('ip')],
    ['fd.connected', is(connected)],
    ['fd.name_changed', 'unknown'],
  ];
};

export type Reaching = 'connect' | 'sendto';

/** Fields about the own end of a socket that the caller is the client of. */
const OF_OWN_END: ReadonlySet<string> = new Set(
  ['fd.name', 'evt.arg[addr]'].concat(
    ['', 'c', 'l'].flatMap((letter) => [`fd.${letter}ip`, `fd.${letter}net`, `fd.${letter}port`]),
  ),
);
const NONE: ReadonlySet<string> = new Set();
const OF_OWN_PORT: ReadonlySet<string> = new Set(['fd.lport', 'fd.cport', 'fd.port', 'fd.name', 'evt.arg[addr]']);

/** The own end of a socket that sends or connects, port 0 where the kernel chose it; undefined where nothing can be said of it. */
const ownEnd = ({ local }: KnownSocket, remote: End, result: number): End | undefined => {
  if (local !== undefined) return local;
  if (result < 0) return undefined;
  const address = plain(remote.address);
  if (address !== remote.address) return undefined;
  const six = address.includes(':');
  if (address.startsWith('127.')) return { address: '127.0.0.1', port: 0 };
  return { address: six ? OWN.ipv6 : OWN.ipv4, port: 0 };
};

/** A call that names a remote address; the own port is not known to the test. */
export const reach = (
  context: Context,
  process: Known,
  kind: Reaching,
  fd: number,
  remote: End,
  options: CallOptions = {},
): void => {
  const file = process.fds.get(fd);
  const args: readonly SimArgument[] = kind === 'connect' ? [fd, remote] : [fd, 'hello', 5, 0, remote];
  const result = call(context, process, kind, args, options);
  const local = file?.socket && ownEnd(file.socket, remote, result);
  if (file?.socket !== undefined && result >= 0 && local !== undefined) file.socket.local = local;
  const untold = local === undefined ? OF_OWN_END : local.port === 0 ? OF_OWN_PORT : NONE;
  const ends = endFields(local ?? remote, remote, true).map(
    ([name, fact]): Field => [name, untold.has(name) ? 'untold' : fact],
  );
  emit(
    context,
    kind,
    process,
    ...resultFields(result),
    ['fd.num', is(fd)],
    ...typeFields(file?.type ?? 'o'),
    intArgument('fd', fd),
    ...ends,
    ...kindFields(file?.socket, kind === 'connect' ? result >= 0 : file?.socket?.remote !== undefined),
    ...(kind === 'sendto' ? [intArgument('flags', 0)] : []),
  );
  if (kind === 'connect' && result >= 0 && file?.socket !== undefined) file.socket.remote = remote;
};

/** Binds a socket to one of the host's own addresses. */
export const bind = (context: Context, process: Known, fd: number, local: End): void => {
  const file = process.fds.get(fd);
  const result = call(context, process, 'bind', [fd, local]);
  if (result === 0 && file?.socket !== undefined) file.socket.local = local;
  emit(
    context,
    'bind',
    process,
    ...resultFields(result),
    ['fd.num', is(fd)],
    ...typeFields(file?.type ?? 'o'),
    intArgument('fd', fd),
    ...inetUntold,
  );
};

/** Closes a descriptor; what it was is not known any more. */
export const close = (context: Context, process: Known, fd: number): void => {
  const result = call(context, process, 'close', [fd]);
  process.fds.delete(fd);
  emit(
    context,
    'close',
    process,
    ...resultFields(result),
    ...unknownFile,
    ...inetUntold,
    ['fd.num', is(fd)],
    intArgument('fd', fd),
  );
};

/** A Unix socket that connects to where nobody listens. */
export const connectUnix = (context: Context, process: Known, path: string): void => {
  const fd = socket(context, process, FAMILIES.unix, 1);
  const result = call(context, process, 'connect', [fd, { path }]);
  emit(
    context,
    'connect',
    process,
    ...resultFields(result),
    ['fd.num', is(fd)],
    ...typeFields('u'),
    ['fd.sockfamily', is('unix')],
    intArgument('fd', fd),
  );
  close(context, process, fd);
};

/** A socket that listens, and the connection that came to it. */
export const emitListen = (context: Context, process: Known, port: number): void => {
  const fd = socket(context, process, FAMILIES.ipv4, 1);
  if (fd < 0) return;
  bind(context, process, fd, { address: '0.0.0.0', port });
  const listening = call(context, process, 'listen', [fd, 8]);
  const fields: Field[] = [['fd.num', is(fd)], ...typeFields('4'), intArgument('fd', fd), ...inetUntold];
  const { socket: listener } = process.fds.get(fd) ?? {};
  emit(
    context,
    'listen',
    process,
    ...resultFields(listening),
    ...fields,
    ...kindFields(listener, false),
    intArgument('backlog', 8),
  );
  context.host.network.incoming({ address: '203.0.113.77', port: 40_000 }, port);
  const made = call(context, process, 'accept', [fd, null, null], {
    recorded: { result: fd + 1, detail: { address: '203.0.113.77', port: 40_000 } },
  });
  process.fds.set(made, { path: '', type: '4', socket: { protocol: 'tcp' } });
  emit(
    context,
    'accept',
    process,
    ...resultFields(made),
    ['fd.num', is(made)],
    ...typeFields('4'),
    intArgument('fd', fd),
    ...inetUntold,
    ...kindFields(listener, true),
  );
};
