import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { doctor, type Instruments } from '../../cli/doctor.ts';
import { doctorRecord } from '../../cli/doctor-records.ts';
import { temporaryFolder } from '../support/folder.ts';
import { type Printed, printed } from '../support/output.ts';
import {
  ALL_CAPABILITIES,
  CAP_BPF,
  CAP_PERFMON,
  type Conditions,
  calls,
  fakeProber,
  statusOf,
} from '../support/prober.ts';

const POLICY = `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  mode: enforce
  scope: {cgroup: /a}
  rules:
    - {rule: Seen, on: [unlink], condition: proc.name = cat, priority: notice, output: x}
    - {rule: Denied, on: [open, openat, openat2], condition: fd.name = /etc/shadow, priority: notice, output: x, action: deny}
`;

const examined = (
  conditions: Conditions,
  json = false,
  load: Instruments['load'] = () => new Map(),
  policy = POLICY,
): Printed => {
  const file = join(temporaryFolder(), 'p.yaml');
  writeFileSync(file, policy);
  const prober = fakeProber(conditions);
  const { code, text, error } = printed((output) => doctor({ policies: [file], json }, output, { prober, load }));
  const named = (some: string): string => some.replaceAll(file, 'p.yaml');
  return { code, text: named(text), ...(error !== undefined && { error: named(error) }) };
};

/** What a condition changes: the lines that a healthy machine does not have. */
const changed = (conditions: Conditions, load?: Instruments['load']) => {
  const healthy = new Set(examined({}).text.split('\n'));
  const { code, text } = examined(conditions, false, load);
  return { code, lines: text.split('\n').filter((line) => !healthy.has(line)) };
};

it('says of a healthy machine what there is', () => {
  expect(examined({})).toEqual({
    code: 0,
    text: `kernel
  works    release            Linux 6.12.9-amd64, objects of level 6.12
  works    bpf(2)             maps and programs load (uid 0, CAP_BPF, CAP_PERFMON)
  works    types              /sys/kernel/btf/vmlinux describes the kernel's structs
  works    JIT                programs are compiled
  works    lockdown           none that shows
hooks
  works    system calls       each call is seen with its result (tp_btf/sys_exit)
  works    exec               programs that start are seen (tp_btf/sched_process_exec)
  works    fork               new processes are seen (tp_btf/sched_process_fork)
  works    exit               processes that end are seen (tp_btf/sched_process_exit)
  works    io_uring           what programs do through io_uring is seen
  works    before the effect  calls can be denied, and paths are what the kernel acts on (BPF LSM)
  works    earlier processes  processes that ran before are listed by the kernel (iter/task)
programs
  works    helpers            all that are called at tp_btf/sys_exit, lsm/file_open, iter/task, cgroup/connect4
  works    functions          bpf_iter_num_new, bpf_iter_num_next, bpf_iter_num_destroy, bpf_strstr, bpf_strnstr, bpf_path_d_path, bpf_get_task_exe_file
  works    instructions       those of 6.1, and movsx, ldxs, bswap, sdiv, gotol (6.6); may_goto (6.9); load_acquire, store_release (6.15)
  works    maps               hash, array, percpu_hash, percpu_array, lru_hash, lpm_trie, prog_array, cgroup_array, ringbuf
memory
  works    ring buffers       1 MiB and 4 MiB
  works    limit              none of a memory cgroup
host
  works    cgroups            v2 at /sys/fs/cgroup
  works    containers         no runtime listens here
  works    other calls        32-bit calls are on, x32 calls are off; both are seen
  works    statistics         runs and time of programs can be counted (BPF_ENABLE_STATS)
  works    bpffs              at /sys/fs/bpf
ways to enforce
  works    LSM                the call fails with EPERM before it has an effect, whoever makes it and however
  works    cgroup hook        the call fails with EPERM; IPv4 and IPv6 only, and nothing can be killed there
  works    kill at exec       the new program is killed before its first instruction
  works    fanotify           where mounts are named (--fanotify-mount) the open or exec fails with EPERM when another process says so in time; what is not said in time, or not known, is allowed
  works    signal             the process is killed after the call took effect

All 2 rules run here; 0 things missing, 0 weaker.
`,
  });
});

