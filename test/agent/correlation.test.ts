import { describe, expect, it } from 'vitest';
import { type AgentSummary, runAgent } from '../../agent/index.ts';
import { type Alert, isoTime, parseAlert } from '../../alerts/index.ts';
import { loadPolicyText, type Policy } from '../../policies/index.ts';
import { type Compiled, compile } from '../../rules/index.ts';
import { createSimHost, type SimHost, type SimTask } from '../../sensors/index.ts';
import {
  type Expected,
  type Happened,
  type Happening,
  plainSequence,
  plainThreshold,
  plainTree,
} from '../rules/correlate/models.ts';
import { memoryLog } from '../support/audit.ts';
import { count, seed } from '../support/counts.ts';
import { createRandom } from '../support/random.ts';

const policyOf = (rules: string): Policy => {
  const text = `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: correlated}\nspec:\n  rules:\n${rules}`;
  const { policies, diagnostics } = loadPolicyText('correlated.yaml', text);
  expect(diagnostics).toEqual([]);
  return policies[0]!;
};

const compiled = new WeakMap<Policy, Compiled>();

/** A policy's rules, compiled once. */
const compiledOf = (policy: Policy): Compiled => {
  const known = compiled.get(policy) ?? compile(policy.rules, { level: '6.12' });
  compiled.set(policy, known);
  return known;
};

/** Runs an agent over what `act` does on a simulated host. */
const run = async (
  policy: Policy,
  act: (host: SimHost, pump: () => void) => void,
  more: Partial<Parameters<typeof runAgent>[0]> = {},
): Promise<{
  readonly host: SimHost;
  readonly alerts: readonly Alert[];
  readonly summary: AgentSummary;
  readonly entries: ReturnType<typeof memoryLog>['entries'];
}> => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  const summary = await runAgent({
    policies: [policy],
    compiled: compiledOf(policy),
    host: 'sim',
    enforce: false,
    log,
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      run: async (pump) => {
        pump();
        act(host, pump);
        pump();
        return { calls: host.calls, problems: [] };
      },
    },
    ...more,
  });
  return { host, alerts, summary, entries };
};

const FILES = ['/etc/passwd', '/etc/group', '/etc/hostname'];
const FDCWD = -100;
const open = (host: SimHost, task: SimTask, path: string): number => {
  const { result } = host.call(task, 'openat', [FDCWD, path, 0, 0]);
  if (result >= 0) host.call(task, 'close', [result]);
  return result;
};
const fork = (host: SimHost, task: SimTask): SimTask => host.task(host.call(task, 'fork', []).result)!;

/** A process that starts a program as a child of the first. */
const start = (host: SimHost, path: string, ...args: readonly string[]): SimTask => {
  const task = fork(host, host.root);
  host.call(task, 'execve', [path, [path.slice(path.lastIndexOf('/') + 1), ...args], []]);
  return task;
};

const opening = (file: number): string => `"evt.type = openat and evt.failed = false and fd.name = ${FILES[file]}"`;
const steps = (...files: readonly number[]): string =>
  `[${files.map((file) => `{condition: ${opening(file)}}`).join(', ')}]`;

const WITHIN = 40_000_000;
const SHUFFLED = policyOf(`
    - rule: pids
      condition: ${opening(0)}
      threshold: {more_than: 3, within: 40ms, by: [proc.pid]}
      priority: critical
      output: "%proc.name"
    - rule: users
      condition: ${opening(1)}
      threshold: {more_than: 5, within: 40ms, by: [user.uid, proc.name]}
      priority: notice
      output: "%proc.name"
    - rule: all
      condition: ${opening(2)}
      threshold: {more_than: 7, within: 40ms}
      priority: critical
      output: "%proc.name"
    - rule: user's files
      sequence: {steps: ${steps(0, 1, 2)}, within: 40ms, by: [user.uid]}
      priority: notice
      output: "%proc.name"
    - rule: tree's files
      sequence: {steps: ${steps(0, 2, 1)}, within: 40ms, by: [proc.tree]}
      priority: critical
      output: "%proc.name"
`);

