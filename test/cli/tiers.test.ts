import { describe, expect, it } from 'vitest';
import { kernelHere, tierLines, withoutLsm } from '../../cli/tiers.ts';
import type { KernelReport } from '../../sensors/index.ts';
import { ruleOf } from '../support/rules.ts';

const LSM = ['lsm/file_open', 'lsm/socket_connect', 'lsm/path_unlink', 'lsm/bprm_check_security'];
const CGROUP = ['cgroup/connect4', 'cgroup/connect6'];
const TRACING = ['tp_btf/sys_exit', 'tp_btf/sched_process_exec'];

/** A kernel that offers some hooks; LSM programs would load there and never run. */
const kernel = (...hooks: readonly string[]) => {
  const inactive = { kind: 'inactive', known: true } as const;
  const report: Partial<KernelReport> = {
    release: '6.18',
    level: '6.12',
    lsms: ['lockdown', 'yama'],
    hooks: Object.fromEntries([
      ...LSM.map((hook) => [hook, inactive] as const),
      ...hooks.map((hook) => [hook, undefined] as const),
    ]),
  };
  return kernelHere(report as KernelReport);
};

const acting = (action: 'deny' | 'kill', condition: string) =>
  ruleOf('act', condition, { action, mode: 'enforce', scope: { cgroup: '/a' } });
const says = (here: ReturnType<typeof kernel>, action: 'deny' | 'kill', condition: string) =>
  here.tiers([acting(action, condition)], 0).map(({ hook, tier }) => [hook, tier]);

const OPEN = 'evt.type in (open, openat, openat2) and fd.name = /x';
const CONNECT = 'evt.type = connect and fd.sport = 1';
const EXEC = 'evt.type in (execve, execveat) and proc.exepath = /x';
const UNLINK = 'evt.type in (unlink, unlinkat) and fs.path.name = /x';

describe('the way a rule is enforced on this kernel', () => {
  it('is LSM where the kernel has it', () => {
    const here = kernel(...LSM, ...CGROUP, ...TRACING);
    expect(says(here, 'deny', OPEN)).toEqual([['lsm/file_open', 'lsm']]);
    expect(says(here, 'deny', CONNECT)).toEqual([['lsm/socket_connect', 'lsm']]);
    expect(says(here, 'kill', UNLINK)).toEqual([['lsm/path_unlink', 'lsm']]);
    expect(says(here, 'kill', EXEC)).toEqual([['tp_btf/sched_process_exec', 'exec']]);
  });

  it('is the next weaker that decides the rule', () => {
    const here = kernel(...CGROUP, ...TRACING);
    expect(says(here, 'deny', CONNECT)).toEqual([
      ['cgroup/connect4', 'cgroup'],
      ['cgroup/connect6', 'cgroup'],
    ]);
    expect(says(here, 'kill', CONNECT)).toEqual([['tp_btf/sys_exit', 'signal']]);
    expect(says(here, 'kill', OPEN)).toEqual([['tp_btf/sys_exit', 'signal']]);
    expect(says(here, 'kill', UNLINK)).toEqual([['tp_btf/sys_exit', 'signal']]);
  });

  it('is fanotify for opens and execs without LSM, where it tells all that the rule asks', () => {
    const here = kernel(...CGROUP, ...TRACING);
    expect(says(here, 'deny', `${OPEN} and proc.name = cat and user.uid = 0`)).toEqual([['fanotify/open', 'fanotify']]);
    expect(says(here, 'deny', EXEC)).toEqual([['fanotify/exec', 'fanotify']]);
    expect(says(here, 'deny', `${OPEN} and evt.is_open_write = true`)).toEqual([['lsm/file_open', undefined]]);
    expect(says(here, 'deny', `${OPEN} and proc.pname = sh`)).toEqual([['lsm/file_open', undefined]]);
    expect(tierLines(here, [acting('deny', OPEN)], 0)).toEqual([
      '      here    Linux 6.18, fanotify/open: fanotify, on mounts that are named (--fanotify-mount): the open or exec fails with EPERM when another process says so in time; what is not said in time, or not known, is allowed',
    ]);
  });

  it('without LSM is known of a level, too', () => {
    const ways = (action: 'deny' | 'kill', condition: string) => withoutLsm(acting(action, condition), '6.12');
    expect(ways('deny', OPEN)).toEqual(['fanotify']);
    expect(ways('deny', `${OPEN} and evt.is_open_write = true`)).toEqual([]);
    expect(ways('deny', CONNECT)).toEqual(['cgroup']);
    expect(ways('kill', CONNECT)).toEqual(['signal']);
    expect(ways('kill', EXEC)).toEqual(['exec']);
    expect(ways('deny', UNLINK)).toEqual([]);
  });

  it('is none where the weaker ones do not decide the rule, or there are none', () => {
    const here = kernel(...CGROUP, ...TRACING);
    expect(says(here, 'deny', `${CONNECT} and fd.cport = 2`)).toEqual([['lsm/socket_connect', undefined]]);
    expect(says(here, 'deny', UNLINK)).toEqual([['lsm/path_unlink', undefined]]);
  });

  it('says what it does, or why there is none and what to do', () => {
    const here = kernel(...CGROUP, ...TRACING);
    expect(tierLines(here, [acting('deny', CONNECT)], 0)).toEqual([
      '      here    Linux 6.18, cgroup/connect4, cgroup/connect6: cgroup hook: the call fails with EPERM; IPv4 and IPv6 only, and nothing can be killed there',
    ]);
    expect(tierLines(here, [acting('kill', OPEN)], 0)).toEqual([
      '      here    Linux 6.18, tp_btf/sys_exit: signal: the process is killed after the call took effect',
    ]);
    expect(tierLines(here, [acting('deny', UNLINK)], 0)).toEqual([
      "      here    Linux 6.18, lsm/path_unlink: can't be enforced: programs would load and never run: bpf is not among the active security modules; boot with lsm=lockdown,yama,bpf (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)",
    ]);
    expect(tierLines(here, [ruleOf('seen', OPEN)], 0)).toEqual([]);
  });

  it('is not known where the kernel can not be asked', () => {
    const why = 'bpf(2) is refused (EPERM)';
    const here = kernelHere({ release: '6.18', unavailable: { why, remedy: 'be root' } } as KernelReport);
    expect(tierLines(here, [acting('deny', OPEN)], 0)).toEqual([`      here    Linux 6.18: nobody can tell (${why})`]);
  });
});
