import {
  add,
  addField,
  and,
  assemble,
  comment,
  exit,
  type Item,
  ja,
  jeq,
  jge,
  jle,
  jlt,
  jne,
  label,
  lddw,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
  type Register,
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { MapSpec, ProgramSpec } from '../../engine/object/index.ts';
import { createEmitter, type Emitter, helper, lookupFirst, probeFieldAt, STACK, stackAddress } from './emitter.ts';
import { emitExeFacts } from './exe-facts.ts';
import { emitIsMemfd } from './gather.ts';
import { ENV_BYTES, PATH_BYTES, STRING, STRING_STATE } from './layout.ts';
import { emitPathOf, emitPathWalk, WALK_BYTES } from './path.ts';

/** Bytes of an argument vector that a snapshot reads; a longer one is unknown. */
const ARGV_BYTES = 16_384;
const FILENAME_BYTES = 256;
const PAGE_BYTES = 4096;
const EXE_BYTES = STRING.data + PATH_BYTES;

/** Offsets into what the snapshot's program writes for a process; `argvLength` bytes of arguments and `envLength` of the environment follow. */
export const SNAPSHOT = {
  pid: 0,
  uid: 4,
  start: 8,
  /** 0: none, or outside of the scope. */
  parentPid: 16,
  argvLength: 20,
  parentStart: 24,
  cgroup: 32,
  /** Nanoseconds since boot at which it was read. */
  asOf: 40,
  comm: 48,
  /** 0: no memory of its own (a kernel thread, or one that ends); 1: the arguments were read, 2: they could not be. */
  argvState: 64,
  memfd: 65,
  /** Of the executable, `LAYER`. */
  layer: 66,
  /** 1: the environment was read. */
  envState: 67,
  /** Bytes of the environment, which follow the arguments. */
  envLength: 68,
  /** The executable's inode: its number, and when it and its content were changed (nanoseconds since 1970). */
  ino: 72,
  changed: 80,
  modified: 88,
  /** A string slot. */
  exe: 96,
  /** The name it was started by, as it lies behind the environment (bprm->filename, fs/exec.c), NUL-terminated. */
  filename: 96 + EXE_BYTES,
  size: 96 + EXE_BYTES + FILENAME_BYTES,
} as const;

const WALK = SNAPSHOT.size;
const ARGV = WALK + WALK_BYTES;
const ENV = ARGV + ARGV_BYTES;
const MAP = 'snapshot';

/** The map that the snapshot's program works in. */
export const SNAPSHOT_MAP: MapSpec = {
  name: MAP,
  type: 'array',
  keySize: 4,
  valueSize: ENV + ENV_BYTES,
  maxEntries: 1,
};

/** Where a snapshot looks: a cgroup's id, and how many levels below the root it lies. */
export interface SnapshotScope {
  readonly id: bigint;
  readonly level: number;
}

/** Goes on where the task in `task` is in the scope, else jumps to `outside`: before anything else of the task is read. r6 to r9 stay. */
export const emitTaskInScope = (out: Emitter, task: Register, { id, level }: SnapshotScope, outside: string): void => {
  if (level === 0) return;
  out.emit(
    comment('only tasks in the scope'),
    ldxField('dw', R1, task, 'task_struct.cgroups'),
    stx('dw', R10, STACK.parent, R1),
    ...probeFieldAt(STACK.root, 8, STACK.parent, 'css_set.dfl_cgrp'),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 4, STACK.root, 'cgroup.level'),
    ldx('w', R1, R10, STACK.length),
    jlt(R1, level, outside),
    ldx('dw', R3, R10, STACK.root),
    addField(R3, 'cgroup.ancestors'),
    add(R3, 8 * level),
    ...stackAddress(R1, STACK.parent),
    mov(R2, 8),
    helper('bpf_probe_read_kernel'),
    ...probeFieldAt(STACK.root, 8, STACK.parent, 'cgroup.kn'),
    ...probeFieldAt(STACK.length, 8, STACK.root, 'kernfs_node.id'),
    ldx('dw', R1, R10, STACK.length),
    lddw(R2, id),
    jne(R1, R2, outside),
  );
};

/** r9 = the task; leaves the program where the iteration is over. */
export const taskAgain = (out: Emitter) => {
  const found = out.fresh('task');
  return [ldx('dw', R9, R6, 8), jne(R9, 0, found), mov(R0, 0), exit(), label(found)];
};

