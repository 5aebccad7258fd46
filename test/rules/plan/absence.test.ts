import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../rules/index.ts';
import { ruleOf } from '../../support/rules.ts';

/** What is said of a condition that depends on what its events lack. */
const said = (condition: string): readonly string[] =>
  findingsOf([ruleOf('r', condition)])
    .filter(({ code }) => code === 'depends-on-absence')
    .map(
      ({ line, column, severity, field, expected, message }) =>
        `${line}:${column} ${severity} ${field} ${expected}: ${message}`,
    );

describe('a rule that matches because a field is absent', () => {
  const cases: readonly (readonly [condition: string, ...said: string[]])[] = [
    [
      'evt.type in (openat, setuid) and not fd.name startswith /etc',
      '5:55 warning fd.name fd.name exists: rule "r": "not fd.name startswith /etc" is true on setuid, which has no fd.name, so that the rule matches there; add fd.name exists if it should not',
    ],
    [
      'evt.type in (openat, setuid, kill) and not (fd.name startswith /etc or proc.name = x)',
      '5:62 warning fd.name fd.name exists: rule "r": "not fd.name startswith /etc" is true on kill and setuid, which have no fd.name, so that the rule matches there; add fd.name exists if it should not',
    ],
    [
      'evt.type = openat and not k8s.ns.name = prod',
      '5:44 warning k8s.ns.name container.id != host: rule "r": "not k8s.ns.name = prod" is true outside of containers, where there is no k8s.ns.name, so that the rule matches there; add container.id != host if it should not',
    ],
    [
      'evt.type = openat and not tolower(k8s.pod.name) startswith a and not container.privileged = true',
      '5:44 warning k8s.pod.name container.id != host: rule "r": "not tolower(k8s.pod.name) startswith a" is true outside of containers, where there is no k8s.pod.name, so that the rule matches there; add container.id != host if it should not',
      '5:87 warning container.privileged container.id != host: rule "r": "not container.privileged = true" is true outside of containers, where there is no container.privileged, so that the rule matches there; add container.id != host if it should not',
    ],
  ];
  it.each(cases)('%s', (condition, ...expected) => {
    expect(said(condition)).toEqual(expected);
  });
});

it.each([
  ['the event types that lack it are out', 'evt.type in (openat, setuid) and fd.name exists and not fd.name = x'],
  [
    'another comparison asks for the field',
    'evt.type in (openat, setuid) and fd.name startswith /etc and not fd.name endswith x',
  ],
  ['all events have the field', 'evt.type = openat and not fd.name = x and not proc.name = y'],
  ['it is not what makes the rule match', 'evt.type in (openat, setuid) and (not fd.name = x or proc.name = y)'],
  ['it is asked in containers only', 'evt.type = openat and container.id != host and not k8s.ns.name = prod'],
  ['images are left out', 'evt.type = openat and not container.image.repository in (a, b)'],
  ['the negation is undone', 'evt.type = openat and not not k8s.ns.name = prod'],
  ['existence is asked', 'evt.type in (openat, setuid) and not fd.name exists'],
  ['a missing field does not make it match', 'evt.type in (openat, setuid) and fd.name != x'],
  ['no event type is named', 'not fd.name = x'],
])('says nothing where %s', (_, condition) => {
  expect(said(condition)).toEqual([]);
});
