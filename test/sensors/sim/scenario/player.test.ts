import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { call, exit, type Item, mov, R0, R1 } from '../../../../engine/isa/index.ts';
import {
  createSimSensor,
  listScenarios,
  loadScenario,
  type Scenario,
  type SimHost,
} from '../../../../sensors/index.ts';
import { temporaryFolder } from '../../../support/folder.ts';
import { attach } from '../attached.ts';
import { inline, play } from './play.ts';

const load = (name: string): Scenario => {
  const { scenario } = loadScenario(name);
  if (scenario === undefined) throw new Error(`${name} can't be loaded`);
  return scenario;
};

const SEND_SIGNAL = 109;
const SIGKILL = 9;
const DENY: readonly Item[] = [mov(R0, -1), exit()];
const KILL: readonly Item[] = [mov(R1, SIGKILL), call(SEND_SIGNAL), mov(R0, 0), exit()];

describe('what does not go as a scenario says', () => {
  it('is a problem with file, line, step and the remedy', async () => {
    const path = join(temporaryFolder(), 's.yaml');
    writeFileSync(
      path,
      `name: s
steps:
  - {openat: /nowhere}
  - {read: file}
  - {openat: /etc/passwd, expect: ENOENT}
  - {exec: [no-such-program]}
  - {getpid: [], by: no-such-program}
  - {exec: [id]}
  - {exit: 0}
  - {getpid: [], by: id}
  - {accept: {from: "198.51.100.7:1"}, by: bash}
  - {connect: "203.0.113.5:1", by: bash}
  - {close: memfd, by: bash}
`,
    );
    const { problems } = await play(load(path));
    expect(problems.map((text) => text.replace(path, 's.yaml'))).toStrictEqual([
      's.yaml:3: step 1: bash: openat /nowhere returned ENOENT; where that is meant, write "expect: ENOENT".',
      's.yaml:4: step 2: bash: read file returned EBADF; where that is meant, write "expect: EBADF".',
      's.yaml:5: step 3: bash: openat /etc/passwd returned 3; expected ENOENT.',
      's.yaml:6: step 4: bash: exec no-such-program returned ENOENT; where that is meant, write "expect: ENOENT".',
      "s.yaml:7: step 5: getpid can't be played: no-such-program could not be executed in step 4 and makes no call.",
      "s.yaml:10: step 8: getpid can't be played: id exited in step 7 and makes no further call.",
      "s.yaml:11: step 9: accept 198.51.100.7:1 can't be played: bash has nothing open that is called listener.",
      's.yaml:12: step 10: bash: connect 203.0.113.5:1 returned ETIMEDOUT; where that is meant, write "expect: ETIMEDOUT".',
      "s.yaml:13: step 11: close memfd can't be played: bash has nothing open that is called memfd.",
    ]);
  });
});

describe('a call that a program denies', () => {
  const steps = [
    { openat: '/etc/passwd' },
    { read: 'file' },
    { connect: '203.0.113.5:1' },
    { write: 'x', fd: 'socket' },
    { exec: ['id'] },
    { getpid: [], by: 'id' },
    { exec: ['ls'], by: 'id' },
    { getpid: [], by: 'ls' },
    { getpid: [], by: 'bash' },
  ];

  it('is an outcome and no problem, and what needs it is skipped', async () => {
    const { outcomes, problems, events } = await play(inline(steps), (host) => {
      for (const hook of ['lsm/file_open', 'lsm/socket_connect', 'lsm/bprm_check_security'] as const)
        attach(host, hook, DENY);
    });
    expect(problems).toStrictEqual([]);
    expect(outcomes.map(({ text, result, denied, skipped }) => [text, result, denied, skipped])).toStrictEqual([
      ['openat /etc/passwd', -1, true, undefined],
      ['read file', undefined, false, 'it needs what bash was denied in step 1'],
      ['connect 203.0.113.5:1', -1, true, undefined],
      ['write x socket', undefined, false, 'it needs what bash was denied in step 3'],
      ['exec id', -1, true, undefined],
      ['getpid', undefined, false, 'id was denied in step 5 and makes no call'],
      ['exec ls', undefined, false, 'id was denied in step 5 and makes no call'],
      ['getpid', undefined, false, 'ls was never started: id was denied in step 5 and makes no call'],
      ['getpid', expect.any(Number), false, undefined],
    ]);
    expect(events.filter(({ type }) => type === 'denied')).toHaveLength(3);
    expect(events.filter(({ type }) => type === 'skipped')).toHaveLength(5);
  });

  it('is told from an errno of the simulation', async () => {
    const scenario = inline([{ exec: { argv: ['id'], uid: 1000 } }, { kill: ['sshd', 'SIGTERM'], expect: 'EPERM' }]);
    const { outcomes } = await play(scenario, (host) => void attach(host, 'lsm/socket_connect', DENY));
    expect(outcomes).toMatchObject([{ denied: false }, { denied: false, result: -1 }]);
  });
});

