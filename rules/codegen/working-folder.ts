import { comment, jeq, jne, label, ldx, ldxField, R1, R7, R8, R9, st } from '../../engine/isa/index.ts';
import { EXTRA, type HookContext } from './context.ts';
import { emitSameStack } from './emitter.ts';
import { currentTask } from './gather.ts';
import { STRING, STRING_STATE } from './layout.ts';
import { emitFolderSlash, emitPathOf, emitPathWalk } from './path.ts';

/** Reads the working directory of the current task where some rule asks for it and it wasn't read yet; r8 = the task afterwards. */
export const emitWorkingFolder = ({ out, layout, extra }: HookContext): void => {
  const { cwd } = layout.strings;
  if (cwd === undefined) return;
  const none = out.fresh('cwd.none');
  emitSameStack(out);
  out.emit(
    comment('the working directory'),
    ldx('b', R1, R7, cwd + STRING.state),
    jne(R1, STRING_STATE.none, none),
    st('b', R7, cwd + STRING.state, STRING_STATE.unknown),
    ...currentTask,
    ldxField('dw', R9, R8, 'task_struct.fs'),
    jeq(R9, 0, none),
  );
  emitPathOf(out, 'fs_struct.pwd');
  emitPathWalk(out, cwd, extra + EXTRA.walk);
  emitFolderSlash(out, cwd);
  out.emit(label(none), ...currentTask);
};
