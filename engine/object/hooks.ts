/** Program types by the kernel's names in lower case (enum bpf_prog_type without its prefix). */
export type ProgramType = 'raw_tracepoint' | 'tracing' | 'lsm';

/** A context slot of 8 bytes: a number, or a pointer to a kernel struct that BTF describes. */
export interface HookArgument {
  readonly name: string;
  readonly type: 'scalar' | { readonly struct: string };
}

/** A place programs attach to. */
export interface Hook {
  readonly programType: ProgramType;
  readonly arguments: readonly HookArgument[];
  /** What the program may return; a hook that can't deny takes 0 only. */
  readonly returns: { readonly min: number; readonly max: number };
}

const scalar = (name: string): HookArgument => ({ name, type: 'scalar' });
const pointer = (name: string, struct: string): HookArgument => ({ name, type: { struct } });
const tracing = (...args: HookArgument[]): Hook => ({
  programType: 'tracing',
  arguments: args,
  returns: { min: 0, max: 0 },
});
const lsm = (...args: HookArgument[]): Hook => ({
  programType: 'lsm',
  arguments: args,
  returns: { min: -4095, max: 0 },
});

/** The hooks there are so far: the arguments follow include/trace/events/*.h and include/linux/lsm_hook_defs.h. */
export const HOOKS = {
  'raw_tp/sys_enter': {
    programType: 'raw_tracepoint',
    arguments: [scalar('regs'), scalar('id')],
    returns: { min: 0, max: 0 },
  },
  'tp_btf/sys_exit': tracing(pointer('regs', 'pt_regs'), scalar('ret')),
  'tp_btf/sched_process_exec': tracing(pointer('p', 'task_struct'), scalar('old_pid'), pointer('bprm', 'linux_binprm')),
  'tp_btf/sched_process_fork': tracing(pointer('parent', 'task_struct'), pointer('child', 'task_struct')),
  'tp_btf/sched_process_exit': tracing(pointer('p', 'task_struct')),
  'lsm/file_open': lsm(pointer('file', 'file'), scalar('ret')),
  'lsm/bprm_check_security': lsm(pointer('bprm', 'linux_binprm'), scalar('ret')),
  'lsm/socket_connect': lsm(
    pointer('sock', 'socket'),
    pointer('address', 'sockaddr'),
    scalar('addrlen'),
    scalar('ret'),
  ),
} as const satisfies Record<string, Hook>;

/** A hook's name, as objects and kernels use it. */
export type HookName = keyof typeof HOOKS;
