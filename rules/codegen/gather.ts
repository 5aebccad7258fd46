import {
  add,
  addField,
  and,
  be,
  comment,
  exit,
  ja,
  jeq,
  jge,
  jne,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  lsh,
  mov,
  R0,
  R1,
  R2,
  R3,
  R7,
  R8,
  R9,
  R10,
  st,
  stx,
} from '../../engine/isa/index.ts';
import { AF_INET, AF_INET6, AF_UNIX, FILE_TYPES } from '../language/index.ts';
import { CONFIG } from './config.ts';
import { EXTRA, type HookContext } from './context.ts';
import { type Emitter, helper, lookupFirst, probeFieldAt, STACK, stackAddress } from './emitter.ts';
import { CONNECTED, END, HEAD, RECORD_KIND, type RecordKind } from './layout.ts';
import { emitOtherInScope } from './scope.ts';
import { emitTaskDetails } from './task-details.ts';

/** Bytes of task_struct.comm. */
export const COMM_BYTES = 16;
const S_IFMT = 0xf000;
const S_IFSOCK = 0xc000;
/** What is none of the types there are characters for: event descriptors, netlink sockets. */
const OTHER_TYPE = 'o';
const MEMFD = 0x3a_64_66_6d_65_6dn;
/** Of skc_state (include/net/tcp_states.h), also of a connected datagram socket. */
const TCP_ESTABLISHED = 1;

/** r8 = the current task. */
export const currentTask = [helper('bpf_get_current_task_btf'), mov(R8, R0)];

/** r7 = this CPU's scratch value, whose beginning is the record; leaves the program with 0 where there is none. */
export const emitScratch = (out: Emitter): void => {
  const found = out.fresh('scratch');
  out.emit(...lookupFirst('scratch'), jne(R0, 0, found), mov(R0, 0), exit(), label(found), mov(R7, R0));
};

/** Clears what a record must not keep of the event before: rule bits, truths, string states. */
export const emitClear = (context: HookContext): void => {
  const { out, layout } = context;
  for (let at = HEAD.result; at < layout.predicates + layout.predicateBytes; at += 8) out.emit(st('dw', R7, at, 0));
  for (const at of Object.values(layout.strings)) out.emit(st('dw', R7, at, 0));
};

/** Fills in who and when, for the task in r8. Uses r9. */
export const emitHead = (context: HookContext, kind: RecordKind): void => {
  const { out, layout } = context;
  out.emit(
    comment('who and when'),
    st('h', R7, HEAD.kind, RECORD_KIND[kind]),
    st('b', R7, HEAD.hook, layout.index),
    loadMapValue(R1, 'config', 0),
    ldx('b', R1, R1, CONFIG.generation),
    stx('b', R7, HEAD.generation, R1),
    st('w', R7, HEAD.event, 0),
    helper('bpf_ktime_get_boot_ns'),
    stx('dw', R7, HEAD.time, R0),
    helper('bpf_get_current_cgroup_id'),
    stx('dw', R7, HEAD.cgroup, R0),
    mov(R1, R7),
    add(R1, HEAD.comm),
    mov(R2, COMM_BYTES),
    helper('bpf_get_current_comm'),
  );
  emitIdentity(out);
  emitTaskDetails(context, kind);
};

