import { isIPv6 } from 'node:net';
import { addressText, parseAddress } from '../../../rules/index.ts';
import type { SimAddress } from '../sim-host.ts';
import { AF_INET, AF_INET6, AF_UNIX } from '../uapi.ts';
import { decodeText, encodeText } from './kernel-object.ts';

/** An IPv4 or IPv6 address in its text form, and a port. */
export interface InetAddress {
  readonly address: string;
  readonly port: number;
}

/** An address as a socket call got it. */
export interface SocketAddress {
  readonly family: number;
  readonly inet: InetAddress | undefined;
  /** Of AF_UNIX; `@name` is an abstract one, empty an unnamed one. */
  readonly path: string | undefined;
}

/** An address as bytes, and as a stable key. */
interface Host {
  readonly bytes: Uint8Array;
  readonly key: string;
}

/** Addresses that were asked for before; recordings name few of them again and again. */
const hosts = new Map<string, Host>();
/** Addresses that are remembered before all are forgotten. */
const MOST_HOSTS = 4096;

const hostOf = (address: string): Host => {
  const before = hosts.get(address);
  if (before !== undefined) return before;
  const bytes = parseHost(address);
  const host = { bytes, key: addressText(bytes) };
  if (hosts.size >= MOST_HOSTS) hosts.clear();
  hosts.set(address, host);
  return host;
};

/** The 16 bytes of an IPv6 address, or of an IPv4 one as IPv4-mapped; they must not change. @throws Error for what is neither */
export const ipv6Bytes = (address: string): Uint8Array => hostOf(address).bytes;

const parseHost = (address: string): Uint8Array => {
  const parsed = parseAddress(address);
  if (!parsed) throw new Error(`"${address}" is neither an IPv4 nor an IPv6 address`);
  if (parsed.length === 16) return parsed;
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff], 10);
  bytes.set(parsed, 12);
  return bytes;
};

/** The four bytes of an IPv4 address; the last four of an IPv6 one. */
export const ipv4Bytes = (address: string): Uint8Array => ipv6Bytes(address).subarray(12);

/** A stable key of a host for maps. */
export const hostKey = (address: string): string => hostOf(address).key;

/** 0.0.0.0 or ::. */
export const isAny = (address: string): boolean => {
  const key = hostKey(address);
  return key === '::' || key === '::ffff:0.0.0.0';
};

/** 127.0.0.0/8 or ::1. */
export const isLoopback = (address: string): boolean => {
  const key = hostKey(address);
  return key === '::1' || key.startsWith('::ffff:127.');
};

const encodedBefore = new WeakMap<SimAddress, Uint8Array>();

/** The sockaddr that stands for an address, as include/uapi/linux/in.h, in6.h and un.h lay it out; it must not change. */
export const encodeSockaddr = (address: SimAddress): Uint8Array => {
  const bytes = encodedBefore.get(address) ?? layOutSockaddr(address);
  encodedBefore.set(address, bytes);
  return bytes;
};

const layOutSockaddr = (address: SimAddress): Uint8Array => {
  if ('path' in address) {
    const name = encodeText(address.path);
    const bytes = new Uint8Array(2 + name.length + (address.path.startsWith('@') ? 0 : 1));
    bytes[0] = AF_UNIX;
    bytes.set(name, 2);
    if (address.path.startsWith('@')) bytes[2] = 0;
    return bytes;
  }
  const v6 = isIPv6(address.address);
  const bytes = new Uint8Array(v6 ? 28 : 16);
  bytes[0] = v6 ? AF_INET6 : AF_INET;
  bytes[2] = address.port >> 8;
  bytes[3] = address.port & 0xff;
  if (v6) bytes.set(ipv6Bytes(address.address), 8);
  else bytes.set(ipv4Bytes(address.address), 4);
  return bytes;
};

/** Reads a sockaddr; undefined where it is too short for its family (the call returns -EINVAL). */
export const decodeSockaddr = (bytes: Uint8Array): SocketAddress | undefined => {
  if (bytes.length < 2) return undefined;
  const family = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
  const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  if (family === AF_INET)
    return bytes.length < 16
      ? undefined
      : { family, inet: { address: addressText(bytes.subarray(4, 8)), port }, path: undefined };
  if (family === AF_INET6)
    return bytes.length < 24
      ? undefined
      : { family, inet: { address: addressText(bytes.subarray(8, 24)), port }, path: undefined };
  if (family !== AF_UNIX) return { family, inet: undefined, path: undefined };
  if (bytes.length === 2) return { family, inet: undefined, path: '' };
  if (bytes[2] === 0) return { family, inet: undefined, path: `@${decodeText(bytes.subarray(3))}` };
  const end = bytes.indexOf(0, 2);
  return { family, inet: undefined, path: decodeText(bytes.subarray(2, end < 0 ? undefined : end)) };
};
