import { describe, expect, it } from 'vitest';
import {
  type Answer,
  type Asked,
  answerTo,
  CONFIG,
  compile,
  fanotifyTask,
  processKey,
  processValue,
  type Rule,
  SPARED,
  SWITCH,
} from '../../rules/index.ts';
import { ruleOf } from '../support/rules.ts';

const SCOPE = '/system.slice/app';
const OPENS = 'evt.type in (open, openat, openat2)';
const denying = (condition: string, more: Partial<Parameters<typeof ruleOf>[2]> = {}): Rule =>
  ruleOf('denied', condition, { action: 'deny', mode: 'enforce', scope: { cgroup: SCOPE }, ...more });
const SECRET = denying(`${OPENS} and fd.name = /data/secret and proc.name = cat and user.uid = 0`);
const PROGRAM = denying('evt.type in (execve, execveat) and proc.exepath = /data/program');

const ASKED: Asked = {
  on: 'open',
  path: '/data/secret',
  ino: 7n,
  dev: 0x30_0001n,
  typechar: 'f',
  pid: 4711,
  tid: 4712,
  start: 5_000_000_000n,
  comm: 'cat',
  parentPid: 1,
  parentStart: 1n,
  uid: 0,
  gid: 0,
  loginuid: 1000,
  cgroup: 99n,
  cgroupPath: `${SCOPE}/worker`,
  isKernelThread: false,
  exe: { ino: 70n, dev: 1n },
  time: 60_000_000_000n,
};

