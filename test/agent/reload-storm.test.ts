import { describe, expect, it } from 'vitest';
import type { ReloadOutcome } from '../../agent/index.ts';
import { compile, parseTemplate, type Rule } from '../../rules/index.ts';
import { createSimHost, type SimHost, type SimTask } from '../../sensors/index.ts';
import { count, seed } from '../support/counts.ts';
import { createRandom, type Random } from '../support/random.ts';
import { runReloading, stormy } from '../support/reloading.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const FDCWD = -100;
const WORKER = '/usr/bin/worker';

const VERSIONS = 2;

const output = (text: string): Partial<Rule> => ({ output: parseTemplate(text).template });

/** Rules of which three stay and one is another each time, with other tests of processes. */
const rulesOf = (version: number): readonly Rule[] => [
  ruleOf(
    'opened',
    `evt.type = openat and fd.name startswith /tmp/f and proc.name in (worker, no${version % 3})`,
    output('open %fd.name %proc.name'),
  ),
  ruleOf(`never ${version}`, `evt.type in (openat, unlink) and fd.name = /tmp/f-${version}`, { priority: 'critical' }),
  ruleOf(
    'executed',
    'evt.type = execve and evt.failed = false and proc.cmdline startswith "worker "',
    output('exec %proc.args'),
  ),
  ruleOf(
    'by a child',
    `evt.type = mkdirat and proc.pname = worker${version % 2 === 0 ? '' : ` and not proc.name = x${version}`}`,
    { ...output('mkdir %proc.name %proc.pname'), priority: 'critical' },
  ),
];

/** What happens on the host, and what should be raised for it. */
const createStorm = (host: SimHost, random: Random) => {
  const expected: string[] = [];
  let tasks: SimTask[] = [];
  /** Of a task: the name as of its last exec, and its parent's. */
  const isWorker = new Map<number, boolean>();
  let number = 0;
  const pick = (): SimTask => (tasks.length === 0 ? host.root : random.pick(tasks));
  const acts: readonly ((task: SimTask) => void)[] = [
    (task) => {
      const child = host.task(host.call(task, 'fork', []).result);
      if (child === undefined) return;
      isWorker.set(child.pid, isWorker.get(task.pid) ?? false);
      tasks.push(child);
    },
    (task) => {
      if (task === host.root) return;
      const worker = random.chance(0.6);
      number++;
      host.call(task, 'execve', [
        worker ? WORKER : '/usr/bin/other',
        [worker ? 'worker' : 'other', String(number)],
        [],
      ]);
      isWorker.set(task.pid, worker);
      if (worker) expected.push(`exec ${number}`);
    },
    (task) => {
      number++;
      host.call(task, 'openat', [FDCWD, `/tmp/f${number}`, 0o101, 0o600]);
      if (isWorker.get(task.pid)) expected.push(`open /tmp/f${number} worker`);
    },
    (task) => {
      number++;
      host.call(task, 'mkdirat', [FDCWD, `/tmp/d${number}`, 0o700]);
      const { parent } = task;
      if (parent !== undefined && isWorker.get(parent.pid))
        expected.push(`mkdir ${isWorker.get(task.pid) ? 'worker' : task.name} worker`);
    },
    (task) => {
      if (task === host.root || tasks.length < 6) return;
      tasks = tasks.filter((each) => each !== task);
      host.call(task, 'exit_group', [0]);
    },
  ];
  host.fs.write(WORKER, '\x7fELF', 0o755);
  host.fs.write('/usr/bin/other', '\x7fELF', 0o755);
  return {
    expected,
    act: () => {
      host.advance(1_000n);
      random.pick(acts)(pick());
      if (tasks.length > 20) acts.at(-1)?.(pick());
    },
  };
};

describe('reloads during a storm of fork, exec and calls', () => {
  it('lose no match and double none, and keep them in their order', async () => {
    const reloads = count(1000);
    const host = createSimHost({ memory: 64 * 1024 * 1024, engine: 'interpreter' });
    const random = createRandom(seed('reload storm'));
    const storm = createStorm(host, random);
    let on = false;
    const kernel = stormy(host.kernel, () => {
      if (on) storm.act();
    });
    const versions = Array.from({ length: VERSIONS }, (_, version) => {
      const rules = rulesOf(version);
      return { policies: [policyOf(rules)], compiled: compile(rules, { level: '6.12' }) };
    });
    const outcomes: ReloadOutcome[] = [];
    const { alerts, summary, entries } = await runReloading(host, kernel, rulesOf(0), async (reload, pump) => {
      on = true;
      for (let version = 1; version <= reloads; version++) {
        for (let index = 0; index < 10; index++) storm.act();
        const next = versions[version % VERSIONS]!;
        outcomes.push(await reload(next.policies, next.compiled));
        pump();
      }
      on = false;
    });
    expect(outcomes.filter(({ done }) => !done)).toEqual([]);
    expect(summary.lost).toEqual(new Map());
    expect(storm.expected.length).toBeGreaterThan(20 * reloads);
    expect(alerts.map(({ output: text }) => text)).toEqual(storm.expected);
    expect(entries.filter(({ kind }) => kind === 'policy').length).toBe(1 + reloads);
  }, 600_000);
});
