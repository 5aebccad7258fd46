import { disassemble, type Instruction } from '../isa/index.ts';
import type { LineInfo } from '../object/index.ts';
import { checkInstructions } from './check.ts';
import type { VerifierContext } from './context.ts';
import { Rejection, VerifierError } from './error.ts';
import { explore, Refused } from './explore.ts';
import { controlFlow } from './flow.ts';
import { liveness } from './liveness.ts';
import { lastSlots } from './path.ts';
import { newSession } from './session.ts';
import { showState } from './show.ts';
import { totalStack } from './stack-depth.ts';
import type { State } from './state.ts';
import type { Step } from './step.ts';

/** A program that was found safe to run. */
export interface Verified {
  readonly instructions: readonly Instruction[];
  /** Slots of loads through kernel pointers, which must read 0 where they fault. */
  readonly probeReads: ReadonlySet<number>;
  /** Instructions explored on all paths together. */
  readonly explored: number;
  /** Bytes of stack that the deepest chain of calls uses. */
  readonly stackDepth: number;
}

/** How many slots of the way to an error are kept. */
const PATH_SLOTS = 32;

/**
 * Proves that a relocated program is safe to run: that it ends, and touches only memory it may, as the kernel's verifier
 * (kernel/bpf/verifier.c) does.
 * @throws VerifierError
 */
export function verify(instructions: readonly Instruction[], context: VerifierContext): Verified {
  let steps: readonly (Step | undefined)[] = [];
  try {
    steps = checkInstructions(instructions, context);
    const flow = controlFlow(steps);
    const session = newSession(context, flow, liveness(flow, context));
    const explored = explore(session);
    return { instructions, probeReads: session.probeReads, explored, stackDepth: totalStack(session) };
  } catch (error) {
    if (error instanceof Refused) throw refusal(instructions, context, error.rejection, error.at, steps, error.state);
    if (error instanceof Rejection) throw refusal(instructions, context, error, error.at ?? 0, steps);
    throw error;
  }
}

function refusal(
  instructions: readonly Instruction[],
  context: VerifierContext,
  rejection: Rejection,
  at: number,
  steps: readonly (Step | undefined)[],
  state?: State,
): VerifierError {
  const texts = new Map(
    disassemble(instructions, {
      helper: (id) => context.helper(id)?.name,
      map: (handle) => context.map(handle)?.name,
    }).map(({ at: slot, text }) => [slot, text]),
  );
  const path = state ? lastSlots(state, at, steps, PATH_SLOTS) : [];
  const registers = state ? showState(state) : '';
  const line = nearestLine(context.lines ?? [], at);
  return new VerifierError({
    program: context.name,
    reason: rejection.message,
    at,
    instruction: texts.get(at) ?? '(no instruction)',
    registers,
    path,
    ...(line && { line }),
    log: [...path.map((slot) => `${slot}: ${texts.get(slot)}`), registers, rejection.message]
      .filter(Boolean)
      .join('\n'),
  });
}

function nearestLine(lines: readonly LineInfo[], at: number): LineInfo | undefined {
  let nearest: LineInfo | undefined;
  for (const line of lines) if (line.at <= at && (!nearest || line.at >= nearest.at)) nearest = line;
  return nearest;
}
