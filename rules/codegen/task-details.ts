import {
  add,
  addField,
  and,
  comment,
  jeq,
  jlt,
  jne,
  jslt,
  label,
  ldx,
  ldxField,
  lsh,
  mov,
  or,
  R0,
  R1,
  R2,
  R3,
  R7,
  R8,
  R9,
  R10,
  rsh,
  st,
  stx,
} from '../../engine/isa/index.ts';
import type { TaskDetail } from '../plan/index.ts';
import type { HookContext } from './context.ts';
import { type Emitter, helper, probeFieldAt, STACK, stackAddress } from './emitter.ts';
import { HEAD, type RecordKind, TASK_DETAILS } from './layout.ts';

/** enum pid_type (include/linux/pid_types.h). */
const PIDTYPE = { tgid: 1, pgid: 2, sid: 3 } as const;
/** struct upid: the number, and the namespace in which it is that. */
const UPID = { nr: 0, namespace: 8, shift: 4, size: 16 } as const;
/** Levels that pid namespaces may be nested (MAX_PID_NS_LEVEL of include/linux/pid_namespace.h). */
const MAX_LEVEL = 32;

/** Reads what rules ask for of the task in r8 into the head. Uses r9. */
export const emitTaskDetails = ({ out, details }: HookContext, kind: RecordKind): void => {
  out.emit(st('w', R7, HEAD.details, 0));
  if (details.size === 0 || kind === 'fork') return;
  out.emit(comment(`what rules ask for of the task: ${[...details].join(', ')}`));
  const has = (detail: TaskDetail): boolean => details.has(detail);
  if (has('capabilities')) emitCapabilities(out);
  if (has('threads')) emitThreads(out);
  if (has('tty')) emitTerminal(out);
  if (has('sid')) emitPidOf(out, 'sid', PIDTYPE.sid);
  if (has('pgid')) emitPidOf(out, 'pgid', PIDTYPE.pgid);
  if (has('vpid') || has('vtid') || has('vpgid')) emitVirtual(out, details);
  if (has('pvpid')) emitParent(out);
};

/** Says in the head that a detail was read. */
const known = (detail: TaskDetail) => [
  ldx('w', R1, R7, HEAD.details),
  or(R1, TASK_DETAILS[detail]),
  stx('w', R7, HEAD.details, R1),
];

/** The sets lie in two words each up to Linux 6.2, in one from 6.3 on: the same eight bytes. Bit 63 is no capability; the simulated kernel sets it in sets that nobody knows. */
const emitCapabilities = (out: Emitter): void => {
  const none = out.fresh('caps.none');
  out.emit(ldxField('dw', R1, R8, 'task_struct.cred'), stx('dw', R10, STACK.parent, R1));
  for (const [into, member] of [
    [HEAD.capEffective, 'cap_effective'],
    [HEAD.capPermitted, 'cap_permitted'],
    [HEAD.capInheritable, 'cap_inheritable'],
  ] as const)
    out.emit(
      ...probeFieldAt(STACK.scratch, 8, STACK.parent, `cred.${member}`),
      jne(R0, 0, none),
      ldx('dw', R1, R10, STACK.scratch),
      jslt(R1, 0, none),
      stx('dw', R7, into, R1),
    );
  out.emit(...known('capabilities'), label(none));
};

const emitThreads = (out: Emitter): void => {
  const none = out.fresh('threads.none');
  out.emit(
    ldxField('dw', R1, R8, 'task_struct.signal'),
    ldxField('w', R1, R1, 'signal_struct.nr_threads'),
    jeq(R1, 0, none),
    stx('w', R7, HEAD.threads, R1),
    ...known('threads'),
    label(none),
  );
};

/** The controlling terminal's device number: tty_devnum (drivers/tty/tty_io.c) as new_encode_dev writes it, 0 without one. */
const emitTerminal = (out: Emitter): void => {
  const [none, unknown] = [out.fresh('tty.none'), out.fresh('tty.unknown')];
  const read = (size: number, into: number, slot: number, access: string) => [
    ...probeFieldAt(into, size, slot, access),
    jne(R0, 0, unknown),
  ];
  out.emit(
    st('w', R7, HEAD.tty, 0),
    ldxField('dw', R1, R8, 'task_struct.signal'),
    ldxField('dw', R1, R1, 'signal_struct.tty'),
    stx('dw', R10, STACK.parent, R1),
    jeq(R1, 0, none),
    st('dw', R10, STACK.length, 0),
    st('dw', R10, STACK.scratch, 0),
    ...read(8, STACK.root, STACK.parent, 'tty_struct.driver'),
    ...read(4, STACK.length, STACK.parent, 'tty_struct.index'),
    ...read(4, STACK.scratch, STACK.root, 'tty_driver.minor_start'),
    ldx('w', R9, R10, STACK.length),
    ldx('w', R1, R10, STACK.scratch),
    add(R9, R1),
    ...read(4, STACK.scratch, STACK.root, 'tty_driver.major'),
    ldx('w', R1, R10, STACK.scratch),
    lsh(R1, 8),
    mov(R3, R9),
    and(R3, 0xff),
    or(R1, R3),
    rsh(R9, 8),
    lsh(R9, 20),
    or(R1, R9),
    stx('w', R7, HEAD.tty, R1),
    label(none),
    ...known('tty'),
    label(unknown),
  );
};