const HOPELESS = 'Policies can not run on this kernel; simulate (--sensor sim), or play recordings (--sensor replay).';
const everything = (found: string, remedy: string) => ({
  code: 3,
  lines: [
    `  missing  bpf(2)             ${found}`,
    '           without it:        everything',
    `           what to do:        ${remedy}`,
    HOPELESS,
  ],
});
const eperm = () => 'EPERM';

describe('where nothing works', () => {
  it('names the capabilities that are missing', () => {
    const ask = (uid: number, capabilities: bigint, refusals: Conditions) =>
      changed({ ...refusals, files: { '/proc/self/status': statusOf(uid, capabilities) } });
    const remedy = 'run it as root, or with the capabilities of scripts/systemd/shrike.service';
    expect(ask(1000, 0n, { refuseMap: eperm, refuseProgram: eperm })).toEqual(
      everything(
        'creating a BPF map is refused (EPERM): this process (uid 1000) lacks CAP_BPF and CAP_PERFMON',
        remedy,
      ),
    );
    expect(ask(1000, CAP_PERFMON, { refuseProgram: eperm })).toEqual(
      everything('loading a BPF program is refused (EPERM): this process (uid 1000) lacks CAP_BPF', remedy),
    );
    expect(ask(0, CAP_BPF, { refuseProgram: (program) => (calls(program, 113) ? 'EINVAL' : undefined) })).toEqual(
      everything(
        "loading a BPF program that reads the kernel's memory is refused (EPERM): this process (uid 0) lacks CAP_PERFMON",
        remedy,
      ),
    );
  });

  it('knows a user namespace', () => {
    expect(changed({ refuseMap: eperm, files: { '/proc/self/uid_map': '0 1000 1\n' } })).toEqual(
      everything(
        'creating a BPF map is refused (EPERM): this process is in a user namespace, whose capabilities do not count for bpf(2)',
        "run it outside of the namespace; a container needs the host's user namespace",
      ),
    );
  });

  it('knows a seccomp filter', () => {
    const files = { '/proc/self/status': statusOf(0, ALL_CAPABILITIES, 2) };
    expect(changed({ refuseMap: eperm, files })).toEqual(
      everything(
        'creating a BPF map is refused (EPERM): a seccomp filter is on, which probably refuses bpf(2)',
        'run with a profile that lets bpf and perf_event_open pass',
      ),
    );
  });

  it('says so where it knows no reason', () => {
    expect(changed({ refuseProgram: eperm })).toEqual(
      everything(
        'loading a BPF program is refused (EPERM): the kernel does not permit it in spite of the capabilities',
        'look in its log (dmesg) for a security module that refuses bpf',
      ),
    );
  });

  it('knows lockdown', () => {
    const files = { '/sys/kernel/security/lockdown': 'none integrity [confidentiality]\n' };
    const refuseProgram: Conditions['refuseProgram'] = (program) => (calls(program, 113) ? 'EINVAL' : undefined);
    expect(changed({ files, refuseProgram })).toEqual(
      everything(
        "loading a BPF program that reads the kernel's memory is refused (EPERM): the kernel is locked down (confidentiality), so that programs may not read its memory",
        'boot with lockdown=integrity, or without lockdown= and with Secure Boot off',
      ),
    );
  });

  it('knows a kernel without bpf(2), without types, and one that is too old', () => {
    expect(changed({ refuseMap: () => 'ENOSYS' })).toEqual(
      everything(
        'creating a BPF map is refused (ENOSYS): this kernel has no bpf(2)',
        'boot one built with CONFIG_BPF_SYSCALL=y',
      ),
    );
    expect(changed({ withoutTypes: 'all', files: { '/sys/kernel/btf/vmlinux': undefined } })).toEqual(
      everything(
        'the kernel does not describe its types: there is no /sys/kernel/btf/vmlinux',
        'boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions build theirs',
      ),
    );
    const refuseProgram: Conditions['refuseProgram'] = (program) => (calls(program, 208) ? 'EINVAL' : undefined);
    expect(changed({ release: '5.15.0-91-generic', refuseProgram })).toEqual(
      everything(
        'Linux 5.15.0-91-generic lacks what 6.1 has, the oldest kernel that policies are compiled for',
        'boot Linux 6.1 or newer',
      ),
    );
  });

  it('knows a full memory cgroup, and says what else the kernel answers', () => {
    expect(changed({ refuseMap: () => 'ENOMEM' })).toEqual(
      everything(
        'creating a BPF map is refused (ENOMEM): the memory cgroup of this process is full',
        'raise its memory.max (MemoryMax= of a systemd unit)',
      ),
    );
    expect(changed({ refuseMap: () => 'EMFILE' })).toEqual(
      everything('creating a BPF map is refused (EMFILE)', "look in the kernel's log (dmesg) for a reason"),
    );
  });

  it('knows cgroup v1 alone, and no cgroups', () => {
    const missing = (found: string) => ({
      code: 3,
      lines: [
        `  missing  cgroups            ${found}`,
        '           without it:        everything: programs tell by the cgroup v2 which processes to look at',
        '           what to do:        mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified (make the folder first), or boot with systemd.unified_cgroup_hierarchy=1',
        HOPELESS,
      ],
    });
    const mounted = (mountinfo: string) =>
      changed({
        files: {
          '/proc/self/mountinfo': `${mountinfo}31 23 0:27 / /sys/fs/bpf rw - bpf bpf rw\n`,
        },
      });
    expect(mounted('40 30 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n')).toEqual(
      missing('only v1 is mounted'),
    );
    expect(mounted('')).toEqual(missing('none is mounted'));
  });
});

