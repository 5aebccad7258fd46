import { describe, expect, test } from 'vitest';
import { decodeClassic, parseClassic, translateClassic } from '../../../../engine/isa/index.ts';
import { MACHINE_NAMES, runOn } from '../../../conformance/machines.ts';
import { interpretClassic } from './interpret.ts';

/** What `tcpdump -ddd` prints for Ethernet. */
const FILTERS = {
  icmp: '6\n40 0 0 12\n21 0 3 2048\n48 0 0 23\n21 0 1 1\n6 0 0 262144\n6 0 0 0\n',
  arp: '4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n',
  'greater 100': '4\n128 0 0 0\n53 0 1 100\n6 0 0 262144\n6 0 0 0\n',
  'tcp port 80': `20
40 0 0 12
21 0 6 34525
48 0 0 20
21 0 15 6
40 0 0 54
21 12 0 80
40 0 0 56
21 10 11 80
21 0 10 2048
48 0 0 23
21 0 8 6
40 0 0 20
69 6 0 8191
177 0 0 14
72 0 0 14
21 2 0 80
72 0 0 16
21 0 1 80
6 0 0 262144
6 0 0 0
`,
  'tcp[tcpflags] & tcp-syn != 0': `11
40 0 0 12
21 0 8 2048
48 0 0 23
21 0 6 6
40 0 0 20
69 4 0 8191
177 0 0 14
80 0 0 27
69 0 1 2
6 0 0 262144
6 0 0 0
`,
} as const;

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const MACS = '020000000002 020000000001';

/** An IPv4 packet in an Ethernet frame: header words by RFC 791, checksums left 0. */
const ipv4 = (protocol: number, payload: string, { options = '', fragment = '0000' } = {}): Uint8Array => {
  const ihl = 5 + options.replaceAll(' ', '').length / 8;
  const header = `4${ihl}000054 0001${fragment} 40${protocol.toString(16).padStart(2, '0')}0000 0a000001 0a000002 ${options}`;
  return bytes(`${MACS} 0800 ${header} ${payload}`);
};
const tcp = (source: number, target: number, flags: string): string =>
  `${source.toString(16).padStart(4, '0')} ${target.toString(16).padStart(4, '0')} 00000001 00000000 50${flags} 0400 0000 0000`;

const PACKETS = {
  ping: ipv4(1, `0800 0000 0001 0001 ${'00'.repeat(48)}`),
  'arp request': bytes(
    `ffffffffffff 020000000001 0806 0001 0800 0604 0001 020000000001 0a000001 000000000000 0a000002`,
  ),
  'web request, SYN': ipv4(6, tcp(40_000, 80, '02')),
  'web reply, SYN ACK': ipv4(6, tcp(80, 40_000, '12')),
  'web request behind IP options': ipv4(6, tcp(40_000, 80, '10'), { options: '01010101 01010100' }),
  'another port': ipv4(6, tcp(40_000, 443, '02')),
  'a later fragment': ipv4(6, tcp(40_000, 80, '02'), { fragment: '0010' }),
  'DNS over UDP': ipv4(17, '9c40 0035 0008 0000'),
  'web request over IPv6': bytes(
    `${MACS} 86dd 60000000 0014 06 40 ${'00'.repeat(15)}01 ${'00'.repeat(15)}02 ${tcp(40_000, 80, '02')}`,
  ),
  'cut within the TCP header': ipv4(6, '9c40'),
  'cut within the Ethernet header': bytes('0200000000'),
  'a long one': bytes(`${MACS} 88b5 ${'ab'.repeat(90)}`),
} as const;

/** What each filter means, by hand. */
const MATCHES: Readonly<Record<keyof typeof FILTERS, readonly (keyof typeof PACKETS)[]>> = {
  icmp: ['ping'],
  arp: ['arp request'],
  'greater 100': ['a long one'],
  'tcp port 80': ['web request, SYN', 'web reply, SYN ACK', 'web request behind IP options', 'web request over IPv6'],
  'tcp[tcpflags] & tcp-syn != 0': ['web request, SYN', 'web reply, SYN ACK', 'another port'],
};

describe.each(Object.keys(FILTERS) as (keyof typeof FILTERS)[])('%s', (name) => {
  const program = parseClassic(FILTERS[name]);
  test.each(Object.entries(PACKETS))('%s', (packet, data) => {
    const expected = (MATCHES[name] as readonly string[]).includes(packet) ? 262_144 : 0;
    expect(interpretClassic(program, data, 'socket')).toBe(expected);
    for (const machine of MACHINE_NAMES) {
      expect(runOn(machine, translateClassic(program, 'socket'), data).r0).toBe(BigInt(expected));
    }
  });
});

describe('a seccomp filter', () => {
  // SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS and SECCOMP_RET_ERRNO | EPERM of include/uapi/linux/seccomp.h.
  const [ALLOW, KILL, EPERM] = [0x7fff0000, 0x80000000, 0x00050001];
  const AUDIT_ARCH_X86_64 = 0xc000003e;
  /** Other ABIs are killed; ptrace (101) fails; personality (135) may be asked with 0xffffffff only. As raw struct sock_filter. */
  const program = decodeClassic(
    bytes(
      `
      2000 00 00 04000000  1500 01 00 3e0000c0  0600 00 00 00000080
      2000 00 00 00000000  1500 00 01 65000000  0600 00 00 01000500
      1500 00 04 87000000  2000 00 00 10000000  1500 02 00 ffffffff
      0600 00 00 01000500  0600 00 00 00000080  0600 00 00 0000ff7f`.replaceAll(/\s/g, ''),
    ),
  );

  const data = (number: number, arch: number, argument = 0n): Uint8Array => {
    const view = new DataView(new ArrayBuffer(64));
    view.setUint32(0, number, true);
    view.setUint32(4, arch, true);
    view.setBigUint64(16, argument, true);
    return new Uint8Array(view.buffer);
  };

  test.each([
    ['read', data(0, AUDIT_ARCH_X86_64), ALLOW],
    ['ptrace', data(101, AUDIT_ARCH_X86_64), EPERM],
    ['ptrace of another ABI', data(101, 0x40000003), KILL],
    ['personality, asked', data(135, AUDIT_ARCH_X86_64, 0xffff_ffffn), ALLOW],
    ['personality, set', data(135, AUDIT_ARCH_X86_64, 8n), EPERM],
  ])('%s', (_, memory, expected) => {
    expect(interpretClassic(program, memory, 'seccomp')).toBe(expected);
    for (const machine of MACHINE_NAMES) {
      expect(runOn(machine, translateClassic(program, 'seccomp'), memory).r0).toBe(BigInt(expected));
    }
  });
});
