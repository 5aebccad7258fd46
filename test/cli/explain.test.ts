import { describe, expect, it } from 'vitest';
import { shrike } from '../support/cli.ts';

describe('shrike explain', () => {
  it('says for a rule where each predicate is decided, at which rate and with which trust', async () => {
    const { code, stdout, stderr } = await shrike('explain', 'setuid', '--rule', 'Set-user-ID bit set', '--no-asm');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines).toContain(
      '    at tp_btf/sys_exit for chmod, fchmod, fchmodat: 2 predicates in the kernel, 1 after it',
    );
    const row = (text: string): string | undefined =>
      lines
        .find((line) => line.includes(text))
        ?.trim()
        .replace(/ {2,}/g, ' | ');
    expect(row('evt.type in')).toBe('├─ evt.type in (chmod, fchmodat, fchmod) | event | resolved | fixed | true');
    expect(row('evt.failed')).toBe('├─ evt.failed = false | event | resolved | kernel comparison of numbers');
    expect(row('evt.arg[mode]')).toBe(
      '├─ evt.arg[mode] contains S_ISUID | event | resolved | after | evt.arg[mode] is put into words after the kernel',
    );
    expect(row('not proc.name')).toBe(
      '└─ not proc.name in (dpkg, dpkg-statoverri, rpm, ... 7 in all) | process | resolved | kernel bit set at exec: automaton, 7 patterns',
    );
  });

  it("annotates the hooks' programs with the condition's text, maps and members by name", async () => {
    const { code, stdout } = await shrike('explain', 'policies/library/credential-files.yaml');
    expect(code).toBe(0);
    const program = stdout.slice(stdout.indexOf('program at tp_btf/sys_exit: '));
    expect(program).toMatch(/^program at tp_btf\/sys_exit: [\d,]+ instructions\n/);
    expect(program).toContain('        ; evt.is_open_read = true\n');
    expect(program).toContain('        ; fd.name in (/etc/shadow, /etc/gshadow, /etc/shadow-, ... 5 in all)\n');
    expect(program).toContain('        ; rule Password file read\n');
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
});