const REST = '; 1 thing missing, 0 weaker.';
const denied = (reason: string) => ['rules that lack something', `  lsm/file_open: ${reason}`, '    Denied (deny)'];

describe('where something is missing', () => {
  const lsm = (found: string, remedy: string) => ({
    code: 1,
    lines: [
      `  missing  before the effect  ${found}`,
      '           without it:        action deny, and kill before an open or connect; detection goes on, and so do kills at exec',
      `           what to do:        ${remedy}`,
      `  missing  LSM                ${found}`,
      `           what to do:        ${remedy}`,
      ...denied(`${found}; ${remedy}`),
      `1 of 2 rules do not run here, or not wholly${REST}`,
    ],
  });

  it('says what fanotify takes', () => {
    const told = (found: string, remedy: string) => ({
      code: 0,
      lines: [`  missing  fanotify           ${found}`, `           what to do:        ${remedy}`],
    });
    expect(changed({ refuseFanotify: 'EPERM' })).toEqual(
      told(
        'fanotify is refused (EPERM)',
        'run it with CAP_SYS_ADMIN (AmbientCapabilities= of a systemd unit), in the first user namespace',
      ),
    );
    expect(changed({ refuseFanotify: 'ENOSYS' })).toEqual(
      told('fanotify is refused (ENOSYS)', 'boot a kernel built with CONFIG_FANOTIFY_ACCESS_PERMISSIONS=y'),
    );
  });

  it('says how BPF gets among the security modules', () => {
    expect(changed({ files: { '/sys/kernel/security/lsm': 'lockdown,yama,apparmor' } })).toEqual(
      lsm(
        'programs would load and never run: bpf is not among the active security modules',
        'boot with lsm=lockdown,yama,apparmor,bpf (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)',
      ),
    );
  });

  it('asks the command line where securityfs is not mounted, and otherwise for the mount', () => {
    const at = (cmdline: string) =>
      changed({ files: { '/sys/kernel/security/lsm': undefined, '/proc/cmdline': cmdline } });
    expect(at('quiet lsm=landlock,bpf')).toEqual({ code: 0, lines: [] });
    expect(at('quiet lsm=landlock')).toEqual(
      lsm(
        'programs would load and never run: bpf is not among the active security modules',
        'boot with lsm=landlock,bpf (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)',
      ),
    );
  });

  it('knows a kernel that makes no trampolines', () => {
    const refuseProgram: Conditions['refuseProgram'] = ({ programType, attachType = 0 }) =>
      programType === 'lsm' || [24, 25].includes(attachType) ? 'EPERM' : undefined;
    const { code, lines } = changed({ refuseProgram });
    const expected = lsm(
      'this kernel refuses programs at lsm/file_open (EPERM): it makes no trampolines',
      'run on a machine whose kernel does; small virtual machines often have them switched off',
    );
    expect({ code, lines: lines.filter((line) => !/^ {2}works/.test(line)) }).toEqual(expected);
  });

  it('reads /proc where there is no iterator over tasks', () => {
    expect(changed({ withoutTypes: ['bpf_iter_task'] })).toMatchObject({
      code: 0,
      lines: expect.arrayContaining([
        '  weaker   earlier processes  this kernel has no iter/task',
        '           without it:        time at start: /proc is read instead, file by file',
        '           what to do:        boot a newer kernel',
        'All 2 rules run here; 0 things missing, 1 weaker.',
      ]),
    });
  });

  it('takes either name of the hook of io_uring, and knows when nobody can use it', () => {
    const gone = ['btf_trace_io_uring_submit_req', 'btf_trace_io_uring_submit_sqe'];
    expect(changed({ withoutTypes: gone.slice(0, 1) })).toEqual({ code: 0, lines: [] });
    const off = changed({ withoutTypes: gone, files: { '/proc/sys/kernel/io_uring_disabled': '2\n' } });
    expect(off.lines[0]).toBe('  works    io_uring           io_uring is off (kernel.io_uring_disabled=2)');
    const { lines } = changed({ withoutTypes: gone });
    expect(lines.slice(0, 3)).toEqual([
      '  missing  io_uring           this kernel has no tp_btf/io_uring_submit_req',
      '           without it:        opens, connects and unlinks through io_uring; that a program sets one up (io_uring_setup) is seen',
      '           what to do:        boot a newer kernel, or turn io_uring off: sysctl kernel.io_uring_disabled=2 (from 6.6 on)',
    ]);
  });

  it('knows programs that the verifier refuses, by their hook', () => {
    const why = 'the kernel refuses the program: R1 invalid mem access';
    const load: Instruments['load'] = () =>
      new Map([['tp_btf/sys_exit', { why, remedy: 'give the agent fewer rules' }]]);
    const { code, lines } = changed({}, load);
    expect(code).toBe(1);
    expect(lines.slice(0, 3)).toEqual([
      'rules that lack something',
      `  tp_btf/sys_exit: ${why}; give the agent fewer rules`,
      '    Seen',
    ]);
  });
});

