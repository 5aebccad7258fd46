import type { HookName } from '../../engine/object/index.ts';

/** A way to enforce, strongest first; a hook belongs to one. */
export type Tier = 'lsm' | 'cgroup' | 'exec' | 'fanotify' | 'signal';

/** What each way does. */
export const TIERS: Readonly<Record<Tier, { readonly name: string; readonly effect: string }>> = {
  lsm: { name: 'LSM', effect: 'the call fails with EPERM before it has an effect, whoever makes it and however' },
  cgroup: {
    name: 'cgroup hook',
    effect: 'the call fails with EPERM; IPv4 and IPv6 only, and nothing can be killed there',
  },
  exec: { name: 'kill at exec', effect: 'the new program is killed before its first instruction' },
  fanotify: {
    name: 'fanotify',
    effect:
      'the open or exec fails with EPERM when another process says so in time; what is not said in time, or not known, is allowed',
  },
  signal: { name: 'signal', effect: 'the process is killed after the call took effect' },
};

/** The order of strength. */
export const TIER_NAMES = Object.keys(TIERS) as readonly Tier[];

/** The way to enforce that a rule's hook is; undefined for hooks at which nothing is. */
export const tierOf = (hook: string): Tier | undefined => {
  if (hook.startsWith('lsm/')) return 'lsm';
  if (hook.startsWith('cgroup/')) return 'cgroup';
  if (hook.startsWith('fanotify/')) return 'fanotify';
  if (hook === 'tp_btf/sched_process_exec') return 'exec';
  return hook === 'tp_btf/sys_exit' ? 'signal' : undefined;
};

const of = (types: readonly string[], ...hooks: (readonly HookName[])[]) => types.map((type) => [type, hooks] as const);

/** Where each event type can be denied: the hooks of each way, strongest first. */
const DENIED_AT: ReadonlyMap<string, readonly (readonly HookName[])[]> = new Map([
  ...of(['open', 'openat', 'openat2', 'creat'], ['lsm/file_open']),
  ...of(['execve', 'execveat'], ['lsm/bprm_check_security']),
  ...of(['connect'], ['lsm/socket_connect'], ['cgroup/connect4', 'cgroup/connect6']),
  ...of(['bind'], ['lsm/socket_bind'], ['cgroup/bind4', 'cgroup/bind6']),
  ...of(['sendto', 'sendmsg'], ['lsm/socket_sendmsg'], ['cgroup/sendmsg4', 'cgroup/sendmsg6']),
  ...of(['unlink', 'unlinkat'], ['lsm/path_unlink']),
  ...of(['rename', 'renameat', 'renameat2'], ['lsm/path_rename']),
  ...of(['link', 'linkat'], ['lsm/path_link']),
  ...of(['symlink', 'symlinkat'], ['lsm/path_symlink']),
  ...of(['chmod', 'fchmod', 'fchmodat'], ['lsm/path_chmod']),
  ...of(['kill', 'tkill', 'tgkill'], ['lsm/task_kill']),
  ...of(['ptrace'], ['lsm/ptrace_access_check']),
  ...of(['mount'], ['lsm/sb_mount']),
  ...of(['setuid', 'setreuid', 'setresuid'], ['lsm/task_fix_setuid']),
  ...of(['finit_module'], ['lsm/kernel_read_file']),
  ...of(['init_module'], ['lsm/kernel_load_data']),
  ...of(['bpf'], ['lsm/bpf']),
]);

/**
 * The hooks at which a rule that denies or kills may see an event type, for each way, strongest first; empty where nothing comes before the effect. A
 * kill after the effect is only for kernels that lack what comes before it.
 */
export const waysToEnforce = (action: 'deny' | 'kill', type: string): readonly (readonly HookName[])[] => {
  if (action === 'kill' && (type === 'execve' || type === 'execveat')) return [['tp_btf/sched_process_exec']];
  const ways = DENIED_AT.get(type) ?? [];
  const [strongest] = ways;
  if (strongest === undefined) return [];
  return action === 'kill' ? [strongest, ['tp_btf/sys_exit']] : ways;
};
