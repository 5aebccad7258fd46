import {
  add,
  and,
  comment,
  ja,
  jeq,
  jge,
  jne,
  label,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R3,
  R7,
  R8,
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { HookContext } from './context.ts';
import { helper, loopHead, loopStart } from './emitter.ts';
import { ARGV_BYTES, ENV_BYTES, STRING, STRING_STATE } from './layout.ts';

/** What a new image's memory holds of an exec's vectors; an empty argument vector is absent, an empty environment is a text. */
const VECTORS = {
  argv: { start: 'mm_struct.arg_start', end: 'mm_struct.arg_end', bytes: ARGV_BYTES, empty: STRING_STATE.absent },
  env: { start: 'mm_struct.env_start', end: 'mm_struct.env_end', bytes: ENV_BYTES, empty: STRING_STATE.present },
} as const;

/**
 * Reads a vector of the task at r8 into the text at `slot`: NUL-terminated strings one after the other. One that is longer than what is read is
 * unknown, with its beginning for people. `whole` goes on where all of it was read.
 */
const emitVector = ({ out }: HookContext, name: keyof typeof VECTORS, slot: number, whole?: () => void): void => {
  const { start, end, bytes, empty } = VECTORS[name];
  const [long, done, none] = [out.fresh(`${name}.long`), out.fresh(`${name}.done`), out.fresh(`${name}.none`)];
  const into = [mov(R1, R7), add(R1, slot + STRING.data)];
  out.emit(
    st('b', R7, slot + STRING.state, STRING_STATE.unknown),
    st('h', R7, slot + STRING.length, 0),
    ldxField('dw', R1, R8, 'task_struct.mm'),
    jeq(R1, 0, done),
    ldxField('dw', R3, R1, start),
    ldxField('dw', R2, R1, end),
    sub(R2, R3),
    jeq(R2, 0, none),
    jge(R2, bytes, long),
    stx('h', R7, slot + STRING.length, R2),
    ...into,
    and(R2, bytes - 1),
    helper('bpf_probe_read_user'),
    jne(R0, 0, done),
    st('b', R7, slot + STRING.state, STRING_STATE.present),
  );
  whole?.();
  out.emit(
    ja(done),
    label(long),
    comment('longer than what is read: keep the beginning, for people'),
    st('h', R7, slot + STRING.length, bytes),
    ...into,
    mov(R2, bytes),
    helper('bpf_probe_read_user'),
    ja(done),
    label(none),
    st('b', R7, slot + STRING.state, empty),
    label(done),
  );
};

/** The environment of the task at r8. */
export const emitEnvironment = (context: HookContext, env: number): void => {
  context.out.emit(comment('the environment'));
  emitVector(context, 'env', env);
};

/** The argument vector of the task at r8, and how long its first string is. */
export const emitArguments = (context: HookContext, argv: number): void => {
  const { out } = context;
  const [loop, end] = [out.fresh('argv.loop'), out.fresh('argv.end')];
  out.emit(comment('the arguments'));
  emitVector(context, 'argv', argv, () =>
    out.emit(
      comment('nameLength = the length of argv[0] with its NUL'),
      ...loopStart(out, R1, 0, context.loopCell, ARGV_BYTES - 1),
      label(loop),
      ...loopHead(out, end),
      jge(R1, ARGV_BYTES - 1, end),
      mov(R2, R7),
      add(R2, R1),
      ldx('b', R3, R2, argv + STRING.data),
      add(R1, 1),
      jne(R3, 0, loop),
      stx('h', R7, argv + STRING.nameLength, R1),
      label(end),
    ),
  );
};
