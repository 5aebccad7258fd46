import type { Memory } from '../../../engine/vm/index.ts';
import { AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../uapi.ts';
import { type InetAddress, ipv4Bytes, ipv6Bytes } from './addresses.ts';
import { KernelObject } from './kernel-object.ts';
import { Pipe } from './pipes.ts';
import { BPF_SOCK, SOCK, SOCKET } from './structs.ts';

/** enum socket_state (include/uapi/linux/net.h). */
const SS_UNCONNECTED = 1;
const SS_CONNECTED = 3;

/** TCP states, which other protocols use too (include/net/tcp_states.h). */
const TCP_ESTABLISHED = 1;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;

/** The bytes of one direction, up to the usual default of net.core.wmem_default. */
const BUFFER_BYTES = 212_992;

/** A connection that waits to be accepted. */
export interface Incoming {
  readonly peer: InetAddress | undefined;
  /** The socket on this host that connected; undefined where the other end is remote. */
  readonly socket: Socket | undefined;
  readonly incoming: Pipe;
  readonly outgoing: Pipe;
}

/** A message with its bounds, and who sent it; undefined for a socket without a name. */
export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: InetAddress | { readonly path: string } | undefined;
}

/** A socket (struct socket with its struct sock). */
export class Socket extends KernelObject {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  /** Bytes that arrived. */
  incoming = new Pipe(BUFFER_BYTES);
  /** Where written bytes go; undefined while it has no peer. Those to remote hosts go nowhere. */
  outgoing: Pipe | undefined;
  /** Connections to accept, of a listening socket. */
  queue: Incoming[] | undefined;
  backlog = 0;
  /** A stream's peer is gone and has said so: the next write fails. */
  wasReset = false;
  /** What a connect that did not wait came to, until it is asked for. */
  pending: number | undefined;
  /** Of a Unix socket: the path or `@name` it is bound to. */
  unixPath: string | undefined;
  /** The same of who it is connected to. */
  peerPath: string | undefined;
  /** Messages that arrived, where they keep their bounds. */
  readonly datagrams: Datagram[] = [];
  /** Of a connected Unix datagram socket: who gets what is sent. */
  target: Socket | undefined;
  /** Why the last message did not arrive, positive, until somebody is told. */
  error = 0;
  /** shutdown(2) ended one direction. */
  noMoreReading = false;
  noMoreWriting = false;
  closed = false;
  /** Values that setsockopt gave, by level and option. */
  readonly options = new Map<string, number>();
  /** Runs when the last descriptor is closed. */
  onClose: (() => void) | undefined;
  readonly #sock: Sock;
  #local: InetAddress | undefined;
  #peer: InetAddress | undefined;
  #connected = false;

  constructor(memory: Memory, family: number, type: number, protocol: number) {
    super(memory, SOCKET.size);
    this.incoming.readers = 1;
    this.family = family;
    this.type = type;
    this.protocol = protocol !== 0 || family === AF_UNIX ? protocol : type === SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    this.#sock = new Sock(memory, family, type, this.protocol);
    this.setU16(SOCKET.type, type);
    this.setU32(SOCKET.state, SS_UNCONNECTED);
    this.setPointer(SOCKET.sk, this.#sock.at);
    this.#sock.state = TCP_CLOSE;
  }

  /** Offset in memory of the struct file it belongs to. */
  set file(at: number) {
    this.setPointer(SOCKET.file, at);
  }

  get local(): InetAddress | undefined {
    return this.#local;
  }

  set local(address: InetAddress | undefined) {
    this.#local = address;
    this.#sock.setLocal(address);
  }

  get peer(): InetAddress | undefined {
    return this.#peer;
  }

  set peer(address: InetAddress | undefined) {
    this.#peer = address;
    this.#sock.setPeer(address);
  }

  get connected(): boolean {
    return this.#connected;
  }

  set connected(connected: boolean) {
    this.#connected = connected;
    this.setU32(SOCKET.state, connected ? SS_CONNECTED : SS_UNCONNECTED);
    this.#sock.state = connected ? TCP_ESTABLISHED : TCP_CLOSE;
  }

  /** Offset in memory of what programs for cgroups see of it (struct bpf_sock), written anew. */
  describe(): number {
    return this.#sock.describe();
  }

  listen(backlog: number): void {
    this.queue ??= [];
    this.backlog = backlog;
    this.#sock.state = TCP_LISTEN;
  }

  /** Messages keep their bounds. */
  get isDatagram(): boolean {
    return this.type === SOCK_DGRAM || this.type === SOCK_RAW;
  }

  close(): void {
    this.closed = true;
    this.onClose?.();
    this.incoming.readers = 0;
    if (this.outgoing) this.outgoing.writers = 0;
    this.#sock.release();
    this.free();
  }
}

/** The protocol's half of a socket (struct sock). */
class Sock extends KernelObject {
  readonly #family: number;
  #view: number | undefined;

  constructor(memory: Memory, family: number, type: number, protocol: number) {
    super(memory, SOCK.size);
    this.#family = family;
    this.setU16(SOCK.family, family);
    this.setU16(SOCK.type, type);
    this.setU16(SOCK.protocol, protocol);
  }

  set state(state: number) {
    this.memory.bytes[this.at + SOCK.state] = state;
  }

  setLocal(address: InetAddress | undefined): void {
    this.setU16(SOCK.localPort, address?.port ?? 0);
    this.#setAddress(SOCK.localAddress, SOCK.localAddress6, address);
  }

  setPeer(address: InetAddress | undefined): void {
    const port = address?.port ?? 0;
    this.setU16(SOCK.peerPort, ((port & 0xff) << 8) | (port >> 8));
    this.#setAddress(SOCK.peerAddress, SOCK.peerAddress6, address);
  }

  describe(): number {
    const { memory } = this;
    const { bytes } = memory;
    this.#view ??= memory.allocate(BPF_SOCK.size);
    const at = this.#view;
    const set = (member: number, value: number): void => memory.view.setUint32(at + member, value, true);
    const copy = (member: number, from: number, length: number): void =>
      void bytes.copyWithin(at + member, this.at + from, this.at + from + length);
    set(BPF_SOCK.family, this.#family);
    set(BPF_SOCK.type, this.u16(SOCK.type));
    set(BPF_SOCK.protocol, this.u16(SOCK.protocol));
    set(BPF_SOCK.state, bytes[this.at + SOCK.state] ?? 0);
    set(BPF_SOCK.sourcePort, this.u16(SOCK.localPort));
    copy(BPF_SOCK.peerPort, SOCK.peerPort, 2);
    copy(BPF_SOCK.sourceAddress, SOCK.localAddress, 4);
    copy(BPF_SOCK.peerAddress, SOCK.peerAddress, 4);
    copy(BPF_SOCK.sourceAddress6, SOCK.localAddress6, 16);
    copy(BPF_SOCK.peerAddress6, SOCK.peerAddress6, 16);
    return at;
  }

  release(): void {
    if (this.#view !== undefined) this.memory.free(this.#view, BPF_SOCK.size);
    this.free();
  }

  #setAddress(at4: number, at6: number, address: InetAddress | undefined): void {
    const { bytes } = this.memory;
    if (this.#family === AF_INET) bytes.set(ipv4Bytes(address?.address ?? '0.0.0.0'), this.at + at4);
    if (this.#family === AF_INET6) bytes.set(ipv6Bytes(address?.address ?? '::'), this.at + at6);
  }
}
