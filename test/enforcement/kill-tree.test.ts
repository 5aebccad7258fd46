import { expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { attemptSchema } from '../../alerts/index.ts';
import { createSimHost, type SimTask } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { count, seed } from '../support/counts.ts';
import { createRandom } from '../support/random.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const EPERM = 1;
const ENOSPC = 28;
const FDCWD = -100;
const CLONE_NEWPID = 0x2000_0000;
const CLONE_AS_THREAD = 0x1_0f00;
/** So many pid namespaces lie in each other at most in the simulation (docs/simulation.md). */
const DEEPEST = 3;
const PROTECTED = '/usr/bin/vi';
const SECRET = '/srv/secret';

const rule = ruleOf('kill secret', `evt.type in (open, openat, openat2) and fd.name = ${SECRET}`, {
  action: 'kill',
  tree: true,
  mode: 'enforce',
  scope: { cgroup: '/system.slice' },
});

/** A process of a random tree, and what the test itself did to it. */
interface Member {
  readonly task: SimTask;
  readonly parent: Member | undefined;
  isProtected: boolean;
  isOutside: boolean;
  /** The first processes of the pid namespaces that it is in, its own number 1 there included. */
  readonly firsts: readonly Member[];
  /** Its children are in a pid namespace of their own, whose first process this is: `later` until there is one. */
  inner: Member | 'later' | undefined;
}

it('random trees die as a whole but for who is protected or elsewhere, and nobody else with them', async () => {
  const random = createRandom(seed('kill-tree'));
  const host = createSimHost({ memory: 64 * 1024 * 1024, cgroups: ['/user.slice', '/system.slice/other.service'] });
  host.fs.write(SECRET, 'as it was', 0o666);
  const shell = host.spawn({ exepath: '/usr/bin/bash', cgroup: '/system.slice/web.service' });
  const { log, entries } = memoryLog();
  const met = { killed: 0, protected: 0, outside: 0, late: 0, threads: 0, namespaces: 0 };

  const forked = (task: SimTask): SimTask => {
    const { child } = host.call(task, 'fork', []);
    if (child === undefined) throw new Error('fork made no process');
    return child;
  };
  /** A child of a process, to which something may have happened since. */
  const grow = (parent: Member): Member => {
    const maker = parent.task;
    const { isProtected, isOutside, inner } = parent;
    const firsts: Member[] = [...parent.firsts];
    const member: Member = { task: forked(maker), parent, isProtected, isOutside, firsts, inner: undefined };
    const { task } = member;
    if (inner === 'later') parent.inner = member;
    if (inner !== undefined) firsts.push(inner === 'later' ? member : inner);
    switch (random.below(7)) {
      case 0:
        expect(host.call(task, 'execve', [PROTECTED, [PROTECTED], []]).result).toBe(0);
        member.isProtected = true;
        break;
      case 1:
        expect(host.call(task, 'execve', ['/usr/bin/cat', ['cat'], []]).result).toBe(0);
        member.isProtected = false;
        break;
      case 2:
        host.moveToCgroup(task, '/user.slice');
        member.isOutside = true;
        break;
      case 3:
        host.moveToCgroup(task, '/system.slice/other.service');
        member.isOutside = false;
        break;
      case 4:
        expect(host.call(task, 'clone', [CLONE_AS_THREAD]).result).toBeGreaterThan(0);
        met.threads++;
        break;
      case 5:
        if (firsts.length >= DEEPEST) {
          expect(host.call(task, 'unshare', [CLONE_NEWPID]).result).toBe(-ENOSPC);
          break;
        }
        expect(host.call(task, 'unshare', [CLONE_NEWPID]).result).toBe(0);
        member.inner = 'later';
        met.namespaces++;
        break;
      default:
        host.call(task, 'setsid', []);
    }
    return member;
  };

  const tree = (pump: () => void): void => {
    const top: Member = {
      task: forked(shell),
      parent: undefined,
      isProtected: false,
      isOutside: false,
      firsts: [],
      inner: undefined,
    };
    const members = [top];
    for (let size = random.between(1, 7); size > 0; size--) members.push(grow(random.pick(members)));
    const bystander = forked(shell);
    if (random.chance(0.5)) pump();
    const before = entries.length;
    expect(host.call(top.task, 'openat', [FDCWD, SECRET, 0, 0]).result).toBe(-EPERM);
    expect(top.task.alive).toBe(false);
    for (let late = random.below(3); late > 0; late--) {
      const parent = random.pick(members);
      if (!parent.task.alive) continue;
      members.push(grow(parent));
      met.late++;
    }
    pump();
    const isSpared = (member: Member): boolean =>
      member !== top && (member.isProtected || member.isOutside) && !diesWith(member);
    /** Who is in a pid namespace dies with its first process. */
    const diesWith = (member: Member): boolean => member.firsts.some((first) => first !== member && !isSpared(first));
    for (const member of members) {
      const { task, isProtected, isOutside } = member;
      const spared = isSpared(member);
      expect([task.pid, isProtected, isOutside, task.alive]).toEqual([task.pid, isProtected, isOutside, spared]);
      if (!spared) {
        expect(task.killedBy).toBe(9);
        met.killed++;
      } else if (isOutside) met.outside++;
      else met.protected++;
    }
    for (const thread of host.tasks())
      expect(members.some(({ task }) => !task.alive && thread.tgid === task.tgid)).toBe(false);
    expect([bystander.alive, shell.alive]).toEqual([true, true]);
    const outcomes = entries
      .slice(before)
      .flatMap(({ kind, body }) => (kind === 'enforcement' ? [attemptSchema.parse(body)] : []))
      .filter(({ pid }) => !members.some((member) => member.task.pid === pid && diesWith(member)))
      .map(({ pid, outcome }) => `${pid} ${outcome}`);
    const said = members.flatMap((member) => {
      const { task, isProtected, isOutside } = member;
      if ((isOutside && member !== top) || diesWith(member)) return [];
      return [`${task.pid} ${isProtected && task !== top.task ? 'suppressed: protected executable' : 'killed'}`];
    });
    expect(outcomes.toSorted()).toEqual(said.toSorted());
    for (const { task } of members) if (task.alive) host.end(task, { status: 0 });
    host.end(bystander, { status: 0 });
    pump();
  };

  await runAgent({
    policies: [policyOf([rule])],
    host: 'sim',
    enforce: true,
    log,
    protect: [PROTECTED],
    budget: { kills: 65_535, periodMs: 60_000 },
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      run: async (pump) => {
        for (let left = count(2_000); left > 0; left--) tree(pump);
        return { calls: host.calls, problems: [] };
      },
    },
  });
  for (const [what, times] of Object.entries(met)) expect([what, times >= count(2_000) / 20]).toEqual([what, true]);
}, 900_000);
