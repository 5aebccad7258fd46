import assert from 'node:assert/strict';
import type { Compiled, EventRecord, Guard } from '../../rules/index.ts';
import type { CallResult } from '../../sensors/index.ts';
import { createRandom, type Random } from '../support/random.ts';
import { type Actor, createLab, type Lab, ROLES, type Role } from './lab.ts';
import { type Budget, createBudget, type Expected, expect, type Setting, verdictOf } from './model.ts';
import {
  ADDRESSES,
  type Deed,
  type Doer,
  MODES,
  MOUNT_POINTS,
  NEW_NAMES,
  OPENED,
  PORTS,
  PROGRAMS,
  PROTECTED,
  type RandomRule,
  SIGNALS,
  UIDS,
} from './policies.ts';
import { snapshotOf, withoutProcess } from './snapshot.ts';

const EPERM = 1;
const DEEDS = 5;

/** How often each thing happened. */
export interface Counts {
  runs: number;
  enforcing: number;
  denied: number;
  killed: number;
  readonly guards: Map<Guard, number>;
  /** Deeds of those who look like someone guarded and are not, that were denied or killed all the same. */
  readonly caught: Map<Role, number>;
  /** Calls of each kind that were denied. */
  readonly kinds: Map<Deed['kind'], number>;
}

export const createCounts = (): Counts => ({
  runs: 0,
  enforcing: 0,
  denied: 0,
  killed: 0,
  guards: new Map(),
  caught: new Map(),
  kinds: new Map(),
});

const bump = <Key>(map: Map<Key, number>, key: Key): void => {
  map.set(key, (map.get(key) ?? 0) + 1);
};

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Whoever is in a pid namespace of its own has no number for somebody outside. */
const SECLUDED: ReadonlySet<Role> = new Set<Role>([
  'container init',
  'namespace init',
  'container child',
  'pid namespace',
]);

/** @param index which deed of its run it is: new links have a name of their own each */
const randomDeed = (random: Random, { standing, role }: Actor, index: number): Deed => {
  const { isKernelThread, isInit } = standing;
  const reaches = SECLUDED.has(role) ? 0 : 1;
  // init goes on as it was; a process of a new user namespace has no other user to become
  const becomes = isInit || isKernelThread || role === 'user namespace' ? 0 : 1;
  const kind = random.weighted<Deed['kind']>([
    [5, 'open'],
    [isKernelThread || isInit || role === 'thread' ? 0 : 4, 'exec'],
    [2, 'connect'],
    [1, 'send'],
    [1, 'bind'],
    [1, 'unlink'],
    [1, 'rename'],
    [1, 'link'],
    [1, 'chmod'],
    [1, 'mount'],
    [reaches, 'signal'],
    [reaches, 'ptrace'],
    [becomes, 'setuid'],
  ]);
  const path = random.pick(OPENED);
  switch (kind) {
    case 'open':
      return { kind, path, write: random.chance(0.3) };
    case 'exec':
      return { kind, path: random.pick(PROGRAMS), evil: random.chance(0.3) };
    case 'connect':
    case 'send':
      return { kind, address: random.pick(ADDRESSES), port: random.pick(PORTS) };
    case 'bind':
      return { kind, port: random.pick(PORTS) };
    case 'unlink':
      return { kind, path };
    case 'rename':
      return { kind, path, to: random.pick(NEW_NAMES) };
    case 'link':
      return { kind, path, to: `/srv/l${index}` };
    case 'chmod':
      return { kind, path, mode: random.pick(MODES) };
    case 'mount':
      return { kind, path: random.pick(MOUNT_POINTS) };
    case 'signal':
      return { kind, signal: random.pick(SIGNALS) };
    case 'ptrace':
      return { kind };
    case 'setuid':
      return { kind, uid: random.pick(UIDS) };
  }
};