describe('what is weaker', () => {
  const weaker = (conditions: Conditions) => {
    const { code, lines } = changed(conditions);
    expect(code).toBe(0);
    expect(lines.at(-1)).toBe('All 2 rules run here; 0 things missing, 1 weaker.');
    return lines.slice(0, -1);
  };
  const limit = (max: string, current: string): Conditions => ({
    files: {
      '/sys/fs/cgroup/system.slice/shrike.service/memory.max': 'max\n',
      '/sys/fs/cgroup/system.slice/memory.max': max,
      '/sys/fs/cgroup/system.slice/memory.current': current,
    },
  });

  it('a level of an older kernel is no weakness', () => {
    const refuseProgram: Conditions['refuseProgram'] = ({ instructions }) =>
      instructions.some(({ opcode }) => opcode === 0xe5) ? 'EINVAL' : undefined;
    const { code, lines } = changed({ release: '6.1.0-31-amd64', refuseProgram });
    expect({ code, first: lines[0] }).toEqual({
      code: 0,
      first: '  works    release            Linux 6.1.0-31-amd64, objects of level 6.1',
    });
  });

  it('ring buffers that there is no memory for, and a tight limit', () => {
    expect(
      weaker({
        refuseMap: ({ type, maxEntries }) => (type === 'ringbuf' && maxEntries > 1 << 20 ? 'ENOMEM' : undefined),
      }),
    ).toEqual([
      '  weaker   ring buffers       1 MiB instead of 4 MiB',
      '           without it:        events when many come at once; what is lost is counted',
      '           what to do:        raise memory.max of the cgroup that this runs in (MemoryMax= of a systemd unit)',
    ]);
    expect(weaker(limit('268435456\n', '134217728\n'))).toEqual([
      '  weaker   limit              128 MiB of 256 MiB are free in the memory cgroup /system.slice',
      '           without it:        the agent is ended by the kernel where it needs more; it takes up to 200 MiB',
      "           what to do:        raise the cgroup's memory.max (MemoryMax= of a systemd unit) by 128 MiB",
    ]);
    const { lines } = changed(limit('1073741824\n', '134217728\n'));
    expect(lines).toEqual(['  works    limit              896 MiB of 1024 MiB are free (/system.slice)']);
  });

  it('an interpreter, programs of anybody, statistics, a socket', () => {
    expect(weaker({ files: { '/proc/sys/net/core/bpf_jit_enable': '0\n' } })).toEqual([
      '  weaker   JIT                programs are interpreted',
      '           without it:        time: an event takes many times longer',
      '           what to do:        sysctl net.core.bpf_jit_enable=1',
    ]);
    expect(weaker({ files: { '/proc/sys/kernel/unprivileged_bpf_disabled': '0\n' } })).toEqual([
      '  weaker   unprivileged       any user may load programs',
      '           without it:        nothing of Shrike; other kernels keep their users from it',
      '           what to do:        sysctl kernel.unprivileged_bpf_disabled=2',
    ]);
    const files = { '/proc/self/status': statusOf(998, CAP_BPF | CAP_PERFMON) };
    expect(weaker({ refuseStatistics: 'EPERM', files }).slice(1)).toEqual([
      '  weaker   statistics         BPF_ENABLE_STATS is refused (EPERM)',
      '           without it:        how often programs ran and how long; what they missed is counted all the same',
      '           what to do:        CAP_SYS_ADMIN',
    ]);
    const socket = '/run/containerd/containerd.sock';
    expect(weaker({ files: { [socket]: '' }, closedSockets: [socket] })).toEqual([
      '  weaker   containers         this process may not connect to /run/containerd/containerd.sock',
      "           without it:        names, images, labels and pods of that runtime's containers; their ids are known",
      "           what to do:        run as root, or add the user to the socket's group",
    ]);
  });
});

