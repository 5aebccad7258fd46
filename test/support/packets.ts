import { pack } from './pack.ts';

export const [TCP, UDP, ICMP] = [6, 17, 1];
export const FLAGS = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

export const joined = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(parts.flatMap((part) => [...part]));

/** An IPv4 address as the four bytes that lie in a packet, `10.0.0.1`. */
export const address4 = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));

/** An Ethernet frame. */
export const ethernet = (protocol: number, payload: Uint8Array, vlan?: number): Uint8Array =>
  vlan === undefined
    ? joined(pack('x12 be16', protocol), payload)
    : joined(pack('x12 be16 be16 be16', 0x8100, vlan, protocol), payload);

export interface Ipv4 {
  readonly from?: string;
  readonly to?: string;
  readonly protocol: number;
  /** Bytes of options, a multiple of 4; below 0 the header claims to be shorter than it is. */
  readonly options?: number;
  /** Place in units of 8 bytes of a fragment. */
  readonly fragment?: number;
}

/** An IPv4 packet; checksums are 0. */
export function ipv4(
  { from = '10.0.0.1', to = '10.0.0.2', protocol, options = 0, fragment = 0 }: Ipv4,
  payload: Uint8Array,
) {
  const header = pack(
    'u8 u8 be16 be16 be16 u8 u8 be16 c4 c4',
    0x45 + options / 4,
    0,
    20 + options + payload.length,
    1,
    fragment,
    64,
    protocol,
    0,
    address4(from),
    address4(to),
  );
  return joined(header, new Uint8Array(Math.max(0, options)), payload);
}

/** An IPv6 packet. */
export const ipv6 = (protocol: number, payload: Uint8Array): Uint8Array =>
  joined(pack('be32 be16 u8 u8 x32', 0x6000_0000, payload.length, protocol, 64), payload);

export const udp = (port: number, data: Uint8Array = new Uint8Array(0), from = 40_000): Uint8Array =>
  joined(pack('be16 be16 be16 be16', from, port, 8 + data.length, 0), data);

export const tcp = (port: number, flags: number, data: Uint8Array = new Uint8Array(0), from = 40_000): Uint8Array =>
  joined(pack('be16 be16 be32 be32 u8 u8 be16 be16 be16', from, port, 1, 0, 0x50, flags, 1024, 0, 0), data);