/** Fills in the ids, times and credentials of the task in r8; a parent outside of the scope is left out, as if there were none. */
const emitIdentity = (out: Emitter): void => {
  const outside = out.fresh('parent.outside');
  out.emit(
    ldxField('dw', R1, R8, 'task_struct.group_leader'),
    ldxField('dw', R2, R1, 'task_struct.start_boottime'),
    stx('dw', R7, HEAD.start, R2),
    ldxField('w', R1, R8, 'task_struct.tgid'),
    stx('w', R7, HEAD.tgid, R1),
    ldxField('w', R1, R8, 'task_struct.pid'),
    stx('w', R7, HEAD.tid, R1),
    comment('the parent'),
    st('w', R7, HEAD.ppid, 0),
    st('dw', R7, HEAD.parentStart, 0),
    ldxField('dw', R9, R8, 'task_struct.real_parent'),
    jeq(R9, 0, outside),
  );
  emitOtherInScope(out, outside);
  out.emit(
    ldxField('w', R2, R9, 'task_struct.tgid'),
    stx('w', R7, HEAD.ppid, R2),
    ldxField('dw', R1, R9, 'task_struct.group_leader'),
    ldxField('dw', R2, R1, 'task_struct.start_boottime'),
    stx('dw', R7, HEAD.parentStart, R2),
    label(outside),
    comment('the credentials'),
    ldxField('w', R1, R8, 'task_struct.loginuid.val'),
    stx('w', R7, HEAD.loginuid, R1),
    ldxField('dw', R1, R8, 'task_struct.cred'),
    ldxField('w', R2, R1, 'cred.euid.val'),
    stx('w', R7, HEAD.uid, R2),
    ldxField('w', R2, R1, 'cred.egid.val'),
    stx('w', R7, HEAD.gid, R2),
  );
};

/** STACK.key = the key of a process: tgid in r1, start time in r2. */
export const storeKey = [
  stx('w', R10, STACK.key, R1),
  st('w', R10, STACK.key + 4, 0),
  stx('dw', R10, STACK.key + 8, R2),
];

/** r0 = the value of the process that the record is about, or 0. */
export const lookupProcess = [
  ldx('w', R1, R7, HEAD.tgid),
  ldx('dw', R2, R7, HEAD.start),
  ...storeKey,
  loadMap(R1, 'processes'),
  ...stackAddress(R2, STACK.key),
  helper('bpf_map_lookup_elem'),
];

/** STACK.file = the address of the file that descriptor r9 of the task in r8 refers to, 0 where there is none. Uses r9. */
export const emitFileOfFd = (out: Emitter): void => {
  const none = out.fresh('fd.none');
  out.emit(
    comment('the file behind the descriptor'),
    st('dw', R10, STACK.file, 0),
    ldxField('dw', R1, R8, 'task_struct.files'),
    jeq(R1, 0, none),
    ldxField('dw', R1, R1, 'files_struct.fdt'),
    jeq(R1, 0, none),
    ldxField('w', R2, R1, 'fdtable.max_fds'),
    jge(R9, R2, none),
    ldxField('dw', R3, R1, 'fdtable.fd'),
    lsh(R9, 3),
    add(R3, R9),
    ...stackAddress(R1, STACK.file),
    mov(R2, 8),
    helper('bpf_probe_read_kernel'),
    label(none),
  );
};

/** Reads type, device and inode number of the file at STACK.file into the head, and a socket's ends. */
export const emitFileFacts = (out: Emitter): void => {
  const [typed, end] = [out.fresh('facts.typed'), out.fresh('facts.end')];
  out.emit(
    comment('what kind of file it is'),
    ldx('dw', R1, R10, STACK.file),
    jeq(R1, 0, end),
    ...probeFieldAt(STACK.inode, 8, STACK.file, 'file.f_inode'),
    ...probeFieldAt(STACK.scratch, 8, STACK.inode, 'inode.i_ino'),
    ldx('dw', R1, R10, STACK.scratch),
    stx('dw', R7, HEAD.ino, R1),
    ...probeFieldAt(STACK.scratch, 8, STACK.inode, 'inode.i_sb'),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 4, STACK.scratch, 'super_block.s_dev'),
    ldx('w', R1, R10, STACK.length),
    stx('w', R7, HEAD.dev, R1),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 2, STACK.inode, 'inode.i_mode'),
    ldx('h', R9, R10, STACK.length),
    jeq(R9, 0, end),
    st('b', R7, HEAD.typechar, OTHER_TYPE.charCodeAt(0)),
    and(R9, S_IFMT),
  );
  for (const type of Object.values(FILE_TYPES)) {
    const next = out.fresh('facts.next');
    out.emit(jne(R9, type.mode, next), st('b', R7, HEAD.typechar, type.char.charCodeAt(0)));
    out.emit(ja(type.mode === FILE_TYPES.file.mode ? typed : end), label(next));
  }
  out.emit(
    jne(R9, S_IFSOCK, end),
    ...probeFieldAt(STACK.socket, 8, STACK.file, 'file.private_data'),
    ...probeFieldAt(STACK.socket, 8, STACK.socket, 'socket.sk'),
  );
  emitSocketEnds(out);
  out.emit(ja(end), label(typed));
  emitIsMemfd(out, 'file', end);
  out.emit(st('b', R7, HEAD.typechar, 'm'.charCodeAt(0)), label(end));
};