/** The task's ids, times and names, and its parent's where that is in the scope. */
export const emitIdentity = (out: Emitter, scope: SnapshotScope): void => {
  const outside = out.fresh('parent.outside');
  out.emit(
    comment('who it is'),
    helper('bpf_ktime_get_boot_ns'),
    stx('dw', R7, SNAPSHOT.asOf, R0),
    ldxField('w', R1, R9, 'task_struct.tgid'),
    stx('w', R7, SNAPSHOT.pid, R1),
    ldxField('dw', R8, R9, 'task_struct.group_leader'),
    ldxField('dw', R1, R8, 'task_struct.start_boottime'),
    stx('dw', R7, SNAPSHOT.start, R1),
    ldxField('dw', R1, R9, 'task_struct.cred'),
    ldxField('w', R1, R1, 'cred.euid.val'),
    stx('w', R7, SNAPSHOT.uid, R1),
    mov(R3, R8),
    addField(R3, 'task_struct.comm'),
    mov(R1, R7),
    add(R1, SNAPSHOT.comm),
    mov(R2, 16),
    helper('bpf_probe_read_kernel'),
    ldxField('dw', R1, R9, 'task_struct.cgroups'),
    stx('dw', R10, STACK.parent, R1),
    ...probeFieldAt(STACK.root, 8, STACK.parent, 'css_set.dfl_cgrp'),
    ...probeFieldAt(STACK.parent, 8, STACK.root, 'cgroup.kn'),
    ...probeFieldAt(STACK.length, 8, STACK.parent, 'kernfs_node.id'),
    ldx('dw', R1, R10, STACK.length),
    stx('dw', R7, SNAPSHOT.cgroup, R1),
    comment('its parent'),
    st('w', R7, SNAPSHOT.parentPid, 0),
    st('dw', R7, SNAPSHOT.parentStart, 0),
    ldxField('dw', R8, R9, 'task_struct.real_parent'),
    jeq(R8, 0, outside),
  );
  emitTaskInScope(out, R8, scope, outside);
  out.emit(
    ldxField('w', R1, R8, 'task_struct.tgid'),
    stx('w', R7, SNAPSHOT.parentPid, R1),
    ldxField('dw', R1, R8, 'task_struct.group_leader'),
    ldxField('dw', R1, R1, 'task_struct.start_boottime'),
    stx('dw', R7, SNAPSHOT.parentStart, R1),
    label(outside),
  );
};

/** Copies r2 bytes from r3 in the task's memory to `at` of the value; r0 is 0 where all of them could be read. */
const copyFromTask = (at: number) => [
  mov(R1, R7),
  add(R1, at),
  mov(R4, R9),
  mov(R5, 0),
  helper('bpf_copy_from_user_task'),
];

/** The arguments, and behind the environment the name it was started by, which may reach into a second page. */
const emitMemory = (out: Emitter): void => {
  const [read, unreadable, named, end] = [
    out.fresh('memory.read'),
    out.fresh('memory.unreadable'),
    out.fresh('memory.named'),
    out.fresh('memory.end'),
  ];
  const [rest, environment] = [out.fresh('memory.rest'), out.fresh('memory.environment')];
  out.emit(
    comment('what its memory says'),
    st('b', R7, SNAPSHOT.argvState, 0),
    st('w', R7, SNAPSHOT.argvLength, 0),
    st('b', R7, SNAPSHOT.filename, 0),
    st('b', R7, SNAPSHOT.envState, 0),
    st('w', R7, SNAPSHOT.envLength, 0),
    ldxField('dw', R8, R9, 'task_struct.mm'),
    jeq(R8, 0, end),
    ldxField('dw', R3, R8, 'mm_struct.arg_start'),
    ldxField('dw', R2, R8, 'mm_struct.arg_end'),
    sub(R2, R3),
    jeq(R2, 0, read),
    jge(R2, ARGV_BYTES, unreadable),
    and(R2, ARGV_BYTES - 1),
    stx('w', R7, SNAPSHOT.argvLength, R2),
    ...copyFromTask(ARGV),
    jeq(R0, 0, read),
    label(unreadable),
    st('w', R7, SNAPSHOT.argvLength, 0),
    st('b', R7, SNAPSHOT.argvState, 2),
    ja(named),
    label(read),
    st('b', R7, SNAPSHOT.argvState, 1),
    label(named),
    ldxField('dw', R3, R8, 'mm_struct.env_start'),
    ldxField('dw', R2, R8, 'mm_struct.env_end'),
    sub(R2, R3),
    jge(R2, ENV_BYTES, environment),
    and(R2, ENV_BYTES - 1),
    stx('w', R7, SNAPSHOT.envLength, R2),
    st('b', R7, SNAPSHOT.envState, 1),
    jeq(R2, 0, environment),
    ...copyFromTask(ENV),
    jeq(R0, 0, environment),
    st('w', R7, SNAPSHOT.envLength, 0),
    st('b', R7, SNAPSHOT.envState, 0),
    label(environment),
    ldxField('dw', R3, R8, 'mm_struct.env_end'),
    jeq(R3, 0, end),
    stx('dw', R10, STACK.scratch, R3),
    mov(R2, PAGE_BYTES),
    mov(R1, R3),
    and(R1, PAGE_BYTES - 1),
    sub(R2, R1),
    jle(R2, FILENAME_BYTES - 1, rest),
    mov(R2, FILENAME_BYTES - 1),
    label(rest),
    and(R2, FILENAME_BYTES - 1),
    stx('dw', R10, STACK.length, R2),
    ...copyFromTask(SNAPSHOT.filename),
    jne(R0, 0, end),
    comment('the next page'),
    ldx('dw', R1, R10, STACK.length),
    ldx('dw', R3, R10, STACK.scratch),
    add(R3, R1),
    and(R1, FILENAME_BYTES - 1),
    mov(R2, FILENAME_BYTES - 1),
    sub(R2, R1),
    and(R2, FILENAME_BYTES - 1),
    st('b', R7, SNAPSHOT.filename + FILENAME_BYTES - 1, 0),
    jeq(R2, 0, end),
    add(R1, R7),
    add(R1, SNAPSHOT.filename),
    mov(R4, R9),
    mov(R5, 0),
    helper('bpf_copy_from_user_task'),
    label(end),
  );
};

