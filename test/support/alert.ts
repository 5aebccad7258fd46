import { type Alert, isoTime } from '../../alerts/index.ts';

/** A whole alert as entry `seq` of a host's log, with what a test wants otherwise. */
export const anAlert = (seq: number, more: Partial<Alert> = {}): Alert => ({
  v: 1,
  id: `${more.host ?? 'web-1'}-${seq}`,
  seq,
  time: isoTime(1_700_000_000_000_000_000n + BigInt(seq)),
  host: 'web-1',
  policy: 'credential-files',
  policyHash: 'ab'.repeat(32),
  rule: 'Password file read',
  priority: 'critical',
  tags: ['T1003.008'],
  hook: 'tp_btf/sys_exit',
  event: 'openat',
  output: 'cat read /etc/shadow',
  fields: { 'proc.name': 'cat', 'proc.pid': 42, 'evt.res': null },
  trust: { 'proc.name': 'resolved', 'proc.pid': 'resolved' },
  process: {
    pid: 42,
    start: 1_000,
    exe: '/usr/bin/cat',
    cmdline: 'cat /etc/shadow',
    uid: 0,
    ancestors: [{ pid: 1, exe: '/sbin/init', cmdline: null }],
  },
  kernel: 'sim 6.12',
  ...more,
});
