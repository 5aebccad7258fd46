import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CheckRecord, checkRecord } from '../../cli/check-records.ts';
import { jsonLines } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';

const TEN_MISTAKES = 'test/policies/data/ten-mistakes.yaml';

const policyFile = (rules: string, more = ''): string => {
  const file = join(temporaryFolder(), 'policy.yaml');
  writeFileSync(file, `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n${more}  rules:\n${rules}`);
  return file;
};

const records = (stdout: string): readonly CheckRecord[] => jsonLines(stdout).map((line) => checkRecord.parse(line));

describe('ten mistakes in one file', () => {
  it('give ten diagnostics in one run, each with its place', async () => {
    const { code, stdout, stderr } = await shrike('check', TEN_MISTAKES, '--json');
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const found = records(stdout);
    const places = found.flatMap((record) =>
      record.type === 'diagnostic' ? [[record.file, record.line, record.column, record.code, record.nearest]] : [],
    );
    expect(places).toEqual([
      [TEN_MISTAKES, 8, 56, 'bad-number', undefined],
      [TEN_MISTAKES, 11, 12, 'unknown-event', 'openat'],
      [TEN_MISTAKES, 13, 17, 'unknown-priority', 'critical'],
      [TEN_MISTAKES, 14, 33, 'unknown-field', 'fd.name'],
      [TEN_MISTAKES, 19, 13, 'unknown-field', 'proc.name'],
      [TEN_MISTAKES, 20, 17, 'unclosed-parenthesis', undefined],
      [TEN_MISTAKES, 22, 7, 'unknown-key', 'output'],
      [TEN_MISTAKES, 23, 13, 'duplicate-rule', undefined],
      [TEN_MISTAKES, 25, 11, 'operator-not-allowed', undefined],
      [TEN_MISTAKES, 32, 16, 'unknown-rule', 'Password file read'],
    ]);
    expect(found.at(-1)).toMatchObject({ type: 'summary', errors: 10, warnings: 0 });
  });

  it('are printed with their source lines and a caret below the mistake', async () => {
    const { code, stdout } = await shrike('check', TEN_MISTAKES);
    expect(code).toBe(1);
    expect(stdout).toContain(
      `${TEN_MISTAKES}:14:33: error[unknown-field]: There is no field "fd.nmae"; did you mean "fd.name"?\n` +
        '   14 |       output: "%proc.name read %fd.nmae"\n' +
        '      |                                 ^\n',
    );
    expect(stdout.match(/: error\[/g)).toHaveLength(10);
    expect(stdout).toMatch(/\nnothing that could be loaded; 10 errors, 0 warnings\n$/);
  });
});

describe('a rule', () => {
  it('is recorded with its hooks and its split', async () => {
    const file = policyFile(
      [
        '    - rule: Far away',
        '      condition: evt.type = bind and fd.name contains 203.0.113.9 and proc.name != dpkg',
        '      priority: notice',
        '      output: "%proc.name"',
        '',
      ].join('\n'),
    );
    const { code, stdout } = await shrike('check', file, '--format', 'json', '--level', '6.1');
    expect(code).toBe(0);
    const [rule, summary] = records(stdout);
    expect(rule).toEqual({
      type: 'rule',
      file,
      line: 6,
      policy: 'p',
      rule: 'Far away',
      action: 'alert',
      mode: 'monitor',
      hooks: ['tp_btf/sys_exit', 'tp_btf/io_uring_submit_req'],
      kernel: ['proc.name != dpkg'],
      residual: [
        { predicate: 'fd.name contains 203.0.113.9', reason: "a socket's name is put together after the kernel" },
      ],
      instructions: expect.any(Number),
      level: '6.1',
    });
    expect(summary).toMatchObject({ type: 'summary', policies: 1, rules: 1, errors: 0, warnings: 0, level: '6.1' });
  });

  it('that denies by what the kernel can not decide is refused, naming the predicate', async () => {
    const file = policyFile(
      [
        '    - rule: No writes in young containers',
        '      condition: evt.type in (open, openat, openat2) and container.start_ts > 1',
        '      priority: notice',
        '      output: "%proc.name"',
        '      action: deny',
        '',
      ].join('\n'),
      '  mode: enforce\n  scope: {cgroup: /system.slice}\n',
    );
    const { code, stdout } = await shrike('check', file, '--json');
    expect(code).toBe(1);
    const found = records(stdout);
    expect(found.map(({ type }) => type)).toEqual(['diagnostic', 'summary']);
    expect(found[0]).toMatchObject({
      file,
      line: 9,
      column: 58,
      code: 'not-in-kernel',
      field: 'container.start_ts',
      message:
        'rule "No writes in young containers" can\'t deny at lsm/file_open: "container.start_ts > 1" isn\'t decided there (container.start_ts is only known to user space)',
    });
  });

  it('that denies or kills says by what way, with LSM and without', async () => {
    const file = policyFile(
      [
        '    - rule: Opened',
        '      condition: evt.type in (open, openat, openat2) and fd.name = /x',
        '      priority: notice',
        '      output: "%proc.name"',
        '      action: deny',
        '    - rule: Connected',
        '      condition: evt.type = connect and fd.sport = 1',
        '      priority: notice',
        '      output: "%proc.name"',
        '      action: deny',
        '    - rule: Removed',
        '      condition: evt.type in (unlink, unlinkat) and fs.path.name = /x',
        '      priority: notice',
        '      output: "%proc.name"',
        '      action: deny',
        '    - rule: Executed',
        '      condition: evt.type in (execve, execveat) and proc.exepath = /x',
        '      priority: notice',
        '      output: "%proc.name"',
        '      action: kill',
        '',
      ].join('\n'),
      '  mode: enforce\n  scope: {cgroup: /system.slice}\n',
    );
    const found = records((await shrike('check', file, '--json')).stdout).flatMap((record) =>
      record.type === 'rule' ? [[record.rule, record.tiers, record.withoutLsm]] : [],
    );
    expect(found).toEqual([
      ['Opened', [{ hook: 'lsm/file_open', tier: 'lsm' }], ['fanotify']],
      ['Connected', [{ hook: 'lsm/socket_connect', tier: 'lsm' }], ['cgroup']],
      ['Removed', [{ hook: 'lsm/path_unlink', tier: 'lsm' }], []],
      ['Executed', [{ hook: 'tp_btf/sched_process_exec', tier: 'exec' }], ['exec']],
    ]);
    const { stdout } = await shrike('check', file);
    const ways = stdout.split('\n').flatMap((line) => /instructions, 6\.12; (.*)$/.exec(line)?.[1] ?? []);
    expect(ways).toEqual([
      'by LSM, without it by fanotify',
      'by LSM, without it by cgroup hook',
      'by LSM, without it not at all',
      'by kill at exec',
    ]);
  });

  it('that can never match is a warning, which is no error', async () => {
    const file = policyFile(
      [
        '    - rule: Never',
        '      condition: evt.type = openat and evt.type = connect',
        '      priority: notice',
        '      output: "%proc.name"',
        '',
      ].join('\n'),
    );
    const { code, stdout } = await shrike('check', file);
    expect(code).toBe(0);
    expect(stdout).toContain(
      `${file}:6:7: warning[never-matches]: rule "Never" can never match: there is no event type for which its condition can be true\n`,
    );
    expect(stdout).toMatch(/; 0 errors, 1 warning\n$/);
  });
});

describe('a warning', () => {
  const rules = (comment: string): string =>
    [
      '    - rule: Few',
      `      condition: evt.type = openat and fd.num < 3 and fd.num > 5${comment}`,
      '      priority: notice',
      '      output: "%proc.name"',
      '',
    ].join('\n');
  const diagnostics = async (text: string, ...options: readonly string[]) => {
    const { stdout } = await shrike('check', policyFile(text), '--format', 'json', ...options);
    return records(stdout).flatMap((record) => (record.type === 'diagnostic' ? [record] : []));
  };

  it('says which comparisons contradict each other', async () => {
    expect(await diagnostics(rules(''))).toMatchObject([
      {
        severity: 'warning',
        code: 'contradiction',
        line: 7,
        column: 55,
        message: 'rule "Few" can never match: "fd.num < 3" and "fd.num > 5" are never both true',
      },
    ]);
  });

  it('is silenced by a comment at its rule or key', async () => {
    expect(await diagnostics(rules('  # shrike: ignore contradiction'))).toEqual([]);
    expect(await diagnostics(`    # shrike: ignore contradiction\n${rules('')}`)).toEqual([]);
  });

  it('is told where a comment silences none', async () => {
    const found = await diagnostics(`    # shrike: ignore contradiction, shadowed\n${rules('')}`);
    expect(found).toMatchObject([
      {
        code: 'unused-ignore',
        line: 6,
        column: 37,
        message: 'There is no warning "shadowed" here that this comment could silence; remove it.',
      },
    ]);
  });

  it('names rules that others hide only under rule_matching first', async (context) => {
    inLargerSizes(context);
    const rule = (name: string, condition: string): string =>
      `    - {rule: ${name}, condition: evt.type = openat and ${condition}, priority: notice, output: x}\n`;
    const two = rule('First', 'fd.num > 1') + rule('Second', 'fd.num > 2');
    expect(await diagnostics(two)).toEqual([]);
    expect((await diagnostics(two, '--rule-matching', 'first')).map(({ code, message }) => [code, message])).toEqual([
      [
        'shadowed',
        'rule "Second" raises no alert under rule_matching first: "First" in line 6 matches all that it does',
      ],
    ]);
  });
});

it('a path that is not there is wrong usage', async () => {
  const { code, stdout } = await shrike('check', 'no/such/file.yaml');
  expect(code).toBe(2);
  expect(stdout).toContain('no/such/file.yaml');
});
