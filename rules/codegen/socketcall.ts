import {
  add,
  comment,
  jeq,
  jge,
  jne,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
  mov,
  or,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R9,
  R10,
  stx,
} from '../../engine/isa/index.ts';
import { SOCKETCALL } from '../language/index.ts';
import { MAX_RECIPE } from './detection.ts';
import { type Emitter, helper, STACK, stackAddress } from './emitter.ts';
import { HEAD, IA32_BIT } from './layout.ts';

/** What the `calls` map has for socketcall itself where some rule names a call that goes through it: a recipe without a class. */
export const SOCKETCALL_RECIPE = MAX_RECIPE + 1;
const WORDS = 6;
/** As many words as most of the calls have. */
const FEW_WORDS = 3;

/**
 * r9 = the recipe of the call that socketcall (net/socket.c) is asked for, where r9 is SOCKETCALL_RECIPE; r6 is the context. `base` is
 * where the `calls` map has the first of them.
 */
export const emitSocketcallRecipe = (out: Emitter, base: number, leave: string): void => {
  const direct = out.fresh('socketcall.direct');
  out.emit(
    comment('socketcall: which of its calls'),
    jne(R9, SOCKETCALL_RECIPE, direct),
    ldx('dw', R2, R6, 0),
    ldxField('w', R1, R2, 'pt_regs.bx'),
    jge(R1, SOCKETCALL.count, leave),
    add(R1, base),
    stx('w', R10, STACK.index, R1),
    loadMap(R1, 'calls'),
    ...stackAddress(R2, STACK.index),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, leave),
    ldx('w', R9, R0, 0),
    jeq(R9, 0, leave),
    label(direct),
  );
};

/**
 * Puts the arguments that socketcall was given in the caller's memory where a call's own would be in the record in r7, and the number of the
 * call it was asked for; jumps to `done` for other calls. r9 stays.
 */
export const emitSocketcallArguments = (out: Emitter, done: string): void => {
  const read = out.fresh('socketcall.read');
  const source = HEAD.arguments + 4 * WORDS;
  const readWords = (words: number) => [
    ldx('dw', R3, R7, HEAD.arguments + 8),
    mov(R1, R7),
    add(R1, source),
    mov(R2, 4 * words),
    helper('bpf_probe_read_user'),
  ];
  out.emit(
    ldx('w', R3, R7, HEAD.event),
    lddw(R1, IA32_BIT + SOCKETCALL.number),
    jne(R3, R1, done),
    comment('socketcall: its arguments lie in memory'),
    ldx('w', R3, R7, HEAD.arguments),
    add(R3, SOCKETCALL.first),
    lddw(R1, IA32_BIT),
    or(R3, R1),
    stx('w', R7, HEAD.event, R3),
    ...readWords(WORDS),
    jeq(R0, 0, read),
    ...readWords(FEW_WORDS),
    label(read),
  );
  for (let index = 0; index < WORDS; index++)
    out.emit(ldx('w', R1, R7, source + 4 * index), stx('dw', R7, HEAD.arguments + 8 * index, R1));
};
