import { expect, it } from 'vitest';
import { alertSubject, filterSubject, hostSubject } from '../../../alerts/nats/subject.ts';

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

it('filters by what is given', () => {
  expect(filterSubject({})).toBe('shrike.alerts.*.*.*');
  expect(filterSubject({ host: 'Web-1', rule: 'X y' })).toBe('shrike.alerts.web_1.*.x_y');
  expect(filterSubject({ priority: 'error' })).toBe('shrike.alerts.*.error.*');
  expect(hostSubject('Web-1')).toBe('shrike.alerts.web_1.>');
});