/** Falls through where the file at a stack slot lies in anonymous memory (its dentry is its own parent and called `memfd:...`), else jumps. */
export const emitIsMemfd = (out: Emitter, slot: 'file' | 'inode', otherwise: string): void => {
  out.emit(
    ...probeFieldAt(STACK.dentry, 8, STACK[slot], 'file.f_path.dentry'),
    ...probeFieldAt(STACK.parent, 8, STACK.dentry, 'dentry.d_parent'),
    ldx('dw', R1, R10, STACK.dentry),
    ldx('dw', R2, R10, STACK.parent),
    jne(R1, R2, otherwise),
    ...probeFieldAt(STACK.name, 8, STACK.dentry, 'dentry.d_name.name'),
    st('dw', R10, STACK.length, 0),
    ...stackAddress(R1, STACK.length),
    mov(R2, 6),
    ldx('dw', R3, R10, STACK.name),
    helper('bpf_probe_read_kernel'),
    ldx('dw', R1, R10, STACK.length),
    lddw(R2, MEMFD),
    jne(R1, R2, otherwise),
  );
};

/**
 * Fills in both ends of the sock whose address is in STACK.socket, and the type character of its family. A socket without one has
 * none; newer kernels insist on the comparison.
 */
export const emitSocketEnds = (out: Emitter): void => {
  const [six, unix, end] = [out.fresh('sock.six'), out.fresh('sock.unix'), out.fresh('sock.end')];
  const common = 'sock.__sk_common';
  const into = (offset: number, size: number, access: string) => [
    ldx('dw', R3, R10, STACK.socket),
    ...probeInto(offset, size, access),
  ];
  out.emit(
    comment('both ends of the socket'),
    ldx('dw', R1, R10, STACK.socket),
    jeq(R1, 0, end),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 2, STACK.socket, `${common}.skc_family`),
    ldx('h', R9, R10, STACK.length),
    jeq(R9, AF_UNIX, unix),
    jeq(R9, AF_INET6, six),
    jne(R9, AF_INET, end),
    st('b', R7, HEAD.typechar, '4'.charCodeAt(0)),
    ...into(HEAD.local + END.address, 4, `${common}.skc_rcv_saddr`),
    ...into(HEAD.remote + END.address, 4, `${common}.skc_daddr`),
  );
  const [ports, unnamed, unconnected] = [out.fresh('sock.ports'), out.fresh('sock.unnamed'), out.fresh('sock.open')];
  out.emit(
    ja(ports),
    label(six),
    st('b', R7, HEAD.typechar, '6'.charCodeAt(0)),
    ...into(HEAD.local + END.address, 16, `${common}.skc_v6_rcv_saddr`),
    ...into(HEAD.remote + END.address, 16, `${common}.skc_v6_daddr`),
    label(ports),
    stx('h', R7, HEAD.local + END.family, R9),
    ...probeFieldAt(STACK.length, 2, STACK.socket, `${common}.skc_num`),
    ldx('h', R1, R10, STACK.length),
    stx('h', R7, HEAD.local + END.port, R1),
    ...probeFieldAt(STACK.length, 2, STACK.socket, `${common}.skc_dport`),
    ldx('h', R1, R10, STACK.length),
    be(R1, 16),
    stx('h', R7, HEAD.remote + END.port, R1),
    jeq(R1, 0, unnamed),
    stx('h', R7, HEAD.remote + END.family, R9),
    label(unnamed),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 1, STACK.socket, `${common}.skc_state`),
    st('b', R7, HEAD.connected, CONNECTED.no),
    ldx('b', R1, R10, STACK.length),
    jne(R1, TCP_ESTABLISHED, unconnected),
    st('b', R7, HEAD.connected, CONNECTED.yes),
    label(unconnected),
    ...into(HEAD.protocol, 2, 'sock.sk_protocol'),
    ja(end),
    label(unix),
    st('b', R7, HEAD.typechar, 'u'.charCodeAt(0)),
    label(end),
  );
};

