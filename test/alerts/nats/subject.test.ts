import { expect, it } from 'vitest';
import { alertSubject, hostSubject, parseSubjectTemplate } from '../../../alerts/nats/subject.ts';
import { anAlert } from '../../support/alert.ts';

it('makes one lower-case token of each part', () => {
  expect(alertSubject('web-1.example.org', 'critical', 'Password file read')).toBe(
    'shrike.alerts.web_1_example_org.critical.password_file_read',
  );
  expect(alertSubject('H', 'debug', 'A > B * ÄÖ -- c')).toBe('shrike.alerts.h.debug.a_b_c');
});

it('lets no name reach other subjects or none', () => {
  expect(alertSubject('>', 'notice', '*.>')).toBe('shrike.alerts._.notice._');
  expect(alertSubject('', 'notice', '')).toBe('shrike.alerts._.notice._');
});

it('finds the subjects of a host', () => {
  expect(hostSubject('Web-1')).toBe('shrike.alerts.web_1.>');
});

it('fills in a template, and finds what it filled in', () => {
  const template = parseSubjectTemplate('Security.eu-1.<policy>.<host>.<rule>');
  expect(template.of(anAlert(1))).toBe('Security.eu-1.credential_files.web_1.password_file_read');
  expect(template.matching({ host: 'web-1' })).toBe('Security.eu-1.*.web_1.*');
  expect(template.matching({ priority: 'error' })).toBe('Security.eu-1.*.*.*');
});

it.each([
  ['', 'it is empty'],
  ['a..<host>', 'part 2 is empty; parts are separated by single dots'],
  ['<host>.a', 'it must begin with a literal part, or it would take subjects that are not its own'],
  ['a.<hots>', 'part 2, "<hots>", is none of <host>, <priority>, <rule>, <policy>'],
  ['a.<host>.*', 'part 3, "*", is neither a placeholder nor made of letters, digits, "_" and "-" only'],
  ['a.<host>.>', 'part 3, ">", is neither a placeholder nor made of letters, digits, "_" and "-" only'],
  ['a.x<host>', 'part 2, "x<host>", is neither a placeholder nor made of letters, digits, "_" and "-" only'],
  ['a b.<host>', 'part 1, "a b", is neither a placeholder nor made of letters, digits, "_" and "-" only'],
  ['$JS.<host>', 'part 1, "$JS", is neither a placeholder nor made of letters, digits, "_" and "-" only'],
  ['_INBOX.<host>', 'subjects that begin with _INBOX belong to NATS itself'],
  ['a.<host>.<host>', 'part 3, "<host>", is there twice'],
  [`a${'.b'.repeat(16)}`, 'it has 17 parts; at most 16 are taken'],
])('refuses the template "%s"', (text, problem) => {
  expect(() => parseSubjectTemplate(text)).toThrow(
    new Error(
      `the subject template "${text}" can't be used: ${problem}; an example: security.<host>.<priority>.<rule>`,
    ),
  );
});