it('--json is one record a line: findings, rules, a summary', () => {
  const files = { '/sys/kernel/security/lsm': 'lockdown' };
  const { code, text } = examined({ files }, true);
  const records = text
    .trimEnd()
    .split('\n')
    .map((line) => doctorRecord.parse(JSON.parse(line)));
  expect(code).toBe(1);
  expect(records.filter((record) => record.type === 'finding' && record.state === 'missing')).toHaveLength(1);
  expect(records.filter(({ type }) => type === 'rule')).toEqual([
    {
      type: 'rule',
      file: 'p.yaml',
      line: 9,
      policy: 'p',
      rule: 'Denied',
      action: 'deny',
      runs: 'not',
      missing: [
        {
          hook: 'lsm/file_open',
          why: 'programs would load and never run: bpf is not among the active security modules',
          remedy: 'boot with lsm=lockdown,bpf (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)',
        },
      ],
    },
  ]);
  expect(records.at(-1)).toEqual({
    type: 'summary',
    kernel: '6.12.9-amd64',
    level: '6.12',
    works: 22,
    weaker: 0,
    missing: 1,
    rules: 2,
    affected: 1,
  });
});

it('ends for rules that can not be compiled as a run does', () => {
  const policy = POLICY.replace('[open, openat, openat2]', '[openat]');
  expect(examined({}, false, () => new Map(), policy)).toEqual({
    code: 2,
    text: '',
    error: [
      "1 rule can't be compiled",
      `p.yaml:9:7: error[not-in-kernel]: rule "Denied" can't deny on openat alone: lsm/file_open can't tell open, openat, openat2 apart; name all of them`,
      '    9 |     - {rule: Denied, on: [openat], condition: fd.name = /etc/shadow, priority: notice, output: x, action: deny}',
      '      |       ^',
      '  expected on: [open, openat, openat2]',
    ].join('\n'),
  });
});
