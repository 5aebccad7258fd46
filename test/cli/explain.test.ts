import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explainRecord } from '../../cli/explain-records.ts';
import { jsonLines } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';

describe('shrike explain', () => {
  it('says for a rule where each predicate is decided, at which rate and with which trust', async () => {
    const { code, stdout, stderr } = await shrike('explain', 'setuid', '--rule', 'Set-user-ID bit set', '--no-asm');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines).toContain(
      '    at tp_btf/sys_exit for chmod, fchmod, fchmodat: 3 predicates in the kernel, none after it',
    );
    const row = (text: string): string | undefined =>
      lines
        .find((line) => line.includes(text))
        ?.trim()
        .replace(/ {2,}/g, ' | ');
    expect(row('evt.type in')).toBe('├─ evt.type in (chmod, fchmodat, fchmod) | event | resolved | fixed | true');
    expect(row('evt.failed')).toBe('├─ evt.failed = false | event | resolved | 5 ns | kernel comparison of numbers');
    expect(row('evt.arg[mode]')).toBe(
      '├─ evt.arg[mode] contains S_ISUID | event | resolved | 5 ns | kernel comparison of numbers',
    );
    expect(row('not proc.name')).toBe(
      '└─ not proc.name in (dpkg, dpkg-statoverri, rpm, ... 7 in all) | process | resolved | 60 ns | kernel bit set at exec: automaton, 7 patterns',
    );
  });

  it("annotates the hooks' programs with the condition's text, maps and members by name", async () => {
    const { code, stdout } = await shrike('explain', 'policies/library/credential-files.yaml');
    expect(code).toBe(0);
    const program = stdout.slice(stdout.indexOf('program at tp_btf/sys_exit: '));
    expect(program).toMatch(/^program at tp_btf\/sys_exit: [\d,]+ instructions\n/);
    expect(program).toContain('        ; evt.is_open_read = true\n');
    expect(program).toContain('        ; fd.name in (/etc/shadow, /etc/gshadow, /etc/shadow-, ... 5 in all)\n');
    expect(program).toContain('        ; decide the rules that are left\n');
    expect(program).toMatch(/^ +\d+: r1 = map\[scratch\]$/m);
    expect(program).toMatch(/^ +\d+: call bpf_ringbuf_output#130$/m);
    expect(program).toMatch(/^ +\d+: r\d = \*\(u64 \*\)\(r\d \+pt_regs\.orig_ax\)$/m);
    const numbers = [...program.matchAll(/^ +(\d+): /gm)].map(([, number]) => Number(number));
    expect(numbers.length).toBeGreaterThan(500);
  });

  it('says for a rule that denies what it does, in which scope, and behind which guards', async () => {
    const { stdout } = await shrike('explain', 'credential-files-enforce', '--no-asm');
    expect(stdout).toContain('  mode enforce, scope tasks in /system.slice and below\n');
    expect(stdout).toContain("scope.cgroup = /system.slice (the policy's scope)");
    expect(stdout).toContain('    deny: lsm/file_open returns -EPERM before the call takes effect\n');
    expect(stdout).toContain('      guards  in this order: enforcement is on; ');
  });

  it('says which matches of a rule are told of together', async () => {
    const file = join(temporaryFolder(), 'quiet.yaml');
    const rules = [
      ['a', 'aggregate: {within: 90s}'],
      ['b', 'aggregate: {by: [fd.name, "proc.aname[2]"], within: 1h}'],
      ['c', 'aggregate: {by: [], within: 1500ms}'],
      ['d', 'limits: {rate: 1/s}'],
    ].map(
      ([name, line], index) =>
        `    - {rule: ${name}, condition: evt.type = openat and fd.num > ${index}, priority: notice, output: x, ${line}}\n`,
    );
    writeFileSync(
      file,
      `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: quiet}\nspec:\n  rules:\n${rules.join('')}`,
    );
    const { stdout } = await shrike('explain', file, '--no-asm');
    expect(stdout.split('\n').filter((line) => line.startsWith('  matches with'))).toEqual([
      '  matches with the same output within 90 s of the first are counted in one more alert',
      '  matches with the same fd.name, proc.aname[2] within 1 h of the first are counted in one more alert',
      '  matches with whatever values within 1500 ms of the first are counted in one more alert',
    ]);
    const { stdout: json } = await shrike('explain', file, '--no-asm', '--json');
    const records = jsonLines(json).map((line) => explainRecord.parse(line));
    expect(records.flatMap((record) => (record.type === 'rule' ? [record.aggregate] : []))).toEqual([
      { within: 90e9 },
      { by: ['fd.name', 'proc.aname[2]'], within: 3600e9 },
      { by: [], within: 1.5e9 },
      undefined,
    ]);
  });

  it('says what several events of a rule come to, and where they are counted', async () => {
    const failures = await shrike('explain', 'repeated-failures', '--no-asm');
    expect(failures.stdout.split('\n').filter((line) => line.startsWith('  raised by'))).toEqual([
      '  raised by more than 5 matches within 1 min by user.uid, counted in user space',
      '  raised by more than 5 matches within 1 min by proc.pid, counted in the kernel',
      '  raised by more than 20 matches within 10 s by proc.pid, counted in the kernel',
    ]);
    const steps = await shrike('explain', 'break-in', '--no-asm', '--rule', 'Shell of a server connects out');
    expect(steps.stdout.split('\n').filter((line) => line.startsWith('  step '))).toEqual([
      '  step 1 of 2 within 10 s by proc.tree, put together in user space',
      '  step 2 of 2 within 10 s by proc.tree, put together in user space; the kernel hands it over when step 1 came in that time',
    ]);
  });

  it('names the nearest rule and policy', async () => {
    expect(await shrike('explain', 'setuid', '--rule', 'Set-user-ID bits set')).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'shrike: there is no rule "Set-user-ID bits set"; did you mean "Set-user-ID bit set"?\n' +
        'there are: Set-user-ID bit set, Process became root, Process refused to become root\n',
    });
    const { code, stderr } = await shrike('explain', 'credential-file');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^shrike: there is no file credential-file and no shipped policy of that name; did you mean credential-files\?\nshipped: account-changes, /,
    );
  });

  it('estimates what an event costs, from the predicates that are looked at', async () => {
    const { stdout } = await shrike('explain', 'setuid', '--rule', 'Set-user-ID bit set', '--no-asm', '--json');
    const [rule, ...programs] = jsonLines(stdout).map((record) => explainRecord.parse(record));
    expect(rule).toMatchObject({
      type: 'rule',
      rule: 'Set-user-ID bit set',
      // entering 25, two numbers 5 each, a process's row 60
      sites: [{ hook: 'tp_btf/sys_exit', ns: { early: 95, all: 95, after: 95 } }],
    });
    expect(programs.map(({ type }) => type)).toContain('program');
  });

  it('measures on a recording what rules see and let through', async (context) => {
    inLargerSizes(context);
    const recording = join(temporaryFolder(), 'app.strace');
    const lines = [
      '100 1700000000.000001 execve("/usr/bin/chmod", ["chmod"], 0x7ffe /* 0 vars */) = 0',
      '100 1700000000.000002 chmod("/tmp/a", 04755) = 0',
      '100 1700000000.000003 chmod("/tmp/a", 0755) = 0',
      '100 1700000000.000004 chmod("/tmp/a", 04755) = -1 EPERM (Operation not permitted)',
      '100 1700000000.000005 getpid() = 100',
      '100 1700000000.000006 +++ exited with 0 +++',
    ];
    writeFileSync(recording, `${lines.join('\n')}\n`);
    const { code, stdout } = await shrike(
      ...['explain', 'setuid', '--rule', 'Set-user-ID bit set', '--no-asm', '--json'],
      ...['--recording', recording, '--seconds', '0.01'],
    );
    expect(code).toBe(0);
    const records = jsonLines(stdout).map((record) => explainRecord.parse(record));
    expect(records[0]).toMatchObject({ type: 'rule', measured: { events: 3, candidates: 1, matches: 1 } });
    expect(records.at(-1)).toMatchObject({ type: 'recording', policy: 'setuid', file: recording, rounds: 3 });
  }, 120_000);
});
