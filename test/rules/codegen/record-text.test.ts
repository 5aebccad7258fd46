import { expect, it } from 'vitest';
import { textAt } from '../../../rules/codegen/record-text.ts';

const TEXTS = [
  '',
  'bash',
  '0123456789',
  '01234567890',
  'größe',
  '/tmp/größe-und-mehr',
  `/${'ü'.repeat(600)}`,
  'x'.repeat(1024),
];

it.each([
  ['own memory', new ArrayBuffer(4096)],
  ['memory that others share', new SharedArrayBuffer(4096)],
])('reads texts of all lengths out of %s, one after the other', (_name, memory) => {
  const bytes = new Uint8Array(memory);
  for (const text of [...TEXTS, ...TEXTS.toReversed()]) {
    const encoded = new TextEncoder().encode(text);
    bytes.fill(0xff).set(encoded, 3);
    expect(textAt(bytes, 3, 3 + encoded.length)).toBe(text);
  }
});

it('has U+FFFD in the place of bytes that are no UTF-8', () => {
  expect(textAt(Uint8Array.of(0x61, 0xff, 0x62), 0, 3)).toBe('a\ufffdb');
  expect(textAt(Uint8Array.of(...Array.from({ length: 20 }, () => 0x61), 0xc3), 0, 21)).toBe(`${'a'.repeat(20)}\ufffd`);
});
