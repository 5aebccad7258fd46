import { describe, expect, it } from 'vitest';
import type { HookName } from '../../../engine/object/index.ts';
import {
  compile,
  type Diagnostic,
  EVENT_TYPES,
  FIELDS,
  type Placed,
  type Predicate,
  placePredicate,
  planRules,
  type Rule,
  requestTypeOf,
  Truth,
} from '../../../rules/index.ts';
import { conditionOf, ruleOf } from '../../support/rules.ts';

const placedAt = (text: string, hook: HookName, type: string): Placed => {
  const event = EVENT_TYPES.get(type);
  if (event === undefined) throw new Error(`no event type ${type}`);
  return placePredicate(conditionOf(text) as Predicate, { hook, event });
};

const EXIT = 'tp_btf/sys_exit';
const EXEC = 'tp_btf/sched_process_exec';
const OPEN = 'lsm/file_open';
const BPRM = 'lsm/bprm_check_security';
const CONNECT = 'lsm/socket_connect';

describe('what becomes of a predicate', () => {
  it.each<[string, HookName, string, Placed]>([
    ['evt.type = open', EXIT, 'open', { kind: 'constant', truth: Truth.TRUE }],
    ['evt.type = open', EXIT, 'openat', { kind: 'constant', truth: Truth.FALSE }],
    ['fd.name = /x', EXIT, 'getpid', { kind: 'constant', truth: Truth.ABSENT }],
    ['fd.name exists', EXIT, 'getpid', { kind: 'constant', truth: Truth.FALSE }],
    ['fs.path.name = /x', EXIT, 'rename', { kind: 'constant', truth: Truth.ABSENT }],
    ['evt.arg[sig] = SIGKILL', EXIT, 'open', { kind: 'constant', truth: Truth.ABSENT }],
    ['evt.arg[status] = 0', 'tp_btf/sched_process_exit', 'procexit', { kind: 'constant', truth: Truth.ABSENT }],
    ['evt.rawres >= 0', EXEC, 'execve', { kind: 'constant', truth: Truth.TRUE }],
    ['evt.res = ENOENT', EXEC, 'execve', { kind: 'constant', truth: Truth.FALSE }],
    ['evt.failed = false', OPEN, 'openat', { kind: 'constant', truth: Truth.TRUE }],
    ['evt.rawres < 0', OPEN, 'openat', { kind: 'constant', truth: Truth.FALSE }],
    ['fd.num >= 0', OPEN, 'openat', { kind: 'constant', truth: Truth.TRUE }],
    ['evt.type in (open, openat, openat2)', OPEN, 'openat', { kind: 'constant', truth: Truth.TRUE }],
    ['evt.type = connect', OPEN, 'openat', { kind: 'constant', truth: Truth.FALSE }],
    ['evt.rawres > 9223372036854775807', EXIT, 'read', { kind: 'constant', truth: Truth.FALSE }],
  ])('%s is known beforehand at %s on %s', (text, hook, type, placed) => {
    expect(placedAt(text, hook, type)).toEqual(placed);
  });

  it.each<[string, HookName, string, object]>([
    ['user.uid = 0', EXIT, 'read', { place: 'number', of: { slot: 'uid' }, test: { ranges: [[0n, 0n]] } }],
    ['evt.res = ENOENT', EXIT, 'open', { place: 'number', of: { slot: 'result' }, test: { ranges: [[-2n, -2n]] } }],
    ['evt.res = E41', EXIT, 'open', { place: 'number', of: { slot: 'result' }, test: { ranges: [[-41n, -41n]] } }],
    [
      'evt.is_open_write = true',
      EXIT,
      'open',
      { place: 'number', of: { slot: 'access' }, test: { ranges: [[1n, 2n]] } },
    ],
    [
      'evt.arg[sig] = SIGKILL',
      EXIT,
      'kill',
      { place: 'number', of: { slot: 'argument', index: 1, bits: 32 }, test: { ranges: [[9n, 9n]] } },
    ],
    [
      'evt.arg[sig] = 34',
      EXIT,
      'kill',
      { place: 'number', of: { slot: 'argument', index: 1, bits: 32 }, test: { ranges: [[34n, 34n]] } },
    ],
    ['fd.name startswith /etc/', EXIT, 'open', { place: 'string', of: 'file', part: 'whole' }],
    ['fd.directory = /etc', EXIT, 'open', { place: 'string', of: 'file', part: 'directory' }],
    ['fs.path.source = /x', EXIT, 'rename', { place: 'string', of: 'path', part: 'whole' }],
    ['fs.path.target = /x', EXIT, 'rename', { place: 'string', of: 'path2', part: 'whole' }],
    ['fs.path.target = /x', EXIT, 'symlink', { place: 'string', of: 'path', part: 'whole' }],
    ['proc.name = cat', EXIT, 'open', { place: 'process', depth: 0, fact: 'name' }],
    ['proc.pname = cat', EXIT, 'open', { place: 'process', depth: 1, fact: 'name' }],
    ['proc.aname[3] = cat', EXIT, 'open', { place: 'process', depth: 3, fact: 'name' }],
    ['proc.aname = cat', EXIT, 'open', { place: 'process', depth: 'any', fact: 'name' }],
    ['fd.sip = 10.0.0.1', EXIT, 'connect', { place: 'address', ends: ['remote'] }],
    ['fd.sip = 10.0.0.1', EXIT, 'bind', { place: 'address', ends: ['local'] }],
    ['fd.net = 10.0.0.0/8', EXIT, 'connect', { place: 'address', ends: ['local', 'remote'] }],
    ['fd.sport = 22', CONNECT, 'connect', { place: 'port', ends: ['remote'] }],
    ['fd.name = /etc/shadow', OPEN, 'openat', { place: 'string', of: 'file', part: 'whole' }],
    ['proc.exepath = /bin/nc', BPRM, 'execve', { place: 'string', of: 'file', part: 'whole' }],
    ['proc.exepath = /bin/nc', EXEC, 'execve', { place: 'process', depth: 0, fact: 'exepath' }],
  ])('%s is evaluated in the kernel at %s on %s', (text, hook, type, kernel) => {
    expect(placedAt(text, hook, type)).toMatchObject({ kind: 'kernel', kernel });
  });

  it.each<[string, HookName, string, string]>([
    ['fd.name = /x', EXIT, 'connect', "a socket's name is put together after the kernel"],
    ['container.start_ts > 1', EXIT, 'open', 'container.start_ts is only known to user space'],
    ['evt.arg[flags] startswith O_RDWR', EXIT, 'open', 'evt.arg[flags] is put into words after the kernel'],
    ['evt.arg[sig] contains 9', EXIT, 'kill', "the operator contains on a number's name"],
    ['fs.path.source = /x', EXIT, 'symlink', 'what a symbolic link points to is read after the kernel'],
    ['proc.aname[9] = x', EXIT, 'open', 'an ancestor more than 8 levels up'],
    ['fs.path.name = /x', EXEC, 'execve', 'the path as passed is gone once the exec succeeded; proc.exepath is known'],
    ['fs.path.name = /x', OPEN, 'openat', "fs.path.name isn't known at lsm/file_open; fd.name is"],
    ['evt.type = open', OPEN, 'openat', "lsm/file_open can't tell open, openat, openat2 apart; name all of them"],
    ['evt.type = creat', OPEN, 'openat', "lsm/file_open can't tell open, openat, openat2 apart; name all of them"],
    ['evt.rawres = 3', OPEN, 'openat', "evt.rawres doesn't exist yet at lsm/file_open"],
    ['fd.num = 3', CONNECT, 'connect', "fd.num isn't known at lsm/socket_connect"],
    ['evt.is_open_create = true', OPEN, 'openat', 'O_CREAT is gone from the flags at lsm/file_open'],
    ['evt.arg[fd] = 3', CONNECT, 'connect', "evt.arg[fd] isn't known at lsm/socket_connect"],
    [
      'proc.name = nc',
      BPRM,
      'execve',
      "proc.name of the new program isn't known at lsm/bprm_check_security; proc.exepath is",
    ],
  ])('%s is left to user space at %s on %s', (text, hook, type, reason) => {
    expect(placedAt(text, hook, type)).toEqual({ kind: 'user', reason });
  });

  const VALUES = { string: 'x', list: 'x', number: '1', boolean: 'true', address: '10.0.0.1' } as const;

  it.each(FIELDS.filter(({ place }) => place === 'kernel'))(
    'is decided in the kernel for some event: $name',
    (field) => {
      const { name, type, argument } = field;
      const text =
        name === 'evt.type'
          ? 'evt.type = open'
          : name === 'evt.dir'
            ? 'evt.dir contains x'
            : argument === 'name'
              ? `${name}[uid] = 0`
              : argument === 'key'
                ? `${name}[x] = x`
                : `${name} = ${VALUES[type]}`;
      const kinds = new Set(
        [...EVENT_TYPES.keys()].map((event) => placedAt(text, EXIT, event)).map(({ kind }) => kind),
      );
      expect(kinds.has('kernel') || (!kinds.has('user') && kinds.has('constant'))).toBe(true);
    },
  );
});

