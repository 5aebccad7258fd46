import { describe, expect, it } from 'vitest';
import type { HookName } from '../../../engine/object/index.ts';
import {
  compile,
  EVENT_TYPES,
  factKey,
  factRow,
  factRowKey,
  MAX_FACT_COLUMNS,
  type Predicate,
  placePredicate,
  planRules,
  predicateText,
  type Rule,
  Truth,
} from '../../../rules/index.ts';
import { conditionOf, ruleOf } from '../../support/rules.ts';

const predicateOf = (text: string): Predicate => {
  const condition = conditionOf(text);
  if (condition.kind !== 'predicate') throw new Error(`${text} is not one predicate`);
  return condition;
};
const placed = (text: string, hook: HookName = 'tp_btf/sys_exit', type = 'getppid') => {
  const event = EVENT_TYPES.get(type);
  if (event === undefined) throw new Error(`there is no ${type}`);
  return placePredicate(predicateOf(text), { hook, event });
};

describe('the place of a fact', () => {
  it.each([
    ['container.id != host', 'container'],
    ['container.privileged = true', 'container'],
    ['k8s.ns.name in (a, b)', 'container'],
    ['container.mount.dest[/proc*] != "N/A"', 'container'],
    ['tolower(container.name) = x', 'container'],
    ['container.name = val(k8s.pod.name)', 'container'],
    ['user.name = root', 'user'],
    ['user.homedir startswith /home', 'user'],
    ['user.shell exists', 'user'],
    ['user.loginname != root', 'login'],
    ['group.name glob w*', 'group'],
  ])('of %s is a row of its %s', (text, of) => {
    for (const [hook, type] of [
      ['tp_btf/sys_exit', 'getppid'],
      ['tp_btf/sched_process_exec', 'execve'],
      ['tp_btf/sched_process_exit', 'procexit'],
      ['tp_btf/io_uring_submit_req', 'openat'],
      ['lsm/file_open', 'openat'],
      ['lsm/bprm_check_security', 'execve'],
      ['lsm/socket_connect', 'connect'],
    ] as const)
      expect(placed(text, hook, type)).toMatchObject({ kind: 'kernel', kernel: { place: 'facts', of } });
  });

  it.each([
    ['container.start_ts > 1', 'container.start_ts is only known to user space'],
    ['container.duration > 1', 'container.duration is only known to user space'],
    ['user.name = val(group.name)', 'two fields are compared after the kernel'],
    ['user.name = val(proc.name)', 'two fields are compared after the kernel'],
  ])('of %s is user space', (text, reason) => {
    expect(placed(text)).toEqual({ kind: 'user', reason });
  });
});

describe('tests of facts', () => {
  it('are shared between rules and hooks, wherever they are written, and have a column each in their source', () => {
    const plan = planRules([
      ruleOf('one', 'evt.type in (open, execve) and container.id != host and user.name = root'),
      ruleOf('two', 'evt.type = connect and   container.id   !=   "host" and not container.id = host'),
      ruleOf('three', 'evt.type = open and user.loginname = root'),
    ]);
    expect(plan.factTests.map(({ source, text, predicate }) => [source, text, predicateText(predicate)])).toEqual([
      ['container', 'container.id != host', 'container.id != host'],
      ['user', 'user.name = root', 'user.name = root'],
      ['container', 'container.id = host', 'container.id = host'],
      ['login', 'user.loginname = root', 'user.loginname = root'],
    ]);
    const numbers = plan.hooks.map(({ hook, predicates }) => [
      hook,
      predicates.filter(({ kernel }) => kernel.place === 'facts').length,
    ]);
    expect(Object.fromEntries(numbers)).toMatchObject({ 'tp_btf/sys_exit': 4, 'tp_btf/sched_process_exec': 2 });
  });

  it('differ where anything but their places does', () => {
    const key = (text: string): string => factKey('container', predicateOf(text));
    expect(key('container.name = x')).toBe(key('  container.name == "x"'));
    const texts = [
      'container.name = x',
      'container.name != x',
      'container.name = y',
      'container.image = x',
      'container.label[a] = x',
      'container.label[b] = x',
      'tolower(container.name) = x',
      'container.name in (x, y)',
    ];
    expect(new Set(texts.map(key)).size).toBe(texts.length);
  });

  it('beyond the columns that a row has are left to user space, for whichever rule they are of', () => {
    const rules: readonly Rule[] = Array.from({ length: MAX_FACT_COLUMNS / 10 + 1 }, (_, index) => {
      const names = Array.from({ length: 10 }, (_each, name) => `container.name = c${index * 10 + name}`);
      return ruleOf(`r${index}`, `evt.type = getppid and (${names.join(' or ')} or container.name = c0)`);
    });
    const plan = planRules(rules);
    expect(plan.factTests).toHaveLength(MAX_FACT_COLUMNS);
    const after = plan.placements.filter((each) => each.placed.kind === 'user');
    expect(after).toHaveLength(10);
    expect(new Set(after.map((each) => each.rule))).toEqual(new Set([MAX_FACT_COLUMNS / 10]));
    expect(after[0]?.placed).toEqual({
      kind: 'user',
      reason: 'the kernel is told 1,000 truths of containers at most, and the rules have more',
    });
  });
});

describe('rows of facts', () => {
  const { facts, object } = compile(
    [
      ruleOf('a', 'evt.type = getppid and container.id != host and container.name = x'),
      ruleOf('b', 'evt.type = getppid and user.name = root'),
    ],
    { level: '6.1' },
  );

  it('lie in a map for each source that rules use, a byte a test', () => {
    expect(facts.map(({ source, map, size, tests }) => [source, map, size, tests.map(({ text }) => text)])).toEqual([
      ['container', 'containers', 8, ['container.id != host', 'container.name = x']],
      ['user', 'users', 8, ['user.name = root']],
    ]);
    const maps = object.maps.filter(({ name }) => ['containers', 'users', 'groups', 'logins'].includes(name));
    expect(maps).toEqual([
      { name: 'containers', type: 'hash', keySize: 8, valueSize: 8, maxEntries: 65_536, flags: 1 },
      { name: 'users', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 16_384, flags: 1 },
    ]);
  });

  it('are keyed by the ids that records have', () => {
    const [containers, users] = facts;
    if (containers === undefined || users === undefined) throw new Error('there are no rows');
    expect([...factRowKey(containers, 0x1_0203n)]).toEqual([3, 2, 1, 0, 0, 0, 0, 0]);
    expect([...factRowKey(users, 0xffff_fffe)]).toEqual([0xfe, 0xff, 0xff, 0xff]);
    const row = factRow(containers, ({ text }) => (text === 'container.name = x' ? Truth.ABSENT : Truth.TRUE));
    expect([...row]).toEqual([Truth.TRUE, Truth.ABSENT, 0, 0, 0, 0, 0, 0]);
  });

  it('are none where no rule asks for facts', () => {
    const compiled = compile([ruleOf('a', 'evt.type = getppid and user.uid = 0')], { level: '6.12' });
    expect(compiled.facts).toEqual([]);
    expect(compiled.object.maps.map(({ name }) => name)).not.toContain('containers');
  });
});
