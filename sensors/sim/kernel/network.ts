import { EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, ETIMEDOUT } from '../../../engine/maps/index.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../uapi.ts';
import { hostKey, type InetAddress, isAny, isLoopback } from './addresses.ts';
import { answerQuery, type DomainNames } from './domain-names.ts';
import { encodeText } from './kernel-object.ts';
import { Pipe } from './pipes.ts';
import type { Socket } from './sockets.ts';

/** The host's own addresses beside loopback. */
const OWN_ADDRESSES = ['10.0.2.15', 'fd00::15'];
/** net.ipv4.ip_local_port_range */
const EPHEMERAL = { first: 32_768, last: 60_999 };

/** Where resolvers are asked (RFC 1035, section 4.2.1). */
const DNS_PORT = 53;

/** Bytes one connection can hold. */
const BUFFER_BYTES = 212_992;

/** The network as the host sees it: its own sockets' addresses, and the remote hosts there are. */
export class Network {
  readonly #remotes = new Map<string, Map<number, Uint8Array>>();
  readonly #names: DomainNames = new Map();
  /** Bound sockets by protocol and port. */
  readonly #bound = new Map<string, Set<Socket>>();
  /** Unix sockets with abstract names. */
  readonly abstract = new Map<string, Socket>();
  #nextPort = EPHEMERAL.first;

  declareRemote(address: string, port: number, reply: string | Uint8Array): void {
    const key = hostKey(address);
    const ports = this.#remotes.get(key) ?? new Map<number, Uint8Array>();
    ports.set(port, typeof reply === 'string' ? encodeText(reply) : reply);
    this.#remotes.set(key, ports);
  }

  /** A domain name stands for an address beside those it stands for already; resolvers say so. */
  declareName(name: string, address: string): void {
    const key = name.toLowerCase().replace(/\.$/, '');
    const addresses = this.#names.get(key) ?? [];
    if (!addresses.includes(address)) addresses.push(address);
    this.#names.set(key, addresses);
  }

