import { expect, it } from 'vitest';
import { parseAlert } from '../../alerts/index.ts';
import { anAlert } from '../support/alert.ts';

it('takes an alert as it is', () => {
  const alert = anAlert(3, { verdict: 'deny', enforced: false, container: { id: '0123456789ab' } });
  expect(parseAlert(JSON.stringify(alert))).toEqual({ alert });
  expect(parseAlert(JSON.stringify(anAlert(3)))).toEqual({ alert: anAlert(3) });
});

it.each([
  [{ seq: 0 }, 'seq: Too small: expected number to be >0'],
  [{ time: '2026-01-02T03:04:05Z' }, 'time: Invalid ISO datetime'],
  [{ verdict: 'maybe' }, 'verdict: Invalid option: expected one of "allow"|"deny"|"kill"'],
  [
    { trust: { 'fd.name': 'blind' } },
    'trust.fd.name: Invalid option: expected one of "resolved"|"contestable"|"as passed"|"unknown"',
  ],
  [{ process: { ...anAlert(1).process, pid: '7' } }, 'process.pid: Invalid input: expected number, received string'],
])('names the member that is wrong in %j', (more, problem) => {
  expect(parseAlert(JSON.stringify({ ...anAlert(1), ...more }))).toEqual({ problem });
});

it('says what is no record at all', () => {
  expect(parseAlert('[]')).toEqual({ problem: 'the record: Invalid input: expected object, received array' });
  expect(parseAlert('{')).toHaveProperty('problem', expect.stringMatching(/^not JSON: /));
});