/** STACK.root = one of the pids of the task in r8, STACK.parent = its signal_struct; jumps to `none` where it can't be read. */
const pidOf = (type: number, none: string) => [
  ldxField('dw', R3, R8, 'task_struct.signal'),
  addField(R3, 'signal_struct.pids'),
  add(R3, 8 * type),
  ...stackAddress(R1, STACK.root),
  mov(R2, 8),
  helper('bpf_probe_read_kernel'),
  jne(R0, 0, none),
];

/** The process's session or group by its number in the first namespace. */
const emitPidOf = (out: Emitter, into: 'sid' | 'pgid', type: number): void => {
  const none = out.fresh('pid.none');
  out.emit(
    ...pidOf(type, none),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 4, STACK.root, 'pid.numbers'),
    jne(R0, 0, none),
    ldx('w', R1, R10, STACK.length),
    stx('w', R7, HEAD[into], R1),
    ...known(into),
    label(none),
  );
};

/** STACK.key = the number of the pid at STACK.root on the level in r9, with its namespace; jumps to `none` where it has none. */
const upidAt = (none: string) => [
  ldx('dw', R3, R10, STACK.root),
  addField(R3, 'pid.numbers'),
  mov(R1, R9),
  lsh(R1, UPID.shift),
  add(R3, R1),
  ...stackAddress(R1, STACK.key),
  mov(R2, UPID.size),
  helper('bpf_probe_read_kernel'),
  jne(R0, 0, none),
];

/** STACK.root = the thread's own pid, r9 = the level of its innermost namespace. */
const ownPid = (task: typeof R8 | typeof R9, none: string) => [
  ldxField('dw', R1, task, 'task_struct.thread_pid'),
  stx('dw', R10, STACK.root, R1),
  st('dw', R10, STACK.length, 0),
  ...probeFieldAt(STACK.length, 4, STACK.root, 'pid.level'),
  jne(R0, 0, none),
  ldx('w', R9, R10, STACK.length),
  and(R9, MAX_LEVEL * 2 - 1),
];

/** The numbers that the task's own pid namespace gives to it, its process and its group; a group that is not of it has 0. */
const emitVirtual = (out: Emitter, details: ReadonlySet<TaskDetail>): void => {
  const [none, foreign] = [out.fresh('virtual.none'), out.fresh('virtual.foreign')];
  out.emit(
    ...ownPid(R8, none),
    ...upidAt(none),
    ldx('w', R1, R10, STACK.key + UPID.nr),
    stx('w', R7, HEAD.vtid, R1),
    ldx('dw', R1, R10, STACK.key + UPID.namespace),
    stx('dw', R10, STACK.scratch, R1),
    ...known('vtid'),
  );
  if (details.has('vpid'))
    out.emit(
      ...pidOf(PIDTYPE.tgid, none),
      ...upidAt(none),
      ldx('w', R1, R10, STACK.key + UPID.nr),
      stx('w', R7, HEAD.vpid, R1),
      ...known('vpid'),
    );
  if (details.has('vpgid'))
    out.emit(
      ...pidOf(PIDTYPE.pgid, none),
      st('w', R7, HEAD.vpgid, 0),
      st('dw', R10, STACK.length, 0),
      ...probeFieldAt(STACK.length, 4, STACK.root, 'pid.level'),
      jne(R0, 0, none),
      ldx('w', R1, R10, STACK.length),
      jlt(R1, R9, foreign),
      ...upidAt(none),
      ldx('dw', R1, R10, STACK.key + UPID.namespace),
      ldx('dw', R2, R10, STACK.scratch),
      jne(R1, R2, foreign),
      ldx('w', R1, R10, STACK.key + UPID.nr),
      stx('w', R7, HEAD.vpgid, R1),
      label(foreign),
      ...known('vpgid'),
    );
  out.emit(label(none));
};

/** The parent's number in its own namespace; a parent outside of the scope is left out. */
const emitParent = (out: Emitter): void => {
  const [outside, none] = [out.fresh('parent.outside'), out.fresh('parent.none')];
  out.emit(
    st('w', R7, HEAD.pvpid, 0),
    ldx('w', R1, R7, HEAD.ppid),
    jeq(R1, 0, outside),
    ldxField('dw', R9, R8, 'task_struct.real_parent'),
    jeq(R9, 0, outside),
    ldxField('dw', R9, R9, 'task_struct.group_leader'),
    ...ownPid(R9, none),
    ...upidAt(none),
    ldx('w', R1, R10, STACK.key + UPID.nr),
    stx('w', R7, HEAD.pvpid, R1),
    label(outside),
    ...known('pvpid'),
    label(none),
  );
};
