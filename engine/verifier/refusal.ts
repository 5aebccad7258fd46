import { disassemble, type Instruction } from '../isa/index.ts';
import type { LineInfo } from '../object/index.ts';
import type { VerifierContext } from './context.ts';
import { type Rejection, VerifierError } from './error.ts';
import type { Session } from './session.ts';
import { showState } from './show.ts';
import type { State } from './state.ts';
import { traceTo } from './trace.ts';

/** How many instructions of the way to an error are kept. */
const PATH_STEPS = 64;
/** Where the log's second column begins. */
const COLUMN = 48;

/** The error for people, with the way to it where the program was already explored. */
export function refusal(
  instructions: readonly Instruction[],
  context: VerifierContext,
  rejection: Rejection,
  at: number,
  session?: Session,
  state?: State,
  start?: State,
): VerifierError {
  const text = (slot: number): string => textAt(instructions, context, slot);
  const trace = session && state && start ? traceTo(session, start, state, at, PATH_STEPS) : [];
  const registers = state ? showState(state) : '';
  const line = nearestLine(context.lines ?? [], at);
  const log = [
    ...trace.map((step) => `${`${step.at}: ${text(step.at)}`.padEnd(COLUMN)} ${step.changes}`.trimEnd()),
    `${at}: ${text(at)}`,
    ...(registers === '' ? [] : [registers]),
    rejection.message,
  ];
  return new VerifierError({
    program: context.name,
    reason: rejection.message,
    at,
    instruction: text(at),
    registers,
    path: state ? [...trace.map((step) => step.at), at] : [],
    ...(line && { line }),
    log: log.join('\n'),
  });
}

/** The disassembly of the instruction at a slot. */
const textAt = (instructions: readonly Instruction[], context: VerifierContext, at: number): string => {
  const [line] = disassemble(instructions.slice(at, at + 2), {
    helper: (id) => context.helper(id)?.name,
    map: (handle) => context.map(handle)?.name,
  });
  return line?.text ?? '(no instruction)';
};

function nearestLine(lines: readonly LineInfo[], at: number): LineInfo | undefined {
  let nearest: LineInfo | undefined;
  for (const line of lines) if (line.at <= at && (!nearest || line.at >= nearest.at)) nearest = line;
  return nearest;
}
