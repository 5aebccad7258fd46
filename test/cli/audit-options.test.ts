import { expect, it } from 'vitest';
import { byteCount, duration } from '../../cli/arguments.ts';
import { keptOf } from '../../cli/audit-folder.ts';

it.each([
  ['4096', 4096],
  ['512k', 524_288],
  ['64M', 67_108_864],
  ['1g', 1_073_741_824],
])('%s is so many bytes', (text, bytes) => {
  expect(byteCount(0)(text)).toBe(bytes);
});

it.each(['', '1.5g', '-1', '1gb', '99999999t', '1k'])('"%s" is no number of bytes, or too small', (text) => {
  expect(() => byteCount(65_536)(text)).toThrow(
    'Expected a number of bytes from 65536 on, for example 512k, 64m or 1g.',
  );
});

it.each([
  ['90m', 5_400_000],
  ['12h', 43_200_000],
  ['30d', 2_592_000_000],
])('%s is so many milliseconds', (text, milliseconds) => {
  expect(duration(text)).toBe(milliseconds);
});

it.each(['', '30', '0d', '1w', '1.5h', '-1d', '99999999999999d'])('"%s" is no time', (text) => {
  expect(() => duration(text)).toThrow('Expected a time of a minute or more, for example 90m, 12h or 30d.');
});

it('what is not given is left to the log; what no server has is kept four times as long', () => {
  expect(keptOf({})).toEqual({});
  expect(keptOf({ auditKeepBytes: 1, auditKeepAge: 2, auditReserve: 0 })).toEqual({
    keepBytes: 1,
    keepMs: 2,
    keepUnacknowledgedMs: 8,
    reserveBytes: 0,
  });
});
