import { expect, it } from 'vitest';
import { crc32c } from '../../../alerts/audit/crc32c.ts';

const fromHex = (text: string): Uint8Array => Uint8Array.from(text.trim().split(/\s+/), (byte) => Number(`0x${byte}`));

// RFC 3720, appendix B.4. The RFC prints the CRC's bytes in the order they are sent, lowest first.
it.each([
  ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes counting up from 0', Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
  ['32 bytes counting down to 0', Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
  [
    'an iSCSI read command',
    fromHex(`01 c0 00 00 00 00 00 00 00 00 00 00 00 00 00 00 14 00 00 00 00 00 04 00
             00 00 00 14 00 00 00 18 28 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00`),
    0xd9963a56,
  ],
])('gives what RFC 3720 says for %s', (_, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});