/** What a rule should raise, by a plain model: which events it is about, what their key is, and the model. */
const MODELS: Readonly<
  Record<
    string,
    {
      readonly files: readonly number[];
      readonly key: (event: Opened) => string;
      readonly model: (stream: readonly Happening[]) => readonly Expected[];
    }
  >
> = {
  pids: { files: [0], key: ({ pid }) => `${pid}`, model: (stream) => plainThreshold(stream, 3, WITHIN) },
  users: {
    files: [1],
    key: ({ uid, name }) => `${uid} ${name}`,
    model: (stream) => plainThreshold(stream, 5, WITHIN),
  },
  all: { files: [2], key: () => '', model: (stream) => plainThreshold(stream, 7, WITHIN) },
  "user's files": { files: [0, 1, 2], key: ({ uid }) => `${uid}`, model: (stream) => plainSequence(stream, 3, WITHIN) },
  "tree's files": { files: [0, 2, 1], key: () => '', model: (stream) => plainTree(stream, 3, WITHIN) },
};

interface Opened {
  readonly file: number;
  readonly time: bigint;
  readonly pid: number;
  readonly uid: number;
  readonly name: string;
}

describe('programs of a simulated kernel and the agent', () => {
  it('raise what a plain model does, over random calls of processes that fork, exec and end', async () => {
    const random = createRandom(seed('correlated calls'));
    for (let left = count(60); left > 0; left--) {
      const opened: Opened[] = [];
      const makers: Happening[] = [];
      const { host, alerts, summary } = await run(
        SHUFFLED,
        (host, pump) => {
          const tasks = [0, 1000].map((uid) => host.spawn({ exepath: '/usr/bin/bash', uid }));
          for (let action = 0; action < 300; action++) {
            const task = random.pick(tasks);
            if (random.chance(0.08)) {
              const child = fork(host, task);
              makers.push({ kind: 'fork', process: child.pid, maker: task.pid });
              tasks.push(child);
            } else if (random.chance(0.05)) {
              const program = random.pick(['id', 'cat']);
              host.call(task, 'execve', [`/usr/bin/${program}`, [program], []]);
            } else if (tasks.length > 3 && random.chance(0.06)) {
              host.call(task, 'exit_group', [0]);
              tasks.splice(tasks.indexOf(task), 1);
            } else open(host, task, random.pick(FILES));
            if (random.chance(0.3)) host.advance(random.below(random.pick([1_000, 1_000_000, 20_000_000])));
            if (random.chance(0.1)) pump();
          }
        },
        {
          onRecord: (record, processes) => {
            const file = FILES.indexOf(record.string('file')?.text ?? '');
            const { time, pid, uid } = record;
            const name = processes.get(pid, record.start)?.name ?? '';
            if (record.event?.type === 'openat' && file >= 0) opened.push({ file, time, pid, uid, name });
          },
        },
      );
      expect(summary.problems).toEqual([]);
      const start = opened[0]?.time ?? 0n;
      for (const [rule, { files, key, model }] of Object.entries(MODELS)) {
        const events = opened.map(
          (each): Happened => ({
            kind: 'event',
            time: Number(each.time - start),
            process: each.pid,
            key: key(each),
            steps: files.includes(each.file) ? [files.indexOf(each.file) + 1] : [],
          }),
        );
        const clock = (time: number | undefined): string => isoTime(host.wallTime(start + BigInt(time ?? 0)));
        const expected = model([...makers, ...events]).map(({ at, count: matches, from }) => [
          clock(events[at - makers.length]?.time),
          matches,
          clock(from),
        ]);
        const raised = alerts
          .filter((alert) => alert.rule === rule)
          .map(({ time, correlation }) => [time, correlation?.count, correlation?.from]);
        expect([rule, raised]).toEqual([rule, expected]);
        expect([rule, expected.length]).not.toEqual([rule, 0]);
      }
    }
  });
});