/** The executable's path, walked as at exec, and whether it lies in anonymous memory. */
const emitExecutable = (out: Emitter): void => {
  const [none, memfd] = [out.fresh('exe.none'), out.fresh('exe.memfd')];
  out.emit(
    comment('the executable'),
    st('dw', R7, SNAPSHOT.exe, 0),
    st('b', R7, SNAPSHOT.exe + STRING.state, STRING_STATE.unknown),
    st('b', R7, SNAPSHOT.memfd, 0),
    st('b', R7, SNAPSHOT.layer, 0),
    st('dw', R7, SNAPSHOT.ino, 0),
    st('dw', R7, SNAPSHOT.changed, 0),
    st('dw', R7, SNAPSHOT.modified, 0),
    ldxField('dw', R8, R9, 'task_struct.mm'),
    jeq(R8, 0, none),
    ldxField('dw', R9, R8, 'mm_struct.exe_file'),
    stx('dw', R10, STACK.file, R9),
    jeq(R9, 0, none),
  );
  emitIsMemfd(out, 'file', memfd);
  out.emit(
    st('b', R7, SNAPSHOT.memfd, 1),
    label(memfd),
    ...probeFieldAt(STACK.inode, 8, STACK.file, 'file.f_inode'),
    ...probeFieldAt(STACK.scratch, 8, STACK.inode, 'inode.i_ino'),
    ldx('dw', R1, R10, STACK.scratch),
    stx('dw', R7, SNAPSHOT.ino, R1),
  );
  emitExeFacts(out, SNAPSHOT);
  out.emit(ldx('dw', R9, R10, STACK.file));
  emitPathOf(out, 'file.f_path');
  emitPathWalk(out, SNAPSHOT.exe, WALK);
  out.emit(label(none));
};

/**
 * A program that writes what every living process of a scope is (`SNAPSHOT`), once for each, for an iterator over tasks (from Linux 5.18
 * on). A task's cgroup is tested before anything else of it is read. A first thread that has ended without the others has no memory
 * any more; then another thread gives the process's: the later of two entries of a process that has an executable counts.
 */
export const snapshotProgram = (scope: SnapshotScope): ProgramSpec<string> => {
  const out = createEmitter();
  out.emit(mov(R6, R1), ldx('dw', R9, R6, 8), jeq(R9, 0, 'exit'));
  emitTaskInScope(out, R9, scope, 'exit');
  out.emit(
    comment('threads only where the first one has ended'),
    ldxField('w', R1, R9, 'task_struct.pid'),
    ldxField('w', R2, R9, 'task_struct.tgid'),
    jeq(R1, R2, 'first'),
    ldxField('dw', R1, R9, 'task_struct.group_leader'),
    ldxField('dw', R1, R1, 'task_struct.mm'),
    jne(R1, 0, 'exit'),
    ldxField('dw', R1, R9, 'task_struct.mm'),
    jeq(R1, 0, 'exit'),
    label('first'),
    comment('a process without living threads has ended'),
    ldxField('dw', R1, R9, 'task_struct.signal'),
    ldxField('w', R1, R1, 'signal_struct.live.counter'),
    jeq(R1, 0, 'exit'),
    ...lookupFirst(MAP),
    jeq(R0, 0, 'exit'),
    mov(R7, R0),
    ...taskAgain(out),
  );
  emitIdentity(out, scope);
  emitMemory(out);
  emitExecutable(out);
  const write = (at: number, length: readonly Item[]) => [
    ldx('dw', R1, R6, 0),
    ldxField('dw', R1, R1, 'bpf_iter_meta.seq'),
    mov(R2, R7),
    add(R2, at),
    ...length,
    helper('bpf_seq_write'),
  ];
  out.emit(
    comment('hand it over'),
    ...write(0, [mov(R3, SNAPSHOT.size)]),
    jne(R0, 0, 'exit'),
    ...write(ARGV, [ldx('w', R3, R7, SNAPSHOT.argvLength), and(R3, ARGV_BYTES - 1)]),
    jne(R0, 0, 'exit'),
    ...write(ENV, [ldx('w', R3, R7, SNAPSHOT.envLength), and(R3, ENV_BYTES - 1)]),
    label('exit'),
    mov(R0, 0),
    exit(),
  );
  return { name: 'snapshot', hook: 'iter.s/task', ...assemble(out.items) };
};
