import { KERNEL_BTF } from './layout.ts';

/** Byte offsets of members by the simulation's names for them, and the struct's size. */
type Offsets<Members extends Record<string, string>> = { readonly [Name in keyof Members | 'size']: number };

const offsets = <const Members extends Record<string, string>>(struct: string, members: Members): Offsets<Members> => {
  const id = KERNEL_BTF.struct(struct);
  if (id === undefined) throw new Error(`the simulated kernel's BTF has no struct ${struct}`);
  const result: Record<string, number> = { size: KERNEL_BTF.size(id) };
  for (const [name, member] of Object.entries(members)) {
    const access = KERNEL_BTF.access(`${struct}.${member}`);
    if (!access) throw new Error(`the simulated kernel's BTF has no ${struct}.${member}`);
    result[name] = access.offset;
  }
  return Object.freeze(result) as Offsets<Members>;
};

/** Offset of a member by its path, `io_open.how.flags`; a structure's own offset is 0. */
export const offsetOf = (access: string): number => {
  const found = KERNEL_BTF.access(access);
  if (!found) throw new Error(`the simulated kernel's BTF has no ${access}`);
  return found.offset;
};

const sizeOf = (access: string): number => KERNEL_BTF.access(access)?.size ?? 0;

export const TASK = {
  ...offsets('task_struct', {
    threadStatus: 'thread_info.status',
    flags: 'flags',
    mm: 'mm',
    pid: 'pid',
    tgid: 'tgid',
    realParent: 'real_parent',
    leader: 'group_leader',
    startTime: 'start_time',
    startBoottime: 'start_boottime',
    comm: 'comm',
    realCred: 'real_cred',
    cred: 'cred',
    fs: 'fs',
    files: 'files',
    nsproxy: 'nsproxy',
    cgroups: 'cgroups',
    signal: 'signal',
    threadPid: 'thread_pid',
    loginuid: 'loginuid.val',
    ioUring: 'io_uring',
  }),
  commSize: sizeOf('task_struct.comm'),
};
export const SIGNAL = offsets('signal_struct', {
  live: 'live.counter',
  threads: 'nr_threads',
  pids: 'pids',
  tty: 'tty',
});
export const PID = offsets('pid', { level: 'level', numbers: 'numbers' });
export const UPID = offsets('upid', { nr: 'nr', namespace: 'ns' });
export const TTY = offsets('tty_struct', { index: 'index', driver: 'driver' });
export const TTY_DRIVER = offsets('tty_driver', { major: 'major', minorStart: 'minor_start' });
export const KERNFS_NODE = offsets('kernfs_node', { id: 'id' });
export const CGROUP = offsets('cgroup', { node: 'kn', level: 'level', ancestors: 'ancestors' });
export const CSS_SET = offsets('css_set', { cgroup: 'dfl_cgrp' });
export const NSPROXY = offsets('nsproxy', { pid: 'pid_ns_for_children' });
export const PID_NAMESPACE = offsets('pid_namespace', { level: 'level' });
export const MM = offsets('mm_struct', {
  argStart: 'arg_start',
  argEnd: 'arg_end',
  envStart: 'env_start',
  envEnd: 'env_end',
  exeFile: 'exe_file',
});
export const CRED = offsets('cred', {
  uid: 'uid.val',
  gid: 'gid.val',
  suid: 'suid.val',
  sgid: 'sgid.val',
  euid: 'euid.val',
  egid: 'egid.val',
  fsuid: 'fsuid.val',
  fsgid: 'fsgid.val',
  inheritable: 'cap_inheritable.val',
  permitted: 'cap_permitted.val',
  effective: 'cap_effective.val',
});
export const PATH = offsets('path', { mnt: 'mnt', dentry: 'dentry' });
export const FS_STRUCT = offsets('fs_struct', { root: 'root', cwd: 'pwd' });
export const FILES_STRUCT = offsets('files_struct', { count: 'count.counter', fdt: 'fdt' });
export const FDTABLE = offsets('fdtable', { maxFds: 'max_fds', fd: 'fd' });
export const FILE = offsets('file', {
  path: 'f_path',
  inode: 'f_inode',
  flags: 'f_flags',
  mode: 'f_mode',
  position: 'f_pos',
  privateData: 'private_data',
});
export const DENTRY = {
  ...offsets('dentry', {
    parent: 'd_parent',
    nameLength: 'd_name.len',
    name: 'd_name.name',
    inode: 'd_inode',
    inlineName: 'd_iname',
    sb: 'd_sb',
  }),
  inlineNameSize: sizeOf('dentry.d_iname'),
};
export const INODE = offsets('inode', {
  mode: 'i_mode',
  uid: 'i_uid.val',
  gid: 'i_gid.val',
  sb: 'i_sb',
  ino: 'i_ino',
  nlink: 'i_nlink',
  rdev: 'i_rdev',
  fileSize: 'i_size',
  modified: 'i_mtime_sec',
  modifiedNs: 'i_mtime_nsec',
  changed: 'i_ctime_sec',
  changedNs: 'i_ctime_nsec',
});
export const SUPER_BLOCK = offsets('super_block', { dev: 's_dev', magic: 's_magic', root: 's_root' });
export const MNT_NAMESPACE = offsets('mnt_namespace', {});
export const MOUNT = offsets('mount', {
  parent: 'mnt_parent',
  mountpoint: 'mnt_mountpoint',
  mnt: 'mnt',
  mntRoot: 'mnt.mnt_root',
  mntSb: 'mnt.mnt_sb',
  mntFlags: 'mnt.mnt_flags',
  namespace: 'mnt_ns',
  id: 'mnt_id',
});
export const BINPRM = offsets('linux_binprm', {
  mm: 'mm',
  file: 'file',
  cred: 'cred',
  argc: 'argc',
  envc: 'envc',
  filename: 'filename',
  interp: 'interp',
});
export const SOCKET = offsets('socket', { state: 'state', type: 'type', file: 'file', sk: 'sk' });
export const SOCK = offsets('sock', {
  peerAddress: '__sk_common.skc_daddr',
  localAddress: '__sk_common.skc_rcv_saddr',
  peerPort: '__sk_common.skc_dport',
  localPort: '__sk_common.skc_num',
  family: '__sk_common.skc_family',
  state: '__sk_common.skc_state',
  peerAddress6: '__sk_common.skc_v6_daddr',
  localAddress6: '__sk_common.skc_v6_rcv_saddr',
  protocol: 'sk_protocol',
  type: 'sk_type',
});
export const SIGINFO = offsets('kernel_siginfo', {
  signo: 'si_signo',
  code: 'si_code',
  pid: 'si_pid',
  uid: 'si_uid',
});
export const MSGHDR = offsets('msghdr', { name: 'msg_name', nameLength: 'msg_namelen' });
export const BPF_ATTR = offsets('bpf_attr', {});
export const BPF_SOCK = offsets('bpf_sock', {
  family: 'family',
  type: 'type',
  protocol: 'protocol',
  sourceAddress: 'src_ip4',
  sourceAddress6: 'src_ip6',
  sourcePort: 'src_port',
  peerPort: 'dst_port',
  peerAddress: 'dst_ip4',
  peerAddress6: 'dst_ip6',
  state: 'state',
});
export const FILENAME = offsets('filename', { name: 'name', user: 'uptr' });
export const IO_KIOCB = offsets('io_kiocb', {
  file: 'file',
  command: 'cmd',
  opcode: 'opcode',
  flags: 'flags',
  fd: 'cqe.fd',
  asyncData: 'async_data',
  creds: 'creds',
});
export const SOCKADDR_STORAGE = offsets('__kernel_sockaddr_storage', { family: 'ss_family' });
export const IO_ASYNC_MSGHDR = offsets('io_async_msghdr', {
  name: 'msg.msg_name',
  nameLength: 'msg.msg_namelen',
  userAddress: 'uaddr',
  address: 'addr',
});
/** x86-64 registers as they lie on the kernel stack at a system call. */
export const PT_REGS = offsets('pt_regs', {
  first: 'r15',
  r10: 'r10',
  r9: 'r9',
  r8: 'r8',
  ax: 'ax',
  bp: 'bp',
  bx: 'bx',
  cx: 'cx',
  dx: 'dx',
  si: 'si',
  di: 'di',
  origAx: 'orig_ax',
});
