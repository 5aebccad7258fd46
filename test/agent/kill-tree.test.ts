import { describe, expect, it } from 'vitest';
import { type AgentOptions, runAgent } from '../../agent/index.ts';
import { type Attempt, attemptSchema } from '../../alerts/index.ts';
import { createSimHost, type SimHost, type SimTask } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const EPERM = 1;
const FDCWD = -100;
const CGROUP = '/system.slice/web.service';

const rule = ruleOf('kill secret', 'evt.type in (open, openat, openat2) and fd.name = /srv/secret', {
  action: 'kill',
  tree: true,
  mode: 'enforce',
  scope: { cgroup: '/system.slice' },
});

interface Stage {
  readonly host: SimHost;
  readonly service: SimTask;
  readonly pump: () => void;
}

const play = async (act: (stage: Stage) => void, options: Partial<AgentOptions> = {}): Promise<readonly Attempt[]> => {
  const host = createSimHost({ memory: 32 * 1024 * 1024, cgroups: ['/user.slice'] });
  host.fs.write('/srv/secret', 'as it was', 0o666);
  const service = host.spawn({ exepath: '/usr/bin/bash', cgroup: CGROUP });
  const { log, entries } = memoryLog();
  await runAgent({
    policies: [policyOf([rule])],
    host: 'sim',
    enforce: true,
    log,
    ...options,
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      run: async (pump) => {
        act({ host, service, pump });
        pump();
        return { calls: host.calls, problems: [] };
      },
    },
  });
  return entries.flatMap(({ kind, body }) => (kind === 'enforcement' ? [attemptSchema.parse(body)] : []));
};

const fork = (host: SimHost, task: SimTask): SimTask => {
  const child = host.task(host.call(task, 'fork', []).result);
  if (child === undefined) throw new Error('fork made no process');
  return child;
};
const open = (host: SimHost, task: SimTask): number => host.call(task, 'openat', [FDCWD, '/srv/secret', 0, 0]).result;
const run = (host: SimHost, task: SimTask, path: string): number =>
  host.call(task, 'execve', [path, [path], []]).result;

describe('a kill of a tree', () => {
  it('takes the process, its descendants, and nobody else', async () => {
    let [top, child, grandchild, sibling] = [] as SimTask[];
    const attempts = await play(({ host, service }) => {
      top = fork(host, service);
      child = fork(host, top);
      grandchild = fork(host, child);
      sibling = fork(host, service);
      run(host, grandchild, '/usr/bin/cat');
      expect(open(host, top)).toBe(-EPERM);
      expect([top.alive, child.alive, grandchild.alive]).toEqual([false, true, true]);
    });
    expect([child?.alive, grandchild?.alive, sibling?.alive, sibling?.parent?.alive]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(attempts.map(({ pid, exe, outcome, descendantOf }) => [pid, exe, outcome, descendantOf])).toEqual([
      [top?.pid, '/usr/bin/bash', 'killed', undefined],
      [child?.pid, '/usr/bin/bash', 'killed', top?.pid],
      [grandchild?.pid, '/usr/bin/cat', 'killed', top?.pid],
    ]);
    expect(attempts.every(({ rule: name }) => name === 'kill secret')).toBe(true);
  });

  it('takes those that are forked before the agent comes to it, whose parents are gone by then', async () => {
    let late: SimTask | undefined;
    await play(({ host, service }) => {
      const top = fork(host, service);
      const child = fork(host, top);
      expect(open(host, top)).toBe(-EPERM);
      late = fork(host, child);
      host.end(child, { status: 0 });
      expect(late.parent?.pid).toBe(1);
    });
    expect(late?.alive).toBe(false);
  });

  it('stops at what is protected, and at the end of its scope', async () => {
    let [guarded, below, outside] = [] as SimTask[];
    const attempts = await play(
      ({ host, service }) => {
        const top = fork(host, service);
        guarded = fork(host, top);
        expect(run(host, guarded, '/usr/bin/vi')).toBe(0);
        below = fork(host, guarded);
        expect(run(host, below, '/usr/bin/cat')).toBe(0);
        outside = fork(host, top);
        host.moveToCgroup(outside, '/user.slice');
        expect(open(host, top)).toBe(-EPERM);
      },
      { protect: ['/usr/bin/vi'] },
    );
    expect([guarded?.alive, below?.alive, outside?.alive]).toEqual([true, false, true]);
    expect(attempts.map(({ outcome }) => outcome).sort()).toEqual([
      'killed',
      'killed',
      'suppressed: protected executable',
    ]);
  });

  it('does not happen where the process itself was not killed', async () => {
    let child: SimTask | undefined;
    const attempts = await play(
      ({ host, service }) => {
        const top = fork(host, service);
        child = fork(host, top);
        expect(open(host, top)).toBeGreaterThanOrEqual(0);
      },
      { enforce: false },
    );
    expect(child?.alive).toBe(true);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['would have']);
  });
});
