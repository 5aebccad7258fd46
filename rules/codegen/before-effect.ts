import {
  add,
  and,
  comment,
  exit,
  jeq,
  jle,
  jne,
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
  R9,
  R10,
  st,
  stx,
} from '../../engine/isa/index.ts';
import type { HookName } from '../../engine/object/index.ts';
import { emitEarlyCells, emitLateCells } from './cells.ts';
import { EXTRA, type HookContext } from './context.ts';
import { emitDecisions } from './decide.ts';
import { helper, STACK } from './emitter.ts';
import { emitAct, emitGuards } from './enforce.ts';
import { emitClass } from './filter.ts';
import {
  currentTask,
  emitClear,
  emitFileFacts,
  emitHead,
  emitScratch,
  emitSockaddrEnd,
  emitSocketEnds,
} from './gather.ts';
import { HEAD, STRING, STRING_STATE } from './layout.ts';
import { emitOutput } from './output.ts';
import { emitPathOf, emitPathWalk } from './path.ts';
import { emitScope } from './scope.ts';
import { emitWorkingFolder } from './working-folder.ts';

type BeforeEffect = Extract<HookName, 'lsm/file_open' | 'lsm/bprm_check_security' | 'lsm/socket_connect'>;

/** __FMODE_EXEC, which exec puts into f_flags (include/linux/fs.h). */
const FMODE_EXEC = 0x20;

/** What a hook's first argument is, and how the call's object is gathered from it. */
const GATHER: Readonly<Record<BeforeEffect, (context: HookContext) => void>> = {
  'lsm/file_open': (context) => {
    context.out.emit(
      ldx('dw', R9, R6, 0),
      ldxField('w', R1, R9, 'file.f_flags'),
      stx('w', R7, HEAD.flags, R1),
      comment('what exec opens is no open'),
      and(R1, FMODE_EXEC),
      jne(R1, 0, 'exit'),
    );
    emitFile(context);
  },
  'lsm/bprm_check_security': (context) => {
    context.out.emit(ldx('dw', R9, R6, 0), ldxField('dw', R9, R9, 'linux_binprm.file'));
    emitFile(context);
  },
  'lsm/socket_connect': (context) => {
    const { out, extra } = context;
    const SOCKADDR_IN6 = 28;
    const [short, done] = [out.fresh('address.short'), out.fresh('address.done')];
    out.emit(ldx('dw', R9, R6, 0), ldxField('dw', R1, R9, 'socket.sk'), stx('dw', R10, STACK.socket, R1));
    emitSocketEnds(out);
    for (const offset of [0, 8, 16, 24]) out.emit(st('dw', R7, extra + EXTRA.sockaddr + offset, 0));
    for (const offset of [0, 8, 16]) out.emit(st('dw', R7, HEAD.remote + offset, 0));
    out.emit(
      comment("the kernel's copy of the address"),
      ldx('dw', R2, R6, 16),
      jle(R2, SOCKADDR_IN6, short),
      mov(R2, SOCKADDR_IN6),
      label(short),
      mov(R1, R7),
      add(R1, extra + EXTRA.sockaddr),
      and(R2, 31),
      ldx('dw', R3, R6, 8),
      helper('bpf_probe_read_kernel'),
      jne(R0, 0, done),
    );
    emitSockaddrEnd(context, 'remote');
    out.emit(label(done));
  },
};

/** Whether programs are generated for a hook before the effect. */
export const isBeforeEffect = (hook: HookName): hook is BeforeEffect => Object.hasOwn(GATHER, hook);

/** Path and facts of the file in r9 go into the record. */
const emitFile = (context: HookContext): void => {
  const { out, layout, extra } = context;
  const file = layout.strings.file ?? 0;
  const none = out.fresh('file.none');
  out.emit(
    st('w', R7, HEAD.fd, -1),
    st('b', R7, file + STRING.state, STRING_STATE.unknown),
    stx('dw', R10, STACK.file, R9),
    jeq(R9, 0, none),
  );
  emitFileFacts(out);
  out.emit(ldx('dw', R9, R10, STACK.file));
  emitPathOf(out, 'file.f_path');
  emitPathWalk(out, file, extra + EXTRA.walk);
  out.emit(label(none));
};

/** A program at a hook before the call takes effect: decides its rules, records what they say, and denies or kills behind the guards. */
export const emitBeforeEffect = (context: HookContext, hook: BeforeEffect): void => {
  const { out } = context;
  const [ruleClass] = context.matching.classes;
  out.emit(mov(R6, R1));
  emitScope(out, 'exit');
  out.emit(...currentTask);
  emitScratch(out);
  emitClear(context);
  emitHead(context, 'event');
  GATHER[hook](context);
  if (ruleClass !== undefined) {
    out.emit(mov(R9, ruleClass.at));
    emitClass(context, 'exit');
    emitEarlyCells(context, 'exit');
    emitWorkingFolder(context);
    out.emit(...currentTask);
    emitLateCells(context, 'exit');
    emitDecisions(context, 'exit');
  }
  emitGuards(context);
  emitOutput(context, 'event');
  emitAct(context);
  out.emit(label('exit'), mov(R0, 0), exit());
};
