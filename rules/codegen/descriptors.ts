import {
  comment,
  type Item,
  jeq,
  jne,
  label,
  ldx,
  ldxField,
  loadMap,
  mov,
  movField,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  type Register,
  st,
  stx,
} from '../../engine/isa/index.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { currentTask, lookupProcess } from './gather.ts';
import { HEAD } from './layout.ts';

/**
 * Whether a process's file descriptors have been its first thread's alone since its exec, which makes a table of its own. Where they
 * have, nobody but the caller can have changed them during a call. That they are so now would not do: who shared them may have put
 * another file in place and ended since.
 */

/** r1 = how many share the descriptors of the task in a register; jumps to `none` where it has none. */
const usersOf = (task: Register, none: string) => [
  ldxField('dw', R1, task, 'task_struct.files'),
  jeq(R1, 0, none),
  ldxField('w', R1, R1, 'files_struct.count.counter'),
];

/** At a fork: notes in the forking process's value that its descriptors are shared. STACK.key is its key, r8 the forking task. */
export const emitNoteShared = ({ out, processes }: HookContext, key: readonly Item[]): void => {
  const alone = out.fresh('shared.not');
  out.emit(
    comment('does somebody share its descriptors from now on?'),
    ...usersOf(R8, alone),
    jeq(R1, 1, alone),
    ...key,
    loadMap(R1, 'processes'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, alone),
    st('b', R0, processes.shared, 1),
    label(alone),
  );
};

/** At a fork, r6 = its context: writes into the child's value, whose key is in STACK.key, whether it shares its maker's descriptors. */
export const emitChildShares = ({ out, processes }: HookContext): void => {
  const [other, unknown] = [out.fresh('shared.other'), out.fresh('shared.unknown')];
  out.emit(
    loadMap(R1, 'processes'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, unknown),
    mov(R3, 0),
    ldx('dw', R1, R6, 0),
    ldxField('dw', R1, R1, 'task_struct.files'),
    ldx('dw', R2, R6, 8),
    ldxField('dw', R2, R2, 'task_struct.files'),
    jne(R1, R2, other),
    mov(R3, 1),
    label(other),
    stx('b', R0, processes.shared, R3),
    label(unknown),
  );
};

/** At the end of a call: says in the record whether the caller's descriptors are its alone. Uses r8. */
export const emitOwnTable = ({ out, processes }: HookContext): void => {
  const [shared, noRings] = [out.fresh('table.shared'), out.fresh('table.no_rings')];
  out.emit(
    comment("are the descriptors the caller's alone?"),
    ...lookupProcess,
    jeq(R0, 0, shared),
    ldx('b', R1, R0, processes.shared),
    jne(R1, 0, shared),
    ...currentTask,
    ...usersOf(R8, shared),
    jne(R1, 1, shared),
    comment('threads that serve rings are made without a fork'),
    movField(R1, 'task_struct.io_uring', 'exists'),
    jeq(R1, 0, noRings),
    ldxField('dw', R1, R8, 'task_struct.io_uring', 'offset_or_0'),
    jne(R1, 0, shared),
    label(noRings),
    st('b', R7, HEAD.ownTable, 1),
    label(shared),
  );
};