/** What is to become of a deed, by the rules said in JavaScript and the guards as documented. */
const predict = (
  rules: readonly RandomRule[],
  deed: Deed,
  actor: Actor,
  setting: Setting,
  time: bigint,
  budget: Budget,
): { readonly before: Expected; readonly after: Expected | undefined } => {
  const { program, claims, doer } = actor;
  const of = (
    own: readonly RandomRule[],
    who: Doer,
    runs: string,
    isProtected: boolean,
    refuses: boolean,
    standing = actor.standing,
  ): Expected =>
    expect(
      {
        verdict: verdictOf(own.filter((rule) => rule.matches(deed, who))),
        setting,
        standing,
        isProtected,
        refuses,
        time,
        key: `${runs} ${doer.cgroup}`,
      },
      budget,
    );
  const wasProtected = program === PROTECTED;
  if (deed.kind !== 'exec') return { before: of(rules, doer, claims, wasProtected, true), after: undefined };
  const denying = rules.filter(({ rule }) => rule.action === 'deny');
  const before = of(denying, doer, claims, wasProtected || deed.path === PROTECTED, true);
  if (before.denied) return { before, after: undefined };
  const afterwards = { ...actor.standing, isUnknown: false };
  const killing = rules.filter(({ rule }) => rule.action === 'kill');
  const now = { ...doer, name: baseName(deed.path) };
  return { before, after: of(killing, now, deed.path, deed.path === PROTECTED, false, afterwards) };
};

/** The record of a hook before the effect, or of an exec. */
const sayings = (records: readonly EventRecord[]) => ({
  before: records.find(({ hook }) => hook.startsWith('lsm/')),
  after: records.find(({ hook }) => hook === 'tp_btf/sched_process_exec'),
});

const isSaid = (expected: Expected | undefined, record: EventRecord | undefined, what: string): void => {
  if (expected === undefined || expected.verdict === 'alert') {
    assert.equal(record?.verdict ?? 'alert', 'alert', `${what}: nothing was to be done`);
    return;
  }
  assert.ok(record !== undefined, `${what}: it is on record`);
  const said = { verdict: record.verdict, guard: record.guard, denied: record.denied };
  const { verdict, guard, denied } = expected;
  assert.deepEqual(said, { verdict, guard, denied }, what);
};

/** A policy's host, the same host without programs where nothing is to be done there, and what is counted. */
export interface Bench {
  readonly rules: readonly RandomRule[];
  readonly lab: Lab;
  readonly watches: 'agent' | 'policy' | undefined;
  readonly twin: Lab | undefined;
  readonly budget: Budget;
}

/** @param watches who only watches in all runs, so that they are the same as on a host without programs; undefined: runs enforce */
export const createBench = (
  rules: readonly RandomRule[],
  compiled: Compiled,
  seed: number,
  watches: Bench['watches'],
): Bench => ({
  rules,
  lab: createLab(seed, compiled),
  watches,
  twin: watches && createLab(seed),
  budget: createBudget(),
});

const LOOKS_LIKE: ReadonlySet<Role> = new Set<Role>([
  'agent child',
  'other start',
  'copy',
  'claimant',
  'namespace init',
  'container child',
  'thread',
  'user namespace',
  'pid namespace',
  'moved',
]);

const plain = ({ result, fds }: CallResult) => ({ result, fds });

const settingOf = (random: Random, bench: Bench): Setting => {
  const now = bench.lab.host.bootNs;
  if (bench.watches !== undefined) return { state: bench.watches === 'agent' ? 'monitor' : 'on', expires: 0n };
  const state = random.weighted<Setting['state']>([
    [9, 'on'],
    [1, 'off'],
    [1, 'monitor'],
  ]);
  const expires = random.weighted([
    [9, 0n],
    [1, now - 1n],
    [1, now + 10_000_000_000n],
  ]);
  return { state, expires };
};