/** Reads `size` bytes of a member of the struct at r3 into the record. */
const probeInto = (offset: number, size: number, access: string) => [
  addField(R3, access),
  mov(R1, R7),
  add(R1, offset),
  mov(R2, size),
  helper('bpf_probe_read_kernel'),
];

/**
 * Takes an end of a socket from the sockaddr in the scratch area (`EXTRA.sockaddr`), and the type character of its family. An
 * IPv4-mapped IPv6 address counts as IPv4 everywhere (RFC 4291, section 2.5.5.2).
 */
export const emitSockaddrEnd = (context: HookContext, end: 'local' | 'remote'): void => {
  const { out, extra } = context;
  const at = extra + EXTRA.sockaddr;
  const [six, unix, done] = [out.fresh('addr.six'), out.fresh('addr.unix'), out.fresh('addr.end')];
  out.emit(
    comment('an address as passed'),
    ldx('h', R1, R7, at),
    jeq(R1, AF_UNIX, unix),
    jeq(R1, AF_INET6, six),
    jne(R1, AF_INET, done),
    st('b', R7, HEAD.typechar, '4'.charCodeAt(0)),
    stx('h', R7, HEAD[end] + END.family, R1),
    ldx('w', R2, R7, at + 4),
    stx('w', R7, HEAD[end] + END.address, R2),
    ldx('h', R2, R7, at + 2),
    be(R2, 16),
    stx('h', R7, HEAD[end] + END.port, R2),
    ja(done),
    label(six),
    st('b', R7, HEAD.typechar, '6'.charCodeAt(0)),
    stx('h', R7, HEAD[end] + END.family, R1),
    ldx('dw', R2, R7, at + 8),
    stx('dw', R7, HEAD[end] + END.address, R2),
    ldx('dw', R2, R7, at + 16),
    stx('dw', R7, HEAD[end] + END.address + 8, R2),
    ldx('h', R2, R7, at + 2),
    be(R2, 16),
    stx('h', R7, HEAD[end] + END.port, R2),
    ja(done),
    label(unix),
    st('b', R7, HEAD.typechar, 'u'.charCodeAt(0)),
    label(done),
  );
};

/** Rewrites IPv4-mapped IPv6 ends as IPv4. */
export const emitUnmap = (out: Emitter): void => {
  for (const end of ['local', 'remote'] as const) {
    const skip = out.fresh('unmap');
    const at = HEAD[end];
    out.emit(
      ldx('h', R1, R7, at + END.family),
      jne(R1, AF_INET6, skip),
      ldx('dw', R1, R7, at + END.address),
      jne(R1, 0, skip),
      ldx('w', R1, R7, at + END.address + 8),
      lddw(R2, 0xffff_0000n),
      jne(R1, R2, skip),
      ldx('w', R1, R7, at + END.address + 12),
      stx('w', R7, at + END.address, R1),
      st('w', R7, at + END.address + 12, 0),
      st('w', R7, at + END.address + 8, 0),
      st('h', R7, at + END.family, AF_INET),
      label(skip),
    );
  }
};
