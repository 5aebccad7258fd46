import { expect, it } from 'vitest';
import { isoNow, isoTime } from '../../alerts/index.ts';

it('writes all nine digits', () => {
  expect(isoTime(0n)).toBe('1970-01-01T00:00:00.000000000Z');
  expect(isoTime(1_700_000_000_000_000_042n)).toBe('2023-11-14T22:13:20.000000042Z');
  expect(isoTime(-1n)).toBe('1969-12-31T23:59:59.999999999Z');
});

it('tells the time', () => {
  expect(Math.abs(Date.parse(isoNow()) - Date.now())).toBeLessThan(1000);
});