describe('a threshold that programs count', () => {
  const COUNTED = `
    - rule: pids
      condition: evt.type in (getuid, setuid) and evt.res in (SUCCESS, EPERM)
      threshold: {more_than: 3, within: 1s, by: [proc.pid]}
      priority: critical
      output: "%proc.name"
    - rule: users
      condition: evt.type = setuid and evt.failed = true
      threshold: {more_than: 12, within: 6s, by: [user.uid, group.gid]}
      priority: notice
      output: "%proc.name"
    - rule: all
      condition: evt.type = setuid
      threshold: {more_than: 48, within: 12s}
      priority: warning
      output: "%proc.name"`;
  const SEEN = `
    - rule: seen
      condition: evt.type in (getuid, setuid)
      priority: notice
      output: "%proc.name"`;
  interface Called {
    readonly type: string;
    readonly failed: boolean;
    readonly time: bigint;
    readonly pid: number;
    readonly uid: number;
    readonly gid: number;
  }
  const models: Readonly<
    Record<
      string,
      {
        readonly of: (call: Called) => boolean;
        readonly key: (call: Called) => string;
        readonly moreThan: number;
        readonly within: number;
      }
    >
  > = {
    pids: { of: () => true, key: ({ pid }) => `${pid}`, moreThan: 3, within: 1e9 },
    users: {
      of: ({ type, failed }) => type === 'setuid' && failed,
      key: ({ uid, gid }) => `${uid} ${gid}`,
      moreThan: 12,
      within: 6e9,
    },
    all: { of: ({ type }) => type === 'setuid', key: () => '', moreThan: 48, within: 12e9 },
  };
  /** Calls of a few processes of several users, the same for the same number. */
  const calls = (number: number) => (host: SimHost, pump: () => void) => {
    const random = createRandom(number);
    const tasks = [0, 1, 1, 2].map((user) =>
      host.spawn({ exepath: '/usr/bin/bash', uid: user * 1000, gid: user * 10 }),
    );
    for (let call = 0; call < 600; call++) {
      const task = random.pick(tasks);
      if (random.chance(0.3)) host.call(task, 'getuid', []);
      else host.call(task, 'setuid', [task.uid === 0 ? 0 : random.pick([0, task.uid])]);
      if (random.chance(0.3)) host.advance(random.below(random.pick([1_000, 1_000_000, 1_000_000_000, 3_000_000_000])));
      if (random.chance(0.05)) pump();
    }
  };
  const summed = (alerts: readonly Alert[]) =>
    Object.keys(models).map((rule) => [
      rule,
      alerts
        .filter((alert) => alert.rule === rule)
        .map(({ time, correlation }) => [time, correlation?.count, correlation?.from]),
    ]);

  it('raises what a plain model does, over random calls, and hands over less', async () => {
    const random = createRandom(seed('counted calls'));
    const [silent, told] = [policyOf(COUNTED), policyOf(COUNTED + SEEN)];
    let [some, every] = [0, 0];
    const raised = new Set<string>();
    for (let left = count(60); left > 0; left--) {
      const number = random.below(2 ** 31);
      const called: Called[] = [];
      const { host, alerts, summary } = await run(told, calls(number), {
        onRecord: ({ event, result, time, pid, uid, gid }) => {
          if (event !== undefined) called.push({ type: event.type, failed: result < 0n, time, pid, uid, gid });
        },
      });
      expect(summary.problems).toEqual([]);
      const start = called[0]?.time ?? 0n;
      const expected = Object.entries(models).map(([rule, { of, key, moreThan, within }]) => {
        const stream = called.map(
          (call): Happened => ({
            kind: 'event',
            time: Number(call.time - start),
            process: call.pid,
            key: key(call),
            steps: of(call) ? [1] : [],
          }),
        );
        const clock = (time: number | undefined): string => isoTime(host.wallTime(start + BigInt(time ?? 0)));
        return [
          rule,
          plainThreshold(stream, moreThan, within).map(({ at, count: matches, from }) => [
            clock(stream[at]?.time),
            matches,
            clock(from),
          ]),
        ];
      });
      expect(summed(alerts)).toEqual(expected);
      for (const { rule } of alerts) raised.add(rule);
      const alone = await run(silent, calls(number));
      expect(summed(alone.alerts)).toEqual(expected);
      some += alone.summary.events;
      every += summary.events;
    }
    expect(some).toBeLessThan(0.8 * every);
    expect([...raised]).toEqual(expect.arrayContaining(Object.keys(models)));
  });
});