describe('a plan', () => {
  it('shares predicates between rules and gives them numbers by hook', () => {
    const plan = planRules([
      ruleOf('one', 'evt.type = open and user.uid = 0 and fd.name = /x'),
      ruleOf('two', 'evt.type = open and fd.name = /x and user.uid != 0'),
      ruleOf('three', 'evt.type = execve and user.uid = 0'),
    ]);
    expect(plan.hooks.map(({ hook, predicates }) => [hook, predicates.map(({ text }) => text)])).toEqual([
      [EXIT, ['user.uid = 0', 'fd.name = /x', 'user.uid != 0']],
      [EXEC, ['user.uid = 0']],
    ]);
    expect(plan.diagnostics).toEqual([]);
  });

  it('asks for each fact of processes once, whoever asks', () => {
    const { processTests } = planRules([
      ruleOf('one', 'evt.type = open and proc.name = cat and proc.pname = cat'),
      ruleOf('two', 'evt.type = execve and proc.aname = cat and proc.exepath = /x'),
    ]);
    expect(processTests.map(({ fact }) => fact)).toEqual(['name', 'exepath']);
  });

  it('looks at every system call for a rule that names no event type, and at the end of processes only where asked to', () => {
    const types = (text: string, on: readonly string[] = []) => {
      const { hooks } = planRules([ruleOf('one', text, { on })]);
      return hooks.flatMap(({ hook, events }) => events.map(({ event }) => `${hook} ${event.type}`));
    };
    const calls = [...EVENT_TYPES.values()].filter(({ nr }) => nr >= 0);
    const requests = calls.filter(({ type }) => requestTypeOf(type) !== undefined);
    expect(types('user.uid = 0').length).toBe(calls.length + requests.length + 1);
    expect(types('evt.type = unlinkat')).toEqual([`${EXIT} unlinkat`, 'tp_btf/io_uring_submit_req unlinkat']);
    expect(types('evt.type = unlinkat and evt.io_uring = true')).toEqual(['tp_btf/io_uring_submit_req unlinkat']);
    expect(types('evt.type = unlinkat and not evt.io_uring = true')).toEqual([`${EXIT} unlinkat`]);
    expect(types('user.uid = 0', ['open'])).toEqual([`${EXIT} open`]);
    expect(types('evt.type = procexit')).toEqual(['tp_btf/sched_process_exit procexit']);
    expect(types('evt.type in (execve, execveat)')).toEqual([`${EXEC} execve`, `${EXIT} execve`, `${EXIT} execveat`]);
  });

  const missing = (field: string) => ({ field, expected: 'a field that the event has' });
  it.each([
    [
      'evt.type = open and fd.sip = 10.0.0.1',
      { line: 5, column: 38, ...missing('fd.sip'), message: 'rule "never" can never match: open has no fd.sip' },
    ],
    [
      'fs.path.name = /x and evt.type in (getpid, gettid)',
      {
        line: 5,
        column: 18,
        ...missing('fs.path.name'),
        message: 'rule "never" can never match: getpid and gettid have no fs.path.name',
      },
    ],
    [
      'evt.type = open and evt.type = close',
      {
        line: 4,
        column: 7,
        field: 'condition',
        message: 'rule "never" can never match: there is no event type for which its condition can be true',
      },
    ],
    [
      'evt.type in (open, chmod) and (fd.sip = 10.0.0.1 or fd.sport = 1)',
      {
        line: 4,
        column: 7,
        field: 'condition',
        message: 'rule "never" can never match: there is no event type for which its condition can be true',
      },
    ],
  ])('warns of a rule that can never match: %s', (condition, found) => {
    const plan = planRules([ruleOf('never', condition)]);
    expect(plan.hooks).toEqual([]);
    expect(plan.diagnostics).toEqual([{ file: 'test.yaml', severity: 'warning', code: 'never-matches', ...found }]);
  });
});

