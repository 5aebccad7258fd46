import {
  assemble,
  comment,
  exit,
  jeq,
  label,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  R9,
  st,
  stx,
} from '../../engine/isa/index.ts';
import type { ProgramSpec } from '../../engine/object/index.ts';
import { createEmitter, helper, lookupFirst } from './emitter.ts';
import { emitIdentity, emitTaskInScope, SNAPSHOT, SNAPSHOT_MAP, type SnapshotScope, taskAgain } from './snapshot.ts';

/** Offsets into what the program writes for a task: the head of `SNAPSHOT`, without `argvLength`, and behind its comm what guards and rules ask of a caller. */
export const ASKING = {
  pid: SNAPSHOT.pid,
  uid: SNAPSHOT.uid,
  start: SNAPSHOT.start,
  parentPid: SNAPSHOT.parentPid,
  parentStart: SNAPSHOT.parentStart,
  cgroup: SNAPSHOT.cgroup,
  /** Nanoseconds since boot at which it was read. */
  asOf: SNAPSHOT.asOf,
  comm: SNAPSHOT.comm,
  gid: 64,
  loginuid: 68,
  /** PF_* of include/linux/sched.h. */
  flags: 72,
  tid: 76,
  /** The executable's inode and device, as the map `protected` has them; 0 where it runs none. */
  exeIno: 80,
  exeDev: 88,
  size: 96,
} as const;

/**
 * A program that writes who a task is (`ASKING`), for an iterator that is given the task's id; nothing for tasks outside of the scope, whose cgroup
 * is tested before anything else of them is read. It works in a map like `SNAPSHOT_MAP`.
 */
export const askingTaskProgram = (scope: SnapshotScope): ProgramSpec<string> => {
  const out = createEmitter();
  out.emit(mov(R6, R1), ldx('dw', R9, R6, 8), jeq(R9, 0, 'exit'));
  emitTaskInScope(out, R9, scope, 'exit');
  out.emit(...lookupFirst(SNAPSHOT_MAP.name), jeq(R0, 0, 'exit'), mov(R7, R0), ...taskAgain(out));
  emitIdentity(out, scope);
  out.emit(
    comment('what guards and rules ask of it'),
    ldxField('dw', R1, R9, 'task_struct.cred'),
    ldxField('w', R1, R1, 'cred.egid.val'),
    stx('w', R7, ASKING.gid, R1),
    ldxField('w', R1, R9, 'task_struct.loginuid.val'),
    stx('w', R7, ASKING.loginuid, R1),
    ldxField('w', R1, R9, 'task_struct.flags'),
    stx('w', R7, ASKING.flags, R1),
    ldxField('w', R1, R9, 'task_struct.pid'),
    stx('w', R7, ASKING.tid, R1),
    comment('the program that it runs'),
    st('dw', R7, ASKING.exeIno, 0),
    st('dw', R7, ASKING.exeDev, 0),
    ldxField('dw', R8, R9, 'task_struct.mm'),
    jeq(R8, 0, 'write'),
    ldxField('dw', R8, R8, 'mm_struct.exe_file'),
    jeq(R8, 0, 'write'),
    ldxField('dw', R8, R8, 'file.f_inode'),
    jeq(R8, 0, 'write'),
    ldxField('dw', R1, R8, 'inode.i_ino'),
    stx('dw', R7, ASKING.exeIno, R1),
    ldxField('dw', R8, R8, 'inode.i_sb'),
    jeq(R8, 0, 'write'),
    ldxField('w', R1, R8, 'super_block.s_dev'),
    stx('dw', R7, ASKING.exeDev, R1),
    label('write'),
    ldx('dw', R1, R6, 0),
    ldxField('dw', R1, R1, 'bpf_iter_meta.seq'),
    mov(R2, R7),
    mov(R3, ASKING.size),
    helper('bpf_seq_write'),
    label('exit'),
    mov(R0, 0),
    exit(),
  );
  return { name: 'asking_task', hook: 'iter/task', ...assemble(out.items) };
};
