import { HOOKS, type Hook, type HookArgument } from './hooks.ts';

/**
 * Arguments of hooks beside those of HOOKS by section, for a kernel whose BTF has no functions, such as the simulated one: include/trace/events/*.h and
 * include/linux/lsm_hook_defs.h. A name behind a struct is a pointer to it.
 */
const SIGNATURES: Readonly<Record<string, string>> = {
  'tp_btf/sys_enter': 'struct pt_regs regs, id',
  'tp_btf/sched_switch': 'preempt, struct task_struct prev, struct task_struct next, prev_state',
  'tp_btf/sched_wakeup': 'struct task_struct p',
  'tp_btf/signal_generate': 'sig, struct kernel_siginfo info, struct task_struct task, group, result',
  'tp_btf/task_newtask': 'struct task_struct task, clone_flags',
  'tp_btf/task_rename': 'struct task_struct task, comm',
  'tp_btf/io_uring_submit_sqe': 'struct io_kiocb req, force_nonblock',
  'lsm/socket_create': 'family, type, protocol, kern',
  'iter/task': 'struct bpf_iter_meta meta, struct task_struct? task',
  'iter/task_file': 'struct bpf_iter_meta meta, struct task_struct? task, fd, struct file? file',
  'fentry/tcp_v4_connect': 'struct sock sk, uaddr, addr_len',
};

const ARGUMENTS: ReadonlyMap<string, readonly HookArgument[]> = new Map(
  Object.entries(HOOKS).map(([name, hook]: [string, Hook]) => [
    name,
    hook.programType === 'lsm' ? hook.arguments.slice(0, -1) : hook.arguments,
  ]),
);

/** The LSM hook that a function of security/security.c asks, which takes the same arguments. */
const hookOfFunction = (section: string): string => {
  const asked = section.replace(/^fentry\/security_/, 'lsm/');
  return asked === 'lsm/bprm_check' ? 'lsm/bprm_check_security' : asked;
};

/** The arguments of a well-known hook, without what the hook returns; undefined for any other. A `?` behind a struct is a pointer that may be null. */
export function knownArguments(section: string): readonly HookArgument[] | undefined {
  const known = ARGUMENTS.get(hookOfFunction(section));
  if (known) return known;
  const text = Object.hasOwn(SIGNATURES, section) ? SIGNATURES[section] : undefined;
  return text?.split(', ').map((part): HookArgument => {
    const [, struct, nullable, name = part] = /^struct (\w+)(\??) (\w+)$/.exec(part) ?? [];
    if (struct === undefined) return { name: part, type: 'scalar' };
    return { name, type: nullable ? { struct, nullable: true } : { struct } };
  });
}