describe('a process that a program kills', () => {
  const steps = [
    { exec: ['id'] },
    { getpid: [], by: 'id' },
    { exec: ['ls'], by: 'id' },
    { getpid: [], by: 'ls' },
    { getpid: [], by: 'bash' },
  ];
  const atExec = (host: SimHost): void => void attach(host, 'tp_btf/sched_process_exec', KILL);

  it('at exec makes no call, nor does what it would have started', async () => {
    const { outcomes, problems, events, host } = await play(inline(steps), atExec);
    expect(problems).toStrictEqual([]);
    expect(outcomes.map(({ result, killed, skipped }) => [result, killed, skipped])).toStrictEqual([
      [0, true, undefined],
      [undefined, false, 'id was killed in step 1 and makes no further call'],
      [undefined, false, 'id was killed in step 1 and makes no further call'],
      [undefined, false, 'ls was never started: id was killed in step 1 and makes no further call'],
      [expect.any(Number), false, undefined],
    ]);
    const pid = outcomes[0]?.pid ?? 0;
    expect(events.flatMap((event) => (event.type === 'killed' ? [event] : []))).toMatchObject([
      { name: 'id', pid, signal: SIGKILL, byPolicy: true },
    ]);
    expect(host.task(pid)).toBeUndefined();
  });

  it('is told from one that another process kills, after which its steps are a mistake', async () => {
    const { outcomes, problems, events } = await play(
      inline([{ exec: ['id'] }, { kill: ['id', 'SIGKILL'], by: 'bash' }, { getpid: [], by: 'id' }]),
    );
    expect(outcomes[1]).toMatchObject({ result: 0, killed: false });
    expect(events.flatMap((event) => (event.type === 'killed' ? [event.byPolicy] : []))).toStrictEqual([false]);
    expect(problems).toStrictEqual([
      "test.yaml:1: step 3: getpid can't be played: id was killed in step 2 and makes no further call.",
    ]);
  });
});

describe('whoever watches', () => {
  it('is told of processes, steps and calls in the order in which they happen', async () => {
    const { events } = await play(
      inline({ processes: [{ name: 'nginx', uid: 33 }], steps: [{ exec: ['sh'], by: 'nginx' }, { exit: 2 }] }),
    );
    const told = events.map((event): string => {
      switch (event.type) {
        case 'step':
          return `step ${event.step.number} ${event.step.text}`;
        case 'present':
        case 'started':
        case 'executed':
          return `${event.type} ${event.process.name} ${event.process.exepath} uid ${event.process.uid}`;
        case 'call':
        case 'denied':
        case 'skipped':
          return `${event.type} ${event.outcome.call} ${event.outcome.result}`;
        case 'ended':
          return `ended ${event.name} ${event.status}`;
        case 'killed':
          return `killed ${event.name}`;
        default:
          throw new Error('an event of no known type');
      }
    });
    expect(told).toStrictEqual([
      'present systemd /usr/lib/systemd/systemd uid 0',
      'present sshd /usr/sbin/sshd uid 0',
      'present bash /usr/bin/bash uid 0',
      'present nginx /usr/sbin/nginx uid 33',
      'step 1 exec sh',
      'started sh /usr/bin/sh uid 33',
      'call exec 0',
      'step 2 exit 2',
      'ended sh 2',
      'call exit_group 0',
    ]);
    expect(events.every(({ time }, index) => index === 0 || time >= (events[index - 1]?.time ?? 0n))).toBe(true);
  });
});

describe('a sim sensor', () => {
  it('has its processes before the first step, pumps after each and counts the calls', async () => {
    const sensor = createSimSensor({ scenario: inline([{ getpid: [] }, { getuid: [] }]) });
    expect(sensor.kernel.processes('/').map(({ name }) => name)).toContain('bash');
    let pumps = 0;
    const report = await sensor.run(() => void pumps++, new AbortController().signal);
    expect(report).toStrictEqual({ calls: 2, problems: [] });
    expect(pumps).toBe(3);
  });

  it('stops between two steps when told to, also while it waits', async () => {
    const abort = new AbortController();
    const sensor = createSimSensor({
      scenario: inline([{ getpid: [] }, { getpid: [] }]),
      pace: 60_000,
      observer: ({ type }) => type === 'step' && abort.abort(),
    });
    setTimeout(() => abort.abort(), 20);
    const { calls } = await sensor.run(() => {}, abort.signal);
    expect(calls).toBe(0);
  });

  it.each(listScenarios().map(({ name }) => name))('plays %s the same way twice', async (name) => {
    const once = await play(load(name));
    const again = await play(load(name));
    expect(again.events).toStrictEqual(once.events);
    expect(again.host.bootNs).toBe(once.host.bootNs);
  });
});

describe('the scenarios that ship', () => {
  it.each(listScenarios())('$name goes as it says', async ({ name, description, file }) => {
    const scenario = load(name);
    expect(scenario).toMatchObject({ name, description, file });
    expect(description).toMatch(/^[A-Z].{40,}\.$/);
    const { problems, outcomes } = await play(scenario);
    expect(problems).toStrictEqual([]);
    expect(outcomes).toHaveLength(scenario.steps.length);
  });
});

describe('a host', () => {
  it('lets a process listen where it could not bind itself, but not where another does', async () => {
    const worker = { name: 'worker', uid: 33, listen: ['0.0.0.0:80'] };
    const { problems } = await play(
      inline({ processes: [worker], steps: [{ accept: { from: '198.51.100.7:1' }, by: 'worker' }] }),
    );
    expect(problems).toStrictEqual([]);
    const twice = inline({ processes: [worker, { name: 'other', listen: ['127.0.0.1:80'] }], steps: ['getpid'] });
    expect(() => createSimSensor({ scenario: twice })).toThrow(
      "test.yaml:1: other can't listen on 127.0.0.1 port 80: somebody else does, or it is another host's address",
    );
    const elsewhere = inline({ processes: [{ name: 'nginx', listen: ['203.0.113.5:80'] }], steps: ['getpid'] });
    expect(() => createSimSensor({ scenario: elsewhere })).toThrow(
      "test.yaml:1: nginx can't listen on 203.0.113.5 port 80: somebody else does, or it is another host's address",
    );
  });
});
