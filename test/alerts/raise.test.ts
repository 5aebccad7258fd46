import { describe, expect, it } from 'vitest';
import { parseAlert, raiseAlert } from '../../alerts/index.ts';
import { type EventRecord, parseTemplate, type Rule } from '../../rules/index.ts';
import { createProcessTable, fieldsOf, NO_CONTAINERS } from '../../sensors/index.ts';
import { record, type Said, withParts } from '../sensors/events/record.ts';
import { ruleOf } from '../support/rules.ts';

const ID = 'ab'.repeat(32);
const rule = (more: Partial<Rule> = {}): Rule =>
  ruleOf('Password file read', 'evt.type = openat', {
    policy: 'credential-files',
    priority: 'critical',
    tags: ['T1003.008'],
    output: parseTemplate('%proc.name read %fd.name (%user.name)').template,
    ...more,
  });

const processes = () => {
  const table = createProcessTable();
  const facts = { parentPid: 0, parentStart: 0n, memfd: false, uid: 0, cgroup: '/' };
  table.add({
    ...facts,
    pid: 1,
    start: 1n,
    name: 'systemd',
    exepath: '/usr/lib/systemd/systemd',
    argv: ['/sbin/init'],
  });
  table.add({
    ...facts,
    pid: 42,
    start: 7n,
    parentPid: 1,
    parentStart: 1n,
    name: 'cat',
    exepath: '/usr/bin/cat',
    argv: ['cat', '-n', '/x'],
  });
  return table;
};

const SAID: Said = {
  event: 'openat',
  pid: 42,
  start: 7n,
  parentPid: 1,
  parentStart: 1n,
  uid: 1000,
  fd: 3,
  typechar: 'f',
  strings: { file: { state: 'present', text: '/etc/shadow' } },
};

const raise = (
  of: Rule,
  said: Said = SAID,
  more: Partial<EventRecord> = {},
  cgroup: string | undefined = '/user.slice',
) => {
  const event = withParts(record(said), more);
  const table = processes();
  const wallTime = 1_767_225_600_000_000_005n;
  const fields = fieldsOf(event, { processes: table, number: 1, wallTime, cgroupPath: () => cgroup });
  return raiseAlert(of, 0, event, fields, {
    host: 'web-1',
    kernel: 'sim 6.12',
    policyHash: ID,
    wallTime,
    processes: table,
    ...(cgroup !== undefined && { container: NO_CONTAINERS.facts(cgroup) }),
  });
};

describe('an alert', () => {
  it('says who did what, when and under which rule', () => {
    const alert = raise(rule());
    expect(alert).toEqual({
      v: 1,
      time: '2026-01-01T00:00:00.000000005Z',
      host: 'web-1',
      policy: 'credential-files',
      policyHash: ID,
      rule: 'Password file read',
      priority: 'critical',
      tags: ['T1003.008'],
      hook: 'tp_btf/sys_exit',
      event: 'openat',
      output: 'cat read /etc/shadow (<unknown>)',
      fields: { 'proc.name': 'cat', 'fd.name': '/etc/shadow', 'user.name': null },
      trust: { 'proc.name': 'resolved', 'fd.name': 'contestable', 'user.name': 'unknown' },
      process: {
        pid: 42,
        start: 7,
        exe: '/usr/bin/cat',
        cmdline: 'cat -n /x',
        uid: 1000,
        ancestors: [{ pid: 1, exe: '/usr/lib/systemd/systemd', cmdline: 'systemd' }],
      },
      kernel: 'sim 6.12',
      id: '',
      seq: 0,
    });
    const whole = { ...alert, id: 'web-1-1', seq: 1 };
    expect(parseAlert(JSON.stringify(whole))).toEqual({ alert: whole });
  });

  it('names the container, where there is one', () => {
    expect(raise(rule(), SAID, {}, `/docker/${ID}`).container).toEqual({ id: 'abababababab' });
    expect(raise(rule(), SAID, {}, undefined)).not.toHaveProperty('container');
  });

  it('has null for what is not known of its process', () => {
    expect(raise(rule(), { event: 'openat', pid: 77, start: 1n, parentPid: 76, parentStart: 1n }).process).toEqual({
      pid: 77,
      start: 1,
      exe: null,
      cmdline: null,
      uid: 0,
      ancestors: [],
    });
  });

  it.each<[Rule['action'], Rule['mode'], boolean, EventRecord['guard'], object]>([
    ['deny', 'enforce', true, 'done', { verdict: 'deny', enforced: true }],
    ['kill', 'enforce', true, 'done', { verdict: 'kill', enforced: true }],
    ['kill', 'enforce', true, 'init', { verdict: 'kill', enforced: false }],
    ['deny', 'enforce', true, 'monitor', { verdict: 'deny', enforced: false }],
    ['deny', 'monitor', true, 'done', { verdict: 'deny', enforced: false }],
    ['deny', 'enforce', false, 'done', { verdict: 'allow', enforced: false }],
  ])('of a rule that would %s, mode %s, certain %s, guard %s', (action, mode, certain, guard, expected) => {
    const done = { guard, denied: guard === 'done' };
    const alert = raise(rule({ action, mode }), SAID, { certain: new Set(certain ? [0] : [7]), ...done });
    expect({ verdict: alert.verdict, enforced: alert.enforced }).toEqual(expected);
  });

  it('of a rule that only alerts has no verdict', () => {
    expect(raise(rule())).not.toHaveProperty('verdict');
    expect(raise(rule())).not.toHaveProperty('enforced');
  });
});
