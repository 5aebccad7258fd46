import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { formatAlert, wantsColour } from '../../alerts/index.ts';
import { PRIORITIES } from '../../rules/index.ts';
import { anAlert } from '../support/alert.ts';

const plain = { colour: false };
const time = '2026-01-02T03:04:05.678900000Z';

it('prints time, priority, rule, output and policy in one line', () => {
  expect(formatAlert(anAlert(1, { time }), plain)).toBe(
    '03:04:05.678 critical      Password file read: cat read /etc/shadow (credential-files)',
  );
  expect(formatAlert(anAlert(1, { time, priority: 'informational' }), { ...plain, host: true })).toBe(
    '03:04:05.678 informational Password file read: cat read /etc/shadow (credential-files on web-1)',
  );
});

it.each([
  [{ verdict: 'deny', enforced: true }, '[denied] '],
  [{ verdict: 'kill', enforced: true }, '[killed] '],
  [{ verdict: 'deny', enforced: false }, '[would be denied] '],
  [{ verdict: 'kill' }, '[would be killed] '],
  [{ verdict: 'allow', enforced: true }, ''],
] as const)('says what enforcement did: %j', (more, expected) => {
  const line = formatAlert(anAlert(1, { time, ...more }), plain);
  expect(line).toBe(
    `03:04:05.678 critical      ${expected}Password file read: cat read /etc/shadow (credential-files)`,
  );
});

it('says what the alert could not wait for', () => {
  const alert = anAlert(1, { time, pending: ['container.privileged', 'container.name'] });
  expect(formatAlert(alert, plain)).toBe(
    '03:04:05.678 critical      Password file read: cat read /etc/shadow (credential-files; not yet known: container.privileged, container.name)',
  );
});

it('colours without changing the text', () => {
  for (const priority of PRIORITIES) {
    const alert = anAlert(1, { priority, verdict: 'deny', enforced: true });
    const coloured = formatAlert(alert, { colour: true });
    expect(coloured).not.toBe(formatAlert(alert, plain));
    expect(stripVTControlCharacters(coloured)).toBe(formatAlert(alert, plain));
  }
  expect(formatAlert(anAlert(1), { colour: true })).toContain('\x1b[1;31mcritical');
});

it('lets an alert from outside neither forge a line nor drive the terminal', () => {
  const evil = 'x\n\x1b]0;title\x07\x9b2J\u2028';
  const line = formatAlert(anAlert(1, { time, rule: evil, output: evil, policy: evil, host: evil }), {
    ...plain,
    host: true,
  });
  const shown = 'x\\n\\x1b]0;title\\x07\\x9b2J\\u{2028}';
  expect(line).toBe(`03:04:05.678 critical      ${shown}: ${shown} (${shown} on ${shown})`);
});

it('colours on a terminal unless NO_COLOR says not to', () => {
  expect(wantsColour({ isTTY: true }, {})).toBe(true);
  expect(wantsColour({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
  expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
  expect(wantsColour({}, {})).toBe(false);
  expect(wantsColour({ isTTY: false }, {})).toBe(false);
});
