import type { Alert } from '../../../alerts/alert.ts';
import { isoTime } from '../../../alerts/time.ts';
import { anAlert } from '../../support/alert.ts';
import { openSealedLog } from '../../support/sealed-log.ts';

type Kind = 'alert' | 'enforcement' | 'policy' | 'start' | 'stop' | 'shed' | 'loss';

/** What a log is made of: an entry's kind and body, which may need its number. */
export type StoryEntry = readonly [Kind, object | ((seq: number) => object)];

export const HOST = 'web-1';
const BEGIN = 1_700_000_000_000_000_000n;

/** The time so many seconds after the story's begin. */
export const at = (seconds: number): string => isoTime(BEGIN + BigInt(Math.round(seconds * 1e9)));

/** An alert so many seconds after the begin. */
export const alertAt = (seconds: number, more: Partial<Alert> = {}): StoryEntry => [
  'alert',
  (seq) => anAlert(seq, { time: at(seconds), ...more }),
];

const HASH = 'ab'.repeat(32);
export const POLICY = { name: 'credential-files', hash: HASH, mode: 'enforce', rules: 3 };

const INIT = { pid: 1, exe: '/sbin/init', cmdline: 'init' };
const SSHD = { pid: 700, exe: '/usr/sbin/sshd', cmdline: 'sshd: web' };
const BASH = { pid: 812, exe: '/usr/bin/bash', cmdline: '-bash' };

/** A process below sshd and bash. */
export const processOf = (pid: number, cmdline: string, exe: string): Alert['process'] => ({
  pid,
  start: pid * 1_000,
  exe,
  cmdline,
  uid: 33,
  ancestors: [BASH, SSHD, INIT],
});

/** An attempt of a process that `processOf` makes. */
export const attemptAt = (seconds: number, pid: number, outcome: string, more: object = {}): StoryEntry => [
  'enforcement',
  {
    rule: 'Password file denied',
    policy: POLICY.name,
    policyHash: HASH,
    mode: 'enforce',
    action: 'deny',
    hook: 'lsm/file_open',
    tier: 'lsm',
    event: 'openat',
    time: at(seconds),
    pid,
    start: pid * 1_000,
    exe: '/usr/bin/tee',
    cgroup: '/web.slice',
    arguments: { file: '/etc/shadow' },
    fields: { 'proc.name': 'tee' },
    outcome,
    ...more,
  },
];

/** Two runs, of which the first crashes: alerts of four rules, attempts with three outcomes, losses and what was held back. */
export const STORY: readonly StoryEntry[] = [
  ['start', { host: HOST, kernel: '6.12.0', enforce: true }],
  ['policy', POLICY],
  ['policy', { name: 'network', hash: 'cd'.repeat(32), mode: 'monitor', rules: 2 }],
  alertAt(1, { process: processOf(900, 'cat /etc/shadow', '/usr/bin/cat'), output: 'cat read /etc/shadow' }),
  alertAt(2, {
    rule: 'Password file denied',
    verdict: 'deny',
    enforced: true,
    process: processOf(901, 'tee /etc/shadow', '/usr/bin/tee'),
    output: 'tee was denied /etc/shadow',
  }),
  attemptAt(2, 901, 'denied', { denied: true }),
  attemptAt(3, 902, 'suppressed: agent'),
  attemptAt(4, 903, 'would have'),
  alertAt(60, {
    rule: 'Shell connects out',
    priority: 'error',
    policy: 'network',
    process: processOf(904, 'bash -i', '/usr/bin/bash'),
    output: 'bash connected to 203.0.113.66:4444',
  }),
  ['loss', { hook: 'tp_btf/sys_exit', ring: 'events', records: 17, received: 400 }],
  ['loss', { hook: 'tp_btf/sys_exit', ring: 'events', records: 3, received: 90 }],
  ['shed', { rule: 'Shell connects out', cgroup: '/web.slice', records: 40, limit: 'rule' }],
  ['start', { host: HOST, kernel: '6.12.0', enforce: false }],
  ['policy', { ...POLICY, hash: 'ef'.repeat(32) }],
  alertAt(3_600, {
    rule: 'Many failures',
    priority: 'notice',
    process: processOf(905, 'sshd: unknown', '/usr/sbin/sshd'),
    output: 'sshd failed (×12 in 10 s)',
    aggregated: { count: 12, since: at(3_590), until: at(3_600), key: {} },
  }),
  ['stop', { events: 1_000, alerts: 1 }],
];

/** Writes a sealed log of such entries. */
export const writeStory = async (folder: string, story: readonly StoryEntry[]): Promise<void> => {
  const { log } = await openSealedLog(folder);
  for (const [kind, body] of story)
    if (typeof body === 'function') log.append(kind, body);
    else log.append(kind, body);
  await log.close();
};

/** What attackers call processes and files to get at who reads of them. */
export const HOSTILE: readonly string[] = [
  '</script><script>window.owned=1</script>',
  '"><img src=x onerror="window.owned=1">',
  "' onmouseover='window.owned=1",
  '<!-- --!> ]]> <svg/onload=window.owned=1>',
  '\u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff',
  'line\nbreak\r\ttab \u0000 \u001b[31m \u0085 \u2028',
  'z\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309',
  '&lt;b&gt; &amp; &#60; `x`',
  '\ud800 lone \udc00',
  'javascript:alert(1)',
];

/** A story in which everything that somebody else chooses is this text. */
export const storyWith = (text: string): readonly StoryEntry[] => [
  ['start', { host: text, kernel: text, enforce: true, scope: text }],
  ['policy', { name: text, hash: text, mode: text, rules: 1 }],
  alertAt(1, {
    rule: text,
    policy: text,
    host: text,
    output: text,
    fields: { 'proc.name': text, [text]: text },
    trust: { 'proc.name': text as 'resolved' },
    event: text,
    hook: text,
    kernel: text,
    container: { id: text, name: text, image: text },
    process: {
      ...processOf(900, text, text),
      ancestors: [{ pid: 1, exe: text, cmdline: text }],
    } satisfies Alert['process'],
  }),
  [
    'enforcement',
    {
      rule: text,
      policy: text,
      action: text,
      outcome: text,
      time: at(2),
      pid: 9,
      start: 9,
      exe: text,
      cgroup: text,
      arguments: { file: text },
      fields: { [text]: text },
      event: text,
      mode: text,
      policyHash: text,
    },
  ],
  ['enforcement', { switched: text, by: text }],
  ['loss', { hook: text, ring: text, records: 1 }],
  ['loss', { reason: text, failed: 2 }],
  ['shed', { rule: text, cgroup: text, limit: text, records: 2 }],
  ['shed', { policy: text, rule: text, aggregated: 3 }],
];