/** One run: some tasks do something each, and what becomes of them is what the rules and the guards say. @throws AssertionError */
export const run = (bench: Bench, seed: number, counts: Counts): void => {
  const { rules, lab, twin, budget } = bench;
  const random = createRandom(seed);
  const setting = settingOf(random, bench);
  // while the tasks are made nothing is done to them, as nothing is to processes that were there before
  lab.configure?.({ state: 'monitor', expires: 0n });
  const wait = random.pick([0, 0, 1, 6]) * 1_000_000_000;
  const makeUp = createRandom(seed);
  const makeUpTwin = createRandom(seed);
  const roles = Array.from({ length: DEEDS }, () => random.pick(ROLES));
  for (const each of [lab, twin]) each?.host.advance(wait);
  const actors = roles.map((role) => lab.actor(role, makeUp));
  const twins = twin && roles.map((role) => twin.actor(role, makeUpTwin));
  lab.configure?.(setting);
  lab.records?.();
  counts.runs++;
  if (setting.state === 'on' && bench.watches === undefined) counts.enforcing++;
  for (const [index, actor] of actors.entries()) {
    if (!actor.task.alive) continue;
    const deed = randomDeed(random, actor, index);
    const how = random.below(2 ** 30);
    let before: readonly string[] = [];
    let expected = undefined as ReturnType<typeof predict> | undefined;
    const result = lab.act(actor.task, deed, createRandom(how), () => {
      lab.records?.();
      const time = lab.host.bootNs;
      expected = predict(rules, deed, actor, setting, time, budget);
      if (expected.before.denied) before = snapshotOf(lab.host);
    });
    const what = `seed ${seed}, deed ${index}: ${actor.role} ${JSON.stringify(deed)}`;
    check(actor, deed, expected!, result, before, lab, counts, what);
    const double = twins?.[index];
    if (twin !== undefined && double !== undefined) {
      const alone = twin.act(double.task, deed, createRandom(how), () => undefined);
      assert.deepEqual(plain(result), plain(alone), `${what}: as without policies`);
      assert.equal(lab.host.bootNs, twin.host.bootNs, `${what}: when`);
    }
  }
  if (twin !== undefined)
    assert.deepEqual(snapshotOf(lab.host), snapshotOf(twin.host), `seed ${seed}: the host as without policies`);
  lab.configure?.({ state: 'monitor', expires: 0n });
  lab.tidy();
  twin?.tidy();
};

const check = (
  actor: Actor,
  deed: Deed,
  expected: ReturnType<typeof predict>,
  result: CallResult,
  before: readonly string[],
  lab: Lab,
  counts: Counts,
  what: string,
): void => {
  const { task, role } = actor;
  const said = sayings(lab.records?.() ?? []);
  isSaid(expected.before, said.before, `${what}, before`);
  isSaid(expected.after, said.after, `${what}, after`);
  const denied = expected.before.denied;
  const killed = expected.before.killed || expected.after?.killed === true;
  if (denied) {
    assert.equal(result.result, -EPERM, `${what}: is denied`);
    counts.denied++;
    bump(counts.kinds, deed.kind);
  } else {
    assert.equal(result.deniedBy, undefined, `${what}: is not denied`);
    if (deed.kind === 'exec') {
      assert.equal(result.result, 0, `${what}: runs`);
      actor.program = deed.path;
      actor.claims = deed.path;
      actor.doer = { ...actor.doer, name: baseName(deed.path) };
    }
  }
  assert.equal(task.alive, !killed, `${what}: ${killed ? 'is killed' : 'lives'}`);
  if (killed) {
    assert.equal(task.killedBy, 9, what);
    assert.throws(() => lab.host.call(task, 'getpid', []), /dead/, `${what}: makes no further call`);
    for (const thread of lab.host.tasks()) assert.notEqual(thread.tgid, task.tgid, `${what}: no thread is left`);
    counts.killed++;
  }
  if (denied) {
    const after = snapshotOf(lab.host);
    const [was, is] = killed ? [withoutProcess(before, task), withoutProcess(after, task)] : [before, after];
    assert.deepEqual(is, was, `${what}: nothing has changed`);
  }
  for (const each of [expected.before, expected.after])
    if (each !== undefined && each.verdict !== 'alert') {
      bump(counts.guards, each.guard);
      if (each.guard === 'done' && LOOKS_LIKE.has(role)) bump(counts.caught, role);
    }
};
