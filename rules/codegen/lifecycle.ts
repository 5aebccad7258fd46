import {
  comment,
  exit,
  jeq,
  jne,
  label,
  ldx,
  ldxField,
  loadMap,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  R9,
  R10,
  st,
  stx,
} from '../../engine/isa/index.ts';
import { emitEarlyCells, emitLateCells } from './cells.ts';
import type { HookContext } from './context.ts';
import { emitDecisions } from './decide.ts';
import { emitChildShares, emitNoteShared } from './descriptors.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { emitClass } from './filter.ts';
import { currentTask, emitClear, emitHead, emitScratch, storeKey } from './gather.ts';
import { HEAD } from './layout.ts';
import { emitOutput } from './output.ts';
import { emitOtherInScope, emitScope, emitSilent } from './scope.ts';
import { emitWorkingFolder } from './working-folder.ts';

/** STACK.key = the key of the process that the task in r9 belongs to. */
const keyOfTask = [
  ldxField('dw', R1, R9, 'task_struct.group_leader'),
  ldxField('dw', R2, R1, 'task_struct.start_boottime'),
  ldxField('w', R1, R9, 'task_struct.tgid'),
  ...storeKey,
];

/** A new process has its parent's facts until it execs; new threads change nothing. */
export const emitFork = (context: HookContext): void => {
  const { out } = context;
  out.emit(mov(R6, R1));
  emitScope(out, 'exit');
  out.emit(ldx('dw', R8, R6, 0), mov(R9, R8));
  emitNoteShared(context, keyOfTask);
  out.emit(ldx('dw', R9, R6, 8), comment('the child too, which clone3 may put elsewhere'));
  emitOtherInScope(out, 'exit');
  out.emit(
    mov(R8, R9),
    comment('threads are no processes'),
    ldxField('w', R1, R8, 'task_struct.pid'),
    ldxField('w', R2, R8, 'task_struct.tgid'),
    jne(R1, R2, 'exit'),
  );
  emitScratch(out);
  emitClear(context);
  emitHead(context, 'fork');
  out.emit(
    comment("the child inherits its maker's facts"),
    ldx('dw', R9, R6, 0),
    ...keyOfTask,
    stx('dw', R7, HEAD.arguments, R1),
    stx('dw', R7, HEAD.arguments + 8, R2),
    loadMap(R1, 'processes'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, 'report'),
    stx('dw', R10, STACK.scratch, R0),
    ldx('dw', R9, R6, 8),
    ...keyOfTask,
    loadMap(R1, 'processes'),
    ...stackAddress(R2, STACK.key),
    ldx('dw', R3, R10, STACK.scratch),
    mov(R4, 0),
    helper('bpf_map_update_elem'),
    st('dw', R7, HEAD.arguments + 16, 1),
  );
  emitChildShares(context);
  out.emit(label('report'));
  emitSilent(out, 'exit');
  emitOutput(context, 'fork');
  out.emit(label('exit'), mov(R0, 0), exit());
};

/** A process ends with its last thread (signal->live is 0 by then, kernel/exit.c); its facts go after the rules have seen them. */
export const emitExit = (context: HookContext): void => {
  const { out, matching } = context;
  out.emit(mov(R6, R1));
  emitScope(out, 'exit');
  out.emit(
    ...currentTask,
    comment('only the last thread ends the process'),
    ldxField('dw', R1, R8, 'task_struct.signal'),
    ldxField('w', R1, R1, 'signal_struct.live.counter'),
    jne(R1, 0, 'exit'),
  );
  emitSilent(out, 'forget');
  emitScratch(out);
  emitClear(context);
  emitHead(context, 'exit');
  const [ruleClass] = matching.classes;
  if (ruleClass !== undefined) {
    out.emit(mov(R9, ruleClass.at));
    emitClass(context, 'report');
    emitEarlyCells(context, 'report');
    emitLateCells(context, 'report');
    emitDecisions(context, 'report');
    emitWorkingFolder(context);
  }
  out.emit(label('report'));
  emitOutput(context, 'exit');
  out.emit(
    label('forget'),
    ...currentTask,
    mov(R9, R8),
    ...keyOfTask,
    loadMap(R1, 'processes'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_delete_elem'),
    label('exit'),
    mov(R0, 0),
    exit(),
  );
};
