import { expect, it } from 'vitest';
import { ecsRecord } from '../../../alerts/formats/ecs.ts';
import { anAlert } from '../../support/alert.ts';
import { ecsProblems } from './ecs-fields.ts';

it('says all that the alert says by the names of ECS', () => {
  const alert = anAlert(7, {
    fields: { 'proc.name': 'cat', 'fd.name': '/etc/shadow', 'user.name': 'root' },
    tags: ['T1003.008', 'T1059', 'shell'],
    verdict: 'deny',
    enforced: true,
    container: { id: '0123456789ab', name: 'shop', image: 'shop:1', pod: 'shop-0', namespace: 'prod' },
  });
  const { shrike, ...record } = ecsRecord(alert);
  expect(record).toEqual({
    '@timestamp': '2023-11-14T22:13:20.000000007Z',
    ecs: { version: '8.11.0' },
    message: 'cat read /etc/shadow',
    tags: ['T1003.008', 'T1059', 'shell'],
    event: {
      kind: 'alert',
      id: 'web-1-7',
      sequence: 7,
      module: 'shrike',
      dataset: 'shrike.alerts',
      provider: 'tp_btf/sys_exit',
      category: ['intrusion_detection', 'file'],
      type: ['access', 'denied'],
      action: 'openat',
      severity: 2,
      outcome: 'failure',
    },
    log: { level: 'critical', syslog: { severity: { code: 2, name: 'critical' } } },
    rule: { name: 'Password file read', ruleset: 'credential-files' },
    observer: { vendor: 'Shrike', product: 'Shrike', type: 'sensor' },
    host: { name: 'web-1', hostname: 'web-1' },
    process: {
      pid: 42,
      executable: '/usr/bin/cat',
      name: 'cat',
      command_line: 'cat /etc/shadow',
      entity_id: 'web-1-42-1000',
      user: { id: '0' },
      parent: { pid: 1, executable: '/sbin/init', name: 'init' },
    },
    user: { id: '0', name: 'root' },
    container: { id: '0123456789ab', name: 'shop', image: { name: 'shop:1' } },
    orchestrator: { type: 'kubernetes', resource: { type: 'pod', name: 'shop-0' }, namespace: 'prod' },
    file: { path: '/etc/shadow', name: 'shadow', directory: '/etc' },
    threat: {
      framework: 'MITRE ATT&CK',
      technique: { id: ['T1003', 'T1059'], subtechnique: { id: ['T1003.008'] } },
    },
  });
  expect(shrike).toEqual({
    policy: 'credential-files',
    policy_hash: 'ab'.repeat(32),
    hook: 'tp_btf/sys_exit',
    kernel: 'sim 6.12',
    verdict: 'deny',
    enforced: true,
    fields: alert.fields,
    trust: alert.trust,
  });
  expect(ecsProblems({ ...record })).toEqual([]);
});

it('leaves out what is not known', () => {
  const { process, event } = ecsRecord(
    anAlert(1, {
      event: 'connect',
      fields: { 'fd.sip': '10.0.0.9', 'fd.sport': 443, 'fd.lip': null, 'fd.name': '10.0.0.5:9->10.0.0.9:443' },
      process: { pid: 42, start: 1, exe: null, cmdline: null, uid: 1000, ancestors: [] },
      tags: [],
    }),
  );
  expect(process).toEqual({ pid: 42, entity_id: 'web-1-42-1', user: { id: '1000' } });
  expect(event).toMatchObject({ category: ['intrusion_detection', 'network'], type: ['connection', 'start', 'info'] });
  const ofLoss = ecsRecord(
    anAlert(1, {
      policy: 'shrike',
      event: 'loss',
      process: { pid: 0, start: 0, exe: null, cmdline: null, uid: 0, ancestors: [] },
    }),
  );
  expect(ofLoss).not.toHaveProperty('process');
  expect(ofLoss).toMatchObject({ event: { category: ['host'], type: ['info'] } });
});

it('names both ends of a connection, and addresses that are none not at all', () => {
  const fields = { 'fd.cip': '10.0.0.5', 'fd.cport': 40000, 'fd.sip': 'not an address', 'fd.sport': 443 };
  const record = ecsRecord(anAlert(1, { event: 'connect', fields }));
  expect(record).toMatchObject({ source: { ip: '10.0.0.5', port: 40000 }, destination: { port: 443 } });
  expect(record.destination).not.toHaveProperty('ip');
  expect(record).not.toHaveProperty('file');
  expect(ecsProblems(record)).toEqual([]);
});