describe('a rule that acts', () => {
  it.each([
    ['deny', 'evt.type in (open, openat, openat2) and fd.num >= 0', 'open, openat or openat2', 'lsm/file_open'],
    ['deny', 'evt.type = connect', 'connect', 'lsm/socket_connect'],
    ['kill', 'evt.type in (execve, execveat) and evt.failed = false', 'execve', 'tp_btf/sched_process_exec'],
  ] as const)('may not %s everything in its scope: %s', (action, condition, calls, hook) => {
    const rule = ruleOf('act', condition, { action, mode: 'enforce', scope: { cgroup: '/a' } });
    expect(planRules([rule]).diagnostics).toEqual([
      {
        ...rule.position,
        severity: 'error',
        code: 'matches-everything',
        field: 'condition',
        expected: 'a condition that tells calls apart, by fd.name, fd.sip or proc.exepath',
        message: `rule "act" may not ${action} every ${calls} in its scope: nothing in its condition tells one from another at ${hook}`,
      },
    ]);
  });

  const SCOPE = { cgroup: '/system.slice' };
  const acting = (action: Rule['action'], condition: string, more: Partial<Rule> = {}): Rule =>
    ruleOf('act', condition, { action, mode: 'enforce', scope: SCOPE, ...more });
  const found = (rule: Rule): readonly Diagnostic[] => {
    const plan = planRules([rule]);
    if (plan.diagnostics.some(({ severity }) => severity === 'error')) expect(plan.hooks).toEqual([]);
    return plan.diagnostics;
  };
  const at = (column: number) => ({ file: 'test.yaml', line: 5, column, severity: 'error', code: 'not-in-kernel' });
  const expected = 'predicates that the kernel decides before the effect';

  it.each<[Rule['action'], string, HookName]>([
    ['deny', 'evt.type in (open, openat, openat2) and fd.name = /etc/shadow', OPEN],
    ['kill', 'evt.type in (open, openat, openat2, creat) and fd.name = /etc/shadow and not proc.name = cat', OPEN],
    ['deny', 'evt.type = connect and fd.sip = 10.0.0.1', CONNECT],
    ['deny', 'evt.type = execve and proc.exepath startswith /tmp/', BPRM],
    ['kill', 'evt.type in (execve, execveat) and proc.cmdline contains evil', EXEC],
  ])('can %s: %s', (action, condition, hook) => {
    const plan = planRules([acting(action, condition)]);
    expect(plan.diagnostics).toEqual([]);
    expect(plan.hooks.map((each) => each.hook)).toEqual([hook]);
    expect(plan.scopes).toEqual(['/system.slice']);
  });

  it('is refused where the kernel can not decide', () => {
    expect(found(acting('deny', 'evt.type = connect and container.start_ts > 1'))).toEqual([
      {
        ...at(18 + 'evt.type = connect and '.length),
        field: 'container.start_ts',
        expected,
        message: `rule "act" can't deny at lsm/socket_connect: "container.start_ts > 1" isn't decided there (container.start_ts is only known to user space)`,
      },
    ]);
  });

  it('is refused for each predicate that is not known before the effect', () => {
    const condition = 'evt.type in (open, openat, openat2) and evt.rawres = 3 and fs.path.name = /x';
    expect(found(acting('deny', condition)).map(({ message }) => message)).toEqual([
      `rule "act" can't deny at lsm/file_open: "evt.rawres = 3" isn't decided there (evt.rawres doesn't exist yet at lsm/file_open)`,
      `rule "act" can't deny at lsm/file_open: "fs.path.name = /x" isn't decided there (fs.path.name isn't known at lsm/file_open; fd.name is)`,
    ]);
  });

  it.each(['evt.type = open', 'evt.type = creat', 'evt.type in (open, openat)'])(
    'is refused for a part of the family that opens files: %s',
    (type) => {
      const condition = `${type} and fd.name = /x`;
      expect(found(acting('deny', condition))).toEqual([
        {
          ...at(18),
          field: 'evt.type',
          expected,
          message: `rule "act" can't deny at lsm/file_open: "${type}" isn't decided there (lsm/file_open can't tell open, openat, openat2 apart; name all of them)`,
        },
      ]);
    },
  );

  it('is refused for a part of the family that opens files, named by "on"', () => {
    expect(found(acting('deny', 'fd.name = /x', { on: ['open', 'openat'] }))).toEqual([
      {
        file: 'test.yaml',
        line: 4,
        column: 7,
        severity: 'error',
        code: 'not-in-kernel',
        field: 'on',
        expected: 'on: [open, openat, openat2]',
        message: `rule "act" can't deny on open, openat alone: lsm/file_open can't tell open, openat, openat2 apart; name all of them`,
      },
    ]);
    expect(found(acting('deny', 'fd.name = /x', { on: ['open', 'openat', 'openat2'] }))).toEqual([]);
  });

  it('is refused for events that have no hook before their effect', () => {
    expect(found(acting('kill', 'evt.type = mkdir and fs.path.name = /x'))).toEqual([
      {
        file: 'test.yaml',
        line: 4,
        column: 7,
        severity: 'error',
        code: 'no-hook-before-effect',
        field: 'action',
        message:
          'rule "act" can\'t kill mkdir: there is no hook before its effect; kill works on open, exec, connect, bind, sendto, unlink, rename, link, symlink, chmod, kill, ptrace, mount, setuid, init_module, bpf and their like',
      },
    ]);
  });

  it('is refused without a scope where its policy enforces', () => {
    const condition = 'evt.type = connect and fd.sip = 10.0.0.1';
    expect(found(acting('deny', condition, { scope: {} }))).toEqual([
      {
        file: 'test.yaml',
        line: 4,
        column: 7,
        severity: 'error',
        code: 'scope-required',
        field: 'scope',
        expected: 'scope: {cgroup: /some.slice}',
        message: 'rule "act" may not deny without a scope',
      },
    ]);
    expect(found(acting('deny', condition, { scope: {}, mode: 'monitor' }))).toEqual([]);
  });

  it('is refused where its patterns need too many states; a rule that alerts is told that user space decides', () => {
    const glob = `*a${'?'.repeat(14)}b`;
    const condition = `evt.type in (open, openat, openat2) and fd.name glob "${glob}"`;
    const message = `rule "act": the patterns of "fd.name glob ${glob}" need more states than one matcher may have; user space decides them`;
    const place = { file: 'test.yaml', line: 5, column: 18 + 'evt.type in (open, openat, openat2) and '.length };
    const detail = { ...place, code: 'matcher-too-large', field: 'fd.name' };
    expect(compile([acting('deny', condition)], { level: '6.12' }).diagnostics).toEqual([
      { ...detail, severity: 'error', message: `${message}, so that the rule can't deny` },
    ]);
    expect(compile([ruleOf('act', condition)], { level: '6.12' }).diagnostics).toEqual([
      { ...detail, severity: 'warning', message },
    ]);
  });
});