interface World {
  readonly rules?: readonly Rule[];
  readonly asked?: Partial<Asked>;
  /** Members of the configuration. */
  readonly config?: Partial<Record<'enforce' | 'expires' | 'agent' | 'unproven' | 'sentinel' | 'tried', number>>;
  /** proc.name as of exec; undefined: nothing is known of the process. */
  readonly name?: string | undefined;
  readonly wasProtected?: boolean;
  readonly spared?: number;
  readonly isProtected?: readonly (readonly [ino: bigint, dev: bigint])[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What is said where the maps have what a test says of the world. */
const answer = (world: World = {}): Answer | 'sentinel' | undefined => {
  const { rules = [SECRET, PROGRAM], config = {}, spared, isProtected = [], wasProtected = true } = world;
  const asked = { ...ASKED, ...world.asked };
  const compiled = compile(rules, { level: '6.12', hooks: [] });
  const { task, left } = fanotifyTask(compiled);
  expect(left).toEqual([]);
  const value = new Uint8Array(CONFIG.size);
  const view = new DataView(value.buffer);
  const { enforce = SWITCH.on, expires = 0, agent = 0, unproven = 0, sentinel = 0, tried = 0 } = config;
  view.setUint32(CONFIG.enforce, enforce, true);
  view.setBigUint64(CONFIG.expires, BigInt(expires), true);
  view.setUint32(CONFIG.agent, agent, true);
  view.setUint32(CONFIG.unproven, unproven === 0 ? 0 : task.bits[asked.on], true);
  view.setBigUint64(CONFIG.sentinel, BigInt(sentinel), true);
  view.setUint32(CONFIG.tried, tried === 0 ? 0 : task.bits[asked.on], true);
  const unknown = { exe: undefined, exepath: undefined, args: undefined, cmdline: undefined, env: undefined };
  const name = 'name' in world ? world.name : 'cat';
  const facts = processValue(compiled.processes, {
    ...unknown,
    name,
    memfd: undefined,
    upper: undefined,
    lower: undefined,
  });
  if (!wasProtected) facts[compiled.processes.isProtected] = 0;
  const key = hex(processKey(asked.pid, asked.start));
  const maps: Readonly<Record<string, ReadonlyMap<string, Uint8Array>>> = {
    config: new Map([['00000000', value]]),
    processes: new Map(name === undefined ? [] : [[key, facts]]),
    spared: new Map(spared === undefined ? [] : [[key, new Uint8Array([spared, 0, 0, 0])]]),
    protected: new Map(
      isProtected.map(([ino, dev]) => [hex(new Uint8Array(BigUint64Array.of(ino, dev).buffer)), new Uint8Array(4)]),
    ),
  };
  return answerTo(task, asked, (map, wanted) => maps[map]?.get(hex(wanted)));
};

const guardOf = (world: World): string | undefined => {
  const said = answer(world);
  if (said === undefined || said === 'sentinel') return said;
  expect(said.denied).toBe(said.guard === 'done');
  return said.guard;
};

describe('an open or exec that fanotify asks about', () => {
  it('is denied by the rule whose whole condition holds', () => {
    expect(answer()).toMatchObject({ matched: [0], certain: [0], guard: 'done', denied: true });
    expect(answer({ asked: { on: 'exec', path: '/data/program' } })).toMatchObject({ certain: [1], denied: true });
  });

  it.each<[string, World]>([
    ['another file', { asked: { path: '/data/free' } }],
    ['another user', { asked: { uid: 1000 } }],
    ['another program, whatever it calls itself now', { name: 'head', asked: { comm: 'cat' } }],
    ["a process outside of the policy's scope", { asked: { cgroupPath: '/system.slice/other' } }],
    ['an exec of the file, for a rule on opens', { asked: { on: 'exec' } }],
  ])('is nothing to rules: %s', (_, world) => expect(answer(world)).toBeUndefined());

  it('is let through, and told of, where something is not known', () => {
    const uncertain = { matched: [0], certain: [], denied: false };
    expect(answer({ name: undefined })).toMatchObject(uncertain);
    expect(answer({ asked: { cgroupPath: undefined } })).toMatchObject(uncertain);
    const absent = denying(`${OPENS} and fd.name = /data/secret and not proc.name = sshd`);
    expect(answer({ rules: [absent], name: undefined })).toMatchObject(uncertain);
    expect(answer({ rules: [absent] })).toMatchObject({ certain: [0], denied: true });
  });

  it('is let through under a policy that only monitors', () => {
    const watched = denying(`${OPENS} and fd.name = /data/secret`, { mode: 'monitor' });
    expect(answer({ rules: [watched] })).toMatchObject({ matched: [0], certain: [0], guard: 'done', denied: false });
  });

  it.each<[string, World]>([
    ['monitor', { config: { enforce: SWITCH.monitor } }],
    ['monitor', { config: { unproven: 1 } }],
    ['switched off', { config: { enforce: SWITCH.off } }],
    ['expired', { config: { expires: 60_000_000_000 } }],
    ['done', { config: { expires: 60_000_000_001 } }],
    ['agent', { config: { agent: 4711 } }],
    ['agent', { spared: SPARED.agent }],
    ['done', { spared: SPARED.containerInit }],
    ['init', { asked: { pid: 1 } }],
    ['kernel thread', { asked: { isKernelThread: true } }],
    ['protected executable', { isProtected: [[70n, 1n]] }],
    ['done', { isProtected: [[70n, 1n]], wasProtected: false }],
    ['done', { isProtected: [[7n, 0x30_0001n]] }],
    ['protected executable', { asked: { on: 'exec', path: '/data/program' }, isProtected: [[7n, 0x30_0001n]] }],
    ['executable unknown', { asked: { exe: undefined } }],
  ])('stands behind the guards: %s', (guard, world) => expect(guardOf(world)).toBe(guard));

  it("is denied to the agent's sentinel, and to nobody else, while it is tried", () => {
    const config = { sentinel: 99, tried: 1 };
    expect(answer({ config, asked: { path: '/any' } })).toBe('sentinel');
    expect(answer({ config, asked: { path: '/any', cgroup: 98n } })).toBeUndefined();
    expect(answer({ config: { sentinel: 99 }, asked: { path: '/any' } })).toBeUndefined();
  });
});

describe('rules that fanotify decides', () => {
  const leftOf = (condition: string) => fanotifyTask(compile([denying(condition)], { level: '6.12', hooks: [] }));
  it.each([
    [
      `${OPENS} and fd.name = /x and evt.is_open_write = true`,
      '"evt.is_open_write = true": fanotify does not say how a file is opened',
    ],
    [
      `${OPENS} and fd.name = /x and proc.pname = sh`,
      '"proc.pname = sh": ancestors are not looked at while the call waits for an answer',
    ],
    [`${OPENS} and fd.name = /x and proc.cwd = /tmp/`, '"proc.cwd = /tmp/": the working directory is not looked at'],
    [
      `${OPENS} and fd.name = /x and proc.tty = 0`,
      '"proc.tty = 0": it is not looked at while the call waits for an answer',
    ],
  ])('are none of those that need more than it tells: %s', (condition, why) => {
    const { task, left } = leftOf(condition);
    expect(task.rules).toEqual([]);
    expect(left).toEqual([{ rule: 0, why }]);
  });

  it('are those that deny opens and execs alone', () => {
    const rules = [
      denying(`${OPENS} and fd.name = /x`, { action: 'kill' }),
      denying(`${OPENS} and fd.name = /x`, { action: 'alert', mode: 'monitor' }),
      denying('evt.type in (unlink, unlinkat) and fs.path.name = /x'),
    ];
    expect(fanotifyTask(compile(rules, { level: '6.12', hooks: [] }))).toMatchObject({ task: { rules: [] }, left: [] });
  });
});
