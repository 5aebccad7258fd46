import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inNetwork, parseAddress, parseNetwork } from '../../../rules/index.ts';
import { count, seed } from '../../support/counts.ts';

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex');

describe('addresses', () => {
  it.each([
    ['0.0.0.0', '00000000'],
    ['255.1.20.3', 'ff011403'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
    ['::ffff:192.0.2.33', 'c0000221'],
    ['::FFFF:c000:221', 'c0000221'],
  ])('%s', (text, bytes) => expect(hex(parseAddress(text))).toBe(bytes));

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    'g::',
    '1:2:3:4:5:6:7:8:9',
    '1.2.3.4::',
    '::1.2.3',
    'host',
  ])('refuses "%s"', (text) => expect(parseAddress(text)).toBeUndefined());

  it('takes the texts that the platform takes', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom('0', '1', 'a', 'f', ':', '.', '::'), maxLength: 20 }),
    );
    fc.assert(
      fc.property(text, (address) => {
        expect(parseAddress(address) !== undefined).toBe(isIP(address) !== 0);
      }),
      { numRuns: count(100_000), seed: seed('addresses') },
    );
  });
});

describe('networks', () => {
  it.each([
    ['10.1.2.3/8', '0a000000', 8],
    ['10.1.2.3', '0a010203', 32],
    ['0.0.0.0/0', '00000000', 0],
    ['192.168.7.255/20', 'c0a80000', 20],
    ['fd12::1/7', 'fc000000000000000000000000000000', 7],
    ['::ffff:10.1.2.3/104', '0a000000', 8],
  ])('%s', (text, bytes, prefix) => {
    const network = parseNetwork(text);
    expect([hex(network?.bytes), network?.prefix]).toEqual([bytes, prefix]);
  });

  it.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/8', '::/129', '/8', '::ffff:1.2.3.4/95'])(
    'refuses %s',
    (text) => expect(parseNetwork(text)).toBeUndefined(),
  );

  it.each([
    ['10.255.0.1', '10.0.0.0/8', true],
    ['11.0.0.1', '10.0.0.0/8', false],
    ['192.168.15.1', '192.168.0.0/20', true],
    ['192.168.16.1', '192.168.0.0/20', false],
    ['1.2.3.4', '0.0.0.0/0', true],
    ['::1', '0.0.0.0/0', false],
    ['::ffff:10.1.1.1', '10.0.0.0/8', true],
    ['fdff::1', 'fc00::/7', true],
    ['fe00::1', 'fc00::/7', false],
  ])('%s in %s: %s', (address, network, expected) => {
    const parsed = parseNetwork(network);
    const bytes = parseAddress(address);
    if (parsed === undefined || bytes === undefined) throw new Error('the case is wrong');
    expect(inNetwork(bytes, parsed)).toBe(expected);
  });
});
