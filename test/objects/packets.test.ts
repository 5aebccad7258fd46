import { expect, it } from 'vitest';
import { index, type LoadedObject } from '../support/loaded-object.ts';
import { pack, text, unpack } from '../support/pack.ts';
import { address4, ethernet, FLAGS, ICMP, ipv4, ipv6, joined, TCP, tcp, UDP, udp } from '../support/packets.ts';
import { inEachPlace } from '../support/places.ts';

const [IP, IP6, ARP] = [0x0800, 0x86dd, 0x0806];
const [XDP_DROP, XDP_PASS] = [1, 2];
const [TC_ACT_OK, TC_ACT_SHOT] = [0, 2];

/** Bytes of zeroes. */
const data = (length: number): Uint8Array => new Uint8Array(length);

inEachPlace((load) => {
  /** Dropped and passed packets of a protocol, over all CPUs. */
  const verdicts = (object: LoadedObject, protocol: number) =>
    object
      .lookupPerCpu('protocols', index(protocol))!
      .map((value) => unpack('u64 u64', value) as bigint[])
      .reduce((sum, one) => sum.map((n, i) => n + one[i]!), [0n, 0n]);

  it('packet_filter: parses through tail calls and drops by source and port', () => {
    const object = load('packet_filter');
    object.update('blocked_sources', address4('192.0.2.66'), Uint8Array.of(1));
    // Port 23 and port 445: bits of words of 64
    object.update('blocked_ports', index(23 >> 6), pack('u64', 1n << 23n));
    object.update('blocked_ports', index(445 >> 6), pack('u64', 1n << BigInt(445 & 63)));
    const run = (packet: Uint8Array) => object.run('parse_ethernet', { packet }).result;

    expect(run(ethernet(IP, ipv4({ protocol: TCP }, tcp(443, FLAGS.syn))))).toBe(XDP_PASS);
    expect(run(ethernet(IP, ipv4({ protocol: TCP }, tcp(23, FLAGS.syn))))).toBe(XDP_DROP);
    expect(run(ethernet(IP, ipv4({ protocol: UDP }, udp(22))))).toBe(XDP_PASS);
    expect(run(ethernet(IP, ipv4({ protocol: TCP, options: 12 }, tcp(445, FLAGS.syn))))).toBe(XDP_DROP);
    expect(run(ethernet(IP, ipv4({ protocol: TCP }, tcp(445, FLAGS.syn)), 7))).toBe(XDP_DROP);
    expect(run(ethernet(IP, ipv4({ protocol: ICMP }, data(8))))).toBe(XDP_PASS);
    expect(run(ethernet(IP, ipv4({ protocol: ICMP, from: '192.0.2.66' }, data(8))))).toBe(XDP_DROP);
    expect(run(ethernet(IP6, ipv6(TCP, tcp(23, FLAGS.syn))))).toBe(XDP_DROP);
    expect(run(ethernet(IP6, ipv6(58, data(8))))).toBe(XDP_PASS);
    expect(run(ethernet(ARP, data(28)))).toBe(XDP_PASS);
    // Cut off: in the IP header, in the ports; and a header that claims to be shorter than any
    expect(run(ethernet(IP, data(12)))).toBe(XDP_DROP);
    expect(run(ethernet(IP, ipv4({ protocol: UDP }, udp(53)).subarray(0, 26)))).toBe(XDP_DROP);
    expect(run(ethernet(IP, ipv4({ protocol: UDP, options: -4 }, udp(53))))).toBe(XDP_DROP);

    expect(verdicts(object, TCP)).toEqual([4n, 1n]);
    expect(verdicts(object, UDP)).toEqual([1n, 1n]);
    expect(verdicts(object, ICMP)).toEqual([1n, 1n]);
    expect(verdicts(object, 58)).toEqual([0n, 1n]);
    object.close();
  });

  it('tc_classifier: marks by class and counts bytes', () => {
    const object = load('tc_classifier');
    const run = (packet: Uint8Array) => {
      const { result, context } = object.run('tc_classifier', { packet });
      // mark, priority, cb[0]
      return [result, ...unpack('x8 u32 x20 u32 x12 u32', context)];
    };
    const small = ethernet(IP, ipv4({ protocol: TCP }, tcp(22, FLAGS.ack, data(10))));
    const large = ethernet(IP, ipv4({ protocol: TCP }, tcp(22, FLAGS.ack, data(400))));
    const dns = ethernet(IP, ipv4({ protocol: UDP, options: 8 }, udp(53, data(30))));
    const web = ethernet(IP, ipv4({ protocol: TCP }, tcp(443, FLAGS.ack)));
    const other = ethernet(IP, ipv4({ protocol: UDP }, udp(9999)));
    expect(run(small)).toEqual([TC_ACT_OK, 0x101, 6, 22]);
    expect(run(large)).toEqual([TC_ACT_OK, 0x100, 0, 22]);
    expect(run(dns)).toEqual([TC_ACT_OK, 0x102, 0, 53]);
    expect(run(web)).toEqual([TC_ACT_OK, 0x100, 0, 443]);
    expect(run(other)).toEqual([TC_ACT_OK, 0x103, 0, 9999]);
    expect(run(ethernet(IP, ipv4({ protocol: ICMP }, data(8))))).toEqual([TC_ACT_OK, 0, 0, 0]);
    expect(run(ethernet(IP, ipv4({ protocol: UDP }, udp(53)).subarray(0, 24)))[0]).toBe(TC_ACT_SHOT);
    expect([0, 1, 2, 3].map((key) => unpack('u64', object.lookup('bytes', index(key))!)[0])).toEqual(
      [large.length + web.length, small.length, dns.length, other.length].map(BigInt),
    );
    object.close();
  });

  it('egress_bytes: packets and bytes by protocol and port', () => {
    const object = load('egress_bytes');
    const run = (packet: Uint8Array) => object.run('egress_bytes', { packet }).result;
    const flow = (protocol: number, port: number) => {
      const value = object.lookup('flows', pack('u8 x1 u16', protocol, port));
      return value && unpack('u64 u64', value);
    };
    for (let i = 0; i < 3; i++) expect(run(ethernet(IP, ipv4({ protocol: UDP }, udp(53, data(10 * i)))))).toBe(1);
    expect(run(ethernet(IP, ipv4({ protocol: TCP, options: 4 }, tcp(443, FLAGS.ack))))).toBe(1);
    expect(run(ethernet(IP, ipv4({ protocol: UDP, fragment: 185 }, udp(53))))).toBe(1);
    expect(run(ethernet(IP, ipv4({ protocol: ICMP }, data(56))))).toBe(1);
    expect(run(ethernet(IP6, ipv6(UDP, udp(53))))).toBe(1);
    expect(run(ethernet(IP, ipv4({ protocol: UDP }, udp(53)).subarray(0, 24)))).toBe(0);
    expect(run(ethernet(IP, ipv4({ protocol: UDP, options: -4 }, udp(53))))).toBe(0);
    expect(flow(UDP, 53)).toEqual([3n, BigInt(3 * 28 + 30)]);
    expect(flow(TCP, 443)).toEqual([1n, 44n]);
    expect(flow(UDP, 0)).toEqual([1n, 28n]);
    expect(flow(ICMP, 0)).toEqual([1n, 76n]);
    expect(object.keys('flows')).toHaveLength(4);
    expect(object.number('malformed')).toBe(2n);
    object.close();
  });

  it('dns_filter: queries by name, everything else is cut off', () => {
    const object = load('dns_filter');
    const label = (text: string) => pack(`u8 c${text.length}`, text.length, text);
    const name = (text: string) => joined(...text.split('.').map(label), Uint8Array.of(0));
    const query = (text: string, flags = 0x0100, questions = 1) =>
      joined(pack('be16 be16 be16 be16 be16 be16', 7, flags, questions, 0, 0, 0), name(text), pack('be16 be16', 1, 1));
    const run = (packet: Uint8Array) => object.run('dns_filter', { packet }).result;
    const ask = (text: string, flags?: number, questions?: number) =>
      run(ethernet(IP, ipv4({ protocol: UDP }, udp(53, query(text, flags, questions)))));
    expect(ask('example.org')).toBe(64);
    expect(ask('example.org')).toBe(64);
    expect(ask('a.b.c.d.e')).toBe(64);
    expect(run(ethernet(IP, ipv4({ protocol: UDP, options: 8 }, udp(53, query('with.options')))))).toBe(64);
    // An answer, no question, another port, TCP, IPv6, and a packet that ends in the header
    expect([ask('example.org', 0x8180), ask('example.org', 0x0100, 0)]).toEqual([0, 0]);
    expect(run(ethernet(IP, ipv4({ protocol: UDP }, udp(5353, query('example.org')))))).toBe(0);
    expect(run(ethernet(IP, ipv4({ protocol: TCP }, tcp(53, FLAGS.ack))))).toBe(0);
    expect(run(ethernet(IP6, ipv6(UDP, udp(53, query('example.org')))))).toBe(0);
    expect(run(ethernet(IP, ipv4({ protocol: UDP }, udp(53, query('example.org').subarray(0, 11)))))).toBe(0);
    const counts = object.keys('queries').map((key) => [text(key), unpack('u32', object.lookup('queries', key)!)[0]]);
    expect(counts.sort()).toEqual([
      ['.a.b.c.d.e', 1],
      ['.example.org', 2],
      ['.with.options', 1],
    ]);
    object.close();
  });

  it('flow_table: a connection goes through its states, strays are counted', () => {
    const object = load('flow_table');
    const run = (flags: number, from: number, length = 0) =>
      object.run('flow_table', { packet: ethernet(IP, ipv4({ protocol: TCP }, tcp(80, flags, data(length), from))) })
        .result;
    const flow = (from: number) => {
      const value = object.lookup(
        'flows',
        pack('c4 c4 be16 be16', address4('10.0.0.1'), address4('10.0.0.2'), from, 80),
      );
      return value && unpack('u32 u32 u64', value);
    };
    const [OPENING, OPEN, CLOSING] = [1, 2, 3];
    expect(run(FLAGS.syn, 1000)).toBe(1);
    expect(flow(1000)).toEqual([OPENING, 1, 40n]);
    run(FLAGS.ack, 1000);
    expect(flow(1000)).toEqual([OPEN, 2, 80n]);
    run(FLAGS.ack, 1000, 100);
    expect(flow(1000)).toEqual([OPEN, 3, 220n]);
    run(FLAGS.fin | FLAGS.ack, 1000);
    expect(flow(1000)).toEqual([CLOSING, 4, 260n]);
    run(FLAGS.syn, 2000);
    run(FLAGS.rst, 2000);
    expect(flow(2000)).toBeUndefined();
    run(FLAGS.ack, 3000);
    run(FLAGS.syn | FLAGS.ack, 3001);
    run(FLAGS.rst, 3002);
    expect(object.number('strays')).toBe(3n);
    expect(object.keys('flows')).toHaveLength(1);
    object.close();
  });
});