describe('the steps of a sequence', () => {
  const SEQUENCE = `
    - rule: files
      sequence: {steps: ${steps(0, 1, 2)}, within: 40ms, by: [proc.pid]}
      priority: critical
      output: "%proc.name"`;
  const SEEN = FILES.map(
    (_, file) => `
    - rule: seen ${file}
      condition: ${opening(file)}
      priority: notice
      output: "%proc.name"`,
  ).join('');

  /** Opens files one by one, with so many milliseconds in front of each; says which events were handed over. */
  const opened = async (rules: string, list: readonly (readonly [file: number, milliseconds: number])[]) => {
    const { alerts, summary } = await run(policyOf(rules), (host) => {
      const task = host.spawn({ exepath: '/usr/bin/cat' });
      for (const [file, milliseconds] of list) {
        host.advance(milliseconds * 1_000_000);
        open(host, task, FILES[file] ?? '');
      }
    });
    const raised = alerts.filter(({ rule }) => rule === 'files');
    return { raised: raised.map(({ correlation }) => correlation?.events.map(({ time }) => time)), summary };
  };

  it.each([
    [
      'nothing came before',
      [
        [1, 0],
        [2, 0],
        [1, 0],
      ],
      0,
      0,
    ],
    [
      'a first step alone',
      [
        [0, 0],
        [0, 0],
      ],
      2,
      0,
    ],
    [
      'all three',
      [
        [0, 0],
        [1, 5],
        [2, 5],
      ],
      3,
      1,
    ],
    [
      'the last without the second',
      [
        [0, 0],
        [2, 5],
        [2, 5],
      ],
      1,
      0,
    ],
    [
      'the second too late',
      [
        [0, 0],
        [1, 200],
        [2, 5],
      ],
      1,
      0,
    ],
    [
      'the last too late',
      [
        [0, 0],
        [1, 5],
        [2, 200],
      ],
      2,
      0,
    ],
    [
      'again after it was too late',
      [
        [0, 0],
        [1, 200],
        [0, 0],
        [1, 5],
        [2, 5],
      ],
      4,
      1,
    ],
  ] as const)('are handed over where one came before: %s', async (_, list, events, alerts) => {
    const { raised, summary } = await opened(SEQUENCE, list);
    expect([summary.events, raised.length]).toEqual([events, alerts]);
  });

  it('make the same alerts as where every event is handed over', async () => {
    const random = createRandom(seed('steps handed over'));
    let [some, every, alerts] = [0, 0, 0];
    for (let left = count(100); left > 0; left--) {
      const list = Array.from({ length: 120 }, () => [random.below(3), random.pick([0, 1, 15, 90, 170])] as const);
      const alone = await opened(SEQUENCE, list);
      const beside = await opened(SEQUENCE + SEEN, list);
      expect(alone.raised).toEqual(beside.raised);
      alerts += alone.raised.length;
      some += alone.summary.events;
      every += beside.summary.events;
    }
    expect(alerts).toBeGreaterThan(0);
    expect(some).toBeLessThan(0.8 * every);
  });
});