  reachable(address: string, port: number): boolean {
    return this.isLocal(address)
      ? this.#listener(address, port) !== undefined
      : (this.#remotes.get(hostKey(address))?.has(port) ?? false);
  }

  isLocal(address: string): boolean {
    return isAny(address) || isLoopback(address) || OWN_ADDRESSES.some((own) => hostKey(own) === hostKey(address));
  }

  /** Binds a socket; port 0 takes a free one. 0 or a negative errno. */
  bind(socket: Socket, address: InetAddress): number {
    if (!this.isLocal(address.address)) return -EADDRNOTAVAIL;
    const port = address.port === 0 ? this.#freePort(socket.protocol) : address.port;
    const key = `${socket.protocol} ${port}`;
    const others = this.#bound.get(key) ?? new Set<Socket>();
    for (const other of others) if (overlap(other.local, address)) return -EADDRINUSE;
    others.add(socket);
    this.#bound.set(key, others);
    socket.local = { address: address.address, port };
    const before = socket.onClose;
    socket.onClose = () => {
      before?.();
      others.delete(socket);
      if (others.size === 0) this.#bound.delete(key);
    };
    return 0;
  }

  /** Gives an unbound socket the address it sends from. */
  bindForSending(socket: Socket, to: string): void {
    if (socket.local) return;
    const v6 = to.includes(':');
    const own = isLoopback(to) || isAny(to) ? (v6 ? '::1' : '127.0.0.1') : (OWN_ADDRESSES[v6 ? 1 : 0] ?? to);
    this.bind(socket, { address: own, port: 0 });
  }

  /** Connects a stream socket; 0 or a negative errno. */
  connect(socket: Socket, to: InetAddress): number {
    const destination = isAny(to.address)
      ? { address: to.address.includes(':') ? '::1' : '127.0.0.1', port: to.port }
      : to;
    if (this.isLocal(destination.address)) return this.#connectLocally(socket, destination);
    const ports = this.#remotes.get(hostKey(destination.address));
    if (!ports) return -ETIMEDOUT;
    const reply = ports.get(destination.port);
    if (!reply) return -ECONNREFUSED;
    this.establish(socket, destination);
    socket.outgoing = toRemote();
    socket.incoming.writers = 1;
    socket.incoming.write(reply);
    return 0;
  }

  /** Makes a socket connected to an address, with nothing behind it. */
  establish(socket: Socket, to: InetAddress): void {
    this.bindForSending(socket, to.address);
    socket.peer = to;
    socket.connected = true;
  }

  /** A connection from outside for a listening socket; false where there is none on the port. */
  incoming(from: InetAddress, port: number, data: string | Uint8Array): boolean {
    const listener = this.#listener(OWN_ADDRESSES[from.address.includes(':') ? 1 : 0] ?? '', port);
    if (!listener?.queue) return false;
    const incoming = new Pipe(BUFFER_BYTES);
    incoming.readers = 1;
    incoming.writers = 1;
    incoming.write(typeof data === 'string' ? encodeText(data) : data);
    listener.queue.push({ peer: from, socket: undefined, incoming, outgoing: toRemote() });
    return true;
  }

  /** Brings a datagram to whoever has its address: a socket of this host, or a resolver anywhere on port 53. 0 or why it comes back (ICMP). */
  deliver(from: Socket, to: InetAddress, bytes: Uint8Array): number {
    this.bindForSending(from, to.address);
    if (this.isLocal(to.address)) {
      const receiver = this.#receiver(to, from.protocol);
      const wrong = receiver?.connected === true && !overlap(receiver.peer, from.local ?? to);
      if (!receiver || wrong) return ECONNREFUSED;
      receiver.datagrams.push({ bytes: bytes.slice(), from: from.local });
      return 0;
    }
    const answer = to.port === DNS_PORT && from.protocol === IPPROTO_UDP ? answerQuery(bytes, this.#names) : undefined;
    if (answer) from.datagrams.push({ bytes: answer, from: to });
    return 0;
  }

  #receiver(to: InetAddress, protocol: number): Socket | undefined {
    for (const socket of this.#bound.get(`${protocol} ${to.port}`) ?? []) if (overlap(socket.local, to)) return socket;
    return undefined;
  }

  #connectLocally(socket: Socket, to: InetAddress): number {
    const listener = this.#listener(to.address, to.port);
    if (!listener?.queue) return -ECONNREFUSED;
    if (listener.queue.length > listener.backlog) return -ETIMEDOUT;
    this.establish(socket, to);
    const outgoing = new Pipe(BUFFER_BYTES);
    socket.outgoing = outgoing;
    outgoing.readers = 1;
    outgoing.writers = 1;
    socket.incoming.writers = 1;
    listener.queue.push({ peer: socket.local, socket, incoming: outgoing, outgoing: socket.incoming });
    return 0;
  }

  #listener(address: string, port: number): Socket | undefined {
    for (const socket of this.#bound.get(`${IPPROTO_TCP} ${port}`) ?? [])
      if (socket.queue && overlap(socket.local, { address, port })) return socket;
    return undefined;
  }

  #freePort(protocol: number): number {
    for (;;) {
      const port = this.#nextPort;
      this.#nextPort = port === EPHEMERAL.last ? EPHEMERAL.first : port + 1;
      if (!this.#bound.has(`${protocol} ${port}`)) return port;
    }
  }
}

/** Takes whatever is sent to it. */
const toRemote = (): Pipe => {
  const pipe = new Pipe(Number.MAX_SAFE_INTEGER);
  pipe.readers = 1;
  return pipe;
};

/** One of two addresses with the same port takes what is sent to the other. */
const overlap = (bound: InetAddress | undefined, address: InetAddress): boolean =>
  bound !== undefined &&
  (isAny(bound.address) || isAny(address.address) || hostKey(bound.address) === hostKey(address.address));
