import { ATTACH_TYPES, type AttachType, sockAddrContext } from './contexts.ts';
import type { ProgramType } from './program-types.ts';

/** A context slot of 8 bytes: a number, or a pointer to a kernel struct that BTF describes and that may be null where it says so. */
export interface HookArgument {
  readonly name: string;
  readonly type: 'scalar' | { readonly struct: string; readonly nullable?: boolean };
}

/** What a member of a context stands for, where it is more than a number. */
export type ContextFieldType =
  | 'scalar'
  /** First byte of a packet, the byte behind its last, and what was put before its first. */
  | 'packet'
  | 'packet_end'
  | 'packet_meta'
  | { readonly struct: string; readonly nullable?: boolean };

/** A member of a context that is a struct; bytes that no field covers can't be accessed. */
export interface ContextField {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly type: ContextFieldType;
  readonly access: 'read' | 'write' | 'both';
  /** Sizes of loads that may take a part of it, aligned to themselves; without, only the whole is loaded. */
  readonly loads?: readonly number[];
  /** The same of stores. */
  readonly stores?: readonly number[];
}

/** What r1 points to at entry where it isn't a row of arguments. */
export type ContextLayout =
  | { readonly kind: 'fields'; readonly name: string; readonly size: number; readonly fields: readonly ContextField[] }
  /** Plain bytes: the conformance runner's memory, a syscall program's context, a tracepoint's record. */
  | { readonly kind: 'memory'; readonly size: number; readonly writable: boolean };

/** A place programs attach to. */
export interface Hook {
  readonly programType: ProgramType;
  /** The section that names it, `cgroup/connect4`; for messages. */
  readonly name?: string;
  /** enum bpf_attach_type's number, where the program type has several. */
  readonly attachType?: number;
  /** Programs may sleep: some helpers and maps are allowed only so, others not. */
  readonly sleepable?: boolean;
  /** Slots of 8 bytes at r1; empty where `context` says what is there. */
  readonly arguments: readonly HookArgument[];
  readonly context?: ContextLayout;
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

const sockAddr = (attach: AttachType, max = 1): Hook => ({
  programType: 'cgroup_sock_addr',
  attachType: ATTACH_TYPES[attach],
  arguments: [],
  context: sockAddrContext(attach),
  returns: { min: 0, max },
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
  'tp_btf/io_uring_submit_req': tracing(pointer('req', 'io_kiocb')),
  'lsm/file_open': lsm(pointer('file', 'file'), scalar('ret')),
  'lsm/bprm_check_security': lsm(pointer('bprm', 'linux_binprm'), scalar('ret')),
  'lsm/socket_connect': lsm(
    pointer('sock', 'socket'),
    pointer('address', 'sockaddr'),
    scalar('addrlen'),
    scalar('ret'),
  ),
  'lsm/socket_bind': lsm(pointer('sock', 'socket'), pointer('address', 'sockaddr'), scalar('addrlen'), scalar('ret')),
  'lsm/socket_sendmsg': lsm(pointer('sock', 'socket'), pointer('msg', 'msghdr'), scalar('size'), scalar('ret')),
  'lsm/path_unlink': lsm(pointer('dir', 'path'), pointer('dentry', 'dentry'), scalar('ret')),
  'lsm/path_rename': lsm(
    pointer('old_dir', 'path'),
    pointer('old_dentry', 'dentry'),
    pointer('new_dir', 'path'),
    pointer('new_dentry', 'dentry'),
    scalar('flags'),
    scalar('ret'),
  ),
  'lsm/path_link': lsm(
    pointer('old_dentry', 'dentry'),
    pointer('new_dir', 'path'),
    pointer('new_dentry', 'dentry'),
    scalar('ret'),
  ),
  'lsm/path_symlink': lsm(pointer('dir', 'path'), pointer('dentry', 'dentry'), scalar('old_name'), scalar('ret')),
  'lsm/path_chmod': lsm(pointer('path', 'path'), scalar('mode'), scalar('ret')),
  'lsm/task_kill': lsm(
    pointer('p', 'task_struct'),
    pointer('info', 'kernel_siginfo'),
    scalar('sig'),
    pointer('cred', 'cred'),
    scalar('ret'),
  ),
  'lsm/task_fix_setuid': lsm(pointer('new', 'cred'), pointer('old', 'cred'), scalar('flags'), scalar('ret')),
  'lsm/ptrace_access_check': lsm(pointer('child', 'task_struct'), scalar('mode'), scalar('ret')),
  'lsm/sb_mount': lsm(
    scalar('dev_name'),
    pointer('path', 'path'),
    scalar('type'),
    scalar('flags'),
    scalar('data'),
    scalar('ret'),
  ),
  'lsm/kernel_read_file': lsm(pointer('file', 'file'), scalar('id'), scalar('contents'), scalar('ret')),
  'lsm/kernel_load_data': lsm(scalar('id'), scalar('contents'), scalar('ret')),
  'lsm/bpf': lsm(scalar('cmd'), pointer('attr', 'bpf_attr'), scalar('size'), scalar('ret')),
  'cgroup/connect4': sockAddr('cgroup_inet4_connect'),
  'cgroup/connect6': sockAddr('cgroup_inet6_connect'),
  'cgroup/sendmsg4': sockAddr('cgroup_udp4_sendmsg'),
  'cgroup/sendmsg6': sockAddr('cgroup_udp6_sendmsg'),
  'cgroup/bind4': sockAddr('cgroup_inet4_bind', 3),
  'cgroup/bind6': sockAddr('cgroup_inet6_bind', 3),
} as const satisfies Record<string, Hook>;

/** A hook's name, as objects and kernels use it. */
export type HookName = keyof typeof HOOKS;

/** What older kernels call a hook, with the same first arguments: until Linux 6.3 the tracepoint of io_uring's requests had another name. */
const FORMER_NAMES: ReadonlyMap<string, string> = new Map([
  ['tp_btf/io_uring_submit_req', 'tp_btf/io_uring_submit_sqe'],
]);

/** The name by which a kernel offers a hook, the hook's own or its former one; undefined where the kernel has no such hook. */
export const offeredHook = (hook: string, offered: readonly string[]): string | undefined =>
  [hook, FORMER_NAMES.get(hook)].find((name) => name !== undefined && offered.includes(name));
