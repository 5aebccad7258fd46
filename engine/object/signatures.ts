import { HOOKS, type HookArgument } from './hooks.ts';

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
  'lsm/socket_bind': 'struct socket sock, struct sockaddr address, addrlen',
  'lsm/socket_create': 'family, type, protocol, kern',
  'lsm/task_kill': 'struct task_struct p, struct kernel_siginfo info, sig, struct cred cred',
  'lsm/ptrace_access_check': 'struct task_struct child, mode',
  'lsm/kernel_read_file': 'struct file file, id, contents',
  'lsm/kernel_load_data': 'id, contents',
  'lsm/path_unlink': 'struct path dir, struct dentry dentry',
  'lsm/path_rename':
    'struct path old_dir, struct dentry old_dentry, struct path new_dir, struct dentry new_dentry, flags',
  'lsm/path_link': 'struct dentry old_dentry, struct path new_dir, struct dentry new_dentry',
  'lsm/path_symlink': 'struct path dir, struct dentry dentry, old_name',
  'lsm/path_chmod': 'struct path path, mode',
  'lsm/bpf': 'cmd, attr, size',
  'iter/task': 'struct bpf_iter_meta meta, struct task_struct? task',
  'iter/task_file': 'struct bpf_iter_meta meta, struct task_struct? task, fd, struct file? file',
  'fentry/security_file_open': 'struct file file',
  'fentry/security_bprm_check': 'struct linux_binprm bprm',
  'fentry/security_socket_connect': 'struct socket sock, struct sockaddr address, addrlen',
  'fentry/tcp_v4_connect': 'struct sock sk, uaddr, addr_len',
};

/** The arguments of a well-known hook, without what the hook returns; undefined for any other. A `?` behind a struct is a pointer that may be null. */
export function knownArguments(section: string): readonly HookArgument[] | undefined {
  const hook = Object.entries(HOOKS).find(([name]) => name === section)?.[1];
  if (hook) return hook.programType === 'lsm' ? hook.arguments.slice(0, -1) : hook.arguments;
  const text = Object.hasOwn(SIGNATURES, section) ? SIGNATURES[section] : undefined;
  return text?.split(', ').map((part): HookArgument => {
    const [, struct, nullable, name = part] = /^struct (\w+)(\??) (\w+)$/.exec(part) ?? [];
    if (struct === undefined) return { name: part, type: 'scalar' };
    return { name, type: nullable ? { struct, nullable: true } : { struct } };
  });
}
