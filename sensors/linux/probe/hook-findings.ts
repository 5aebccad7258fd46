import type { Finding } from './finding.ts';
import type { HookObstacle } from './hooks.ts';
import type { Obstacle } from './obstacle.ts';
import type { KernelReport } from './report.ts';

/** Why nothing can attach to a hook, and how to change that. */
export const explainHook = (hook: string, obstacle: HookObstacle, { lsms }: KernelReport): Obstacle => {
  switch (obstacle.kind) {
    case 'absent':
      return hook.startsWith('lsm/')
        ? { why: `this kernel has no ${hook}`, remedy: 'boot a kernel built with CONFIG_BPF_LSM=y' }
        : { why: `this kernel has no ${hook}`, remedy: 'boot a newer kernel' };
    case 'no-btf':
      return { why: 'the kernel does not describe its types', remedy: 'boot one built with CONFIG_DEBUG_INFO_BTF=y' };
    case 'refused':
      return obstacle.errno === 'EPERM' && /^(lsm|fentry|fexit)\//.test(hook)
        ? {
            why: `this kernel refuses programs at ${hook} (EPERM): it makes no trampolines`,
            remedy: 'run on a machine whose kernel does; small virtual machines often have them switched off',
          }
        : {
            why: `this kernel refuses programs at ${hook} (${obstacle.errno})`,
            remedy: "look in the kernel's log (dmesg) for a reason",
          };
    case 'inactive':
      return obstacle.known
        ? {
            why: 'programs would load and never run: bpf is not among the active security modules',
            remedy: `boot with lsm=${[...(lsms ?? []), 'bpf'].join(',')} (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)`,
          }
        : {
            why: 'nobody can tell whether programs would run: the list of active security modules is not there',
            remedy: 'mount -t securityfs securityfs /sys/kernel/security',
          };
    case 'no-source':
      return obstacle.path.startsWith('/sys/kernel/tracing')
        ? { why: `there is no ${obstacle.path}`, remedy: 'mount -t tracefs tracefs /sys/kernel/tracing' }
        : { why: `there is no ${obstacle.path}`, remedy: 'boot a kernel built with CONFIG_KPROBE_EVENTS=y' };
  }
};

interface Use {
  readonly name: string;
  /** Any of these will do. */
  readonly hooks: readonly string[];
  readonly works: string;
  readonly costs: string;
  /** What else can be done about it. */
  readonly remedy?: string;
  /** No rule works without it, or there is another way. */
  readonly vital?: true;
  readonly weaker?: true;
}

const USES: readonly Use[] = [
  {
    name: 'system calls',
    hooks: ['tp_btf/sys_exit'],
    works: 'each call is seen with its result (tp_btf/sys_exit)',
    costs: 'all rules',
    vital: true,
  },
  {
    name: 'exec',
    hooks: ['tp_btf/sched_process_exec'],
    works: 'programs that start are seen (tp_btf/sched_process_exec)',
    costs: 'all rules: proc.* is known from exec on',
    vital: true,
  },
  {
    name: 'fork',
    hooks: ['tp_btf/sched_process_fork'],
    works: 'new processes are seen (tp_btf/sched_process_fork)',
    costs: "all rules: a child has its parent's facts until it executes a program",
    vital: true,
  },
  {
    name: 'exit',
    hooks: ['tp_btf/sched_process_exit'],
    works: 'processes that end are seen (tp_btf/sched_process_exit)',
    costs: 'all rules: a pid could be taken for the process that had it before',
    vital: true,
  },
  {
    name: 'io_uring',
    hooks: ['tp_btf/io_uring_submit_req', 'tp_btf/io_uring_submit_sqe'],
    works: 'what programs do through io_uring is seen',
    costs: 'opens, connects and unlinks through io_uring; that a program sets one up (io_uring_setup) is seen',
    remedy: 'or turn io_uring off: sysctl kernel.io_uring_disabled=2 (from 6.6 on)',
  },
  {
    name: 'before the effect',
    hooks: ['lsm/file_open', 'lsm/bprm_check_security', 'lsm/socket_connect'],
    works: 'calls can be denied, and paths are what the kernel acts on (BPF LSM)',
    costs: 'action deny, and kill before an open or connect; detection goes on, and so do kills at exec',
  },
  {
    name: 'earlier processes',
    hooks: ['iter/task'],
    works: 'processes that ran before are listed by the kernel (iter/task)',
    costs: 'time at start: /proc is read instead, file by file',
    weaker: true,
  },
];

const findingOf = (use: Use, report: KernelReport): Finding => {
  const { name, hooks, works, costs } = use;
  const obstacles = hooks.map((hook) => ({ hook, obstacle: report.hooks[hook] }));
  const isEnough = name === 'before the effect' ? obstacles.every : obstacles.some;
  if (isEnough.call(obstacles, ({ obstacle }) => obstacle === undefined))
    return { area: 'hooks', name, state: 'works', found: works };
  const first = obstacles.find(({ obstacle }) => obstacle !== undefined);
  const { why, remedy } = explainHook(first?.hook ?? '', first?.obstacle ?? { kind: 'absent' }, report);
  return {
    area: 'hooks',
    name,
    state: use.weaker ? 'weaker' : 'missing',
    found: why,
    costs,
    ...(use.vital && { vital: use.vital }),
    remedy: use.remedy === undefined ? remedy : `${remedy}, ${use.remedy}`,
  };
};

/** What can be seen, and where something can be done before it happens. */
export const hookFindings = (report: KernelReport): readonly Finding[] =>
  USES.map((use) =>
    use.name === 'io_uring' && report.ioUringDisabled === 2
      ? { area: 'hooks', name: use.name, state: 'works', found: 'io_uring is off (kernel.io_uring_disabled=2)' }
      : findingOf(use, report),
  );