describe('an alert of several events', () => {
  const policy = policyOf(`
    - rule: Keeps opening
      condition: evt.type = openat and evt.res = ENOENT
      threshold: {more_than: 2, within: 60s, by: [proc.pid, "proc.aname[2]"]}
      priority: warning
      output: "%proc.name %proc.pid"
    - rule: Server's shell reads
      sequence:
        steps:
          - {condition: "evt.type = execve and proc.name = bash and proc.pname = nginx"}
          - {on: [openat], condition: fd.name = /etc/passwd}
        within: 10s
        by: [proc.tree]
      priority: critical
      output: "%step[1].proc.cmdline of %step[1].proc.pname let %proc.name read %fd.name (%step[1].fd.name)"
  `);

  it('says how many, in which time, what they have in common and which they were', async () => {
    const { host, alerts, entries } = await run(policy, (host) => {
      const task = start(host, '/usr/bin/cat');
      const other = start(host, '/usr/bin/cat');
      for (const each of [task, other, task, task, other, task, task]) open(host, each, '/none');
    });
    expect(alerts.map(({ rule, process }) => [rule, process.pid])).toHaveLength(1);
    const [alert] = alerts;
    const { correlation } = alert!;
    expect(correlation).toEqual({
      kind: 'threshold',
      count: 3,
      within: 60_000_000_000,
      key: { 'proc.pid': alert?.process.pid, 'proc.aname[2]': null },
      from: correlation?.events[0]?.time,
      to: alert?.time,
      events: [5, 7, 8].map((number) => ({
        number,
        time: correlation?.events.find((event) => event.number === number)?.time,
        event: 'openat',
        pid: alert?.process.pid,
      })),
    });
    expect(alert?.output).toBe(`cat ${alert?.process.pid}`);
    expect(parseAlert(JSON.stringify(alert))).toEqual({ alert });
    expect(entries.find(({ kind }) => kind === 'alert')?.body).toEqual(alert);
    expect(host.calls).toBeGreaterThan(0);
  });

  it('shows fields of earlier steps as they were then', async () => {
    const { alerts } = await run(policy, (host) => {
      const server = start(host, '/usr/sbin/nginx');
      const shell = fork(host, server);
      host.call(shell, 'execve', ['/usr/bin/bash', ['bash', '-c', 'cat /etc/passwd'], []]);
      const reader = fork(host, shell);
      host.call(shell, 'exit_group', [0]);
      host.call(reader, 'execve', ['/usr/bin/cat', ['cat', '/etc/passwd'], []]);
      open(host, server, '/etc/passwd');
      open(host, reader, '/etc/passwd');
      open(host, reader, '/etc/passwd');
    });
    expect(alerts.map(({ output }) => output)).toEqual([
      'bash -c cat /etc/passwd of nginx let cat read /etc/passwd (/usr/bin/bash)',
    ]);
    expect(alerts[0]?.fields).toMatchObject({ 'step[1].proc.pname': 'nginx', 'proc.name': 'cat' });
    expect(alerts[0]?.trust).toMatchObject({ 'step[1].proc.pname': 'resolved' });
    expect(alerts[0]?.correlation).toMatchObject({ kind: 'sequence', count: 2, key: {} });
    expect(alerts[0]?.correlation?.events.map(({ event }) => event)).toEqual(['execve', 'openat']);
  });
});

it('the rate limit eats no match that counts', async () => {
  const policy = policyOf(`
    - rule: counted
      condition: ${opening(0)}
      threshold: {more_than: 99, within: 60s}
      priority: notice
      output: "%proc.name"
    - rule: limited
      condition: ${opening(0)}
      priority: notice
      output: "%proc.name"
  `);
  const { alerts } = await run(
    policy,
    (host) => {
      const task = host.spawn({ exepath: '/usr/bin/cat' });
      for (let times = 0; times < 100; times++) open(host, task, '/etc/passwd');
    },
    { limit: { perSecond: 1, burst: 3 } },
  );
  expect(alerts.map(({ rule }) => rule)).toEqual(['limited', 'limited', 'limited', 'counted', 'Rule held back']);
});
