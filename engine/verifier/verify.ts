import type { Instruction } from '../isa/index.ts';
import { checkInstructions } from './check.ts';
import type { VerifierContext } from './context.ts';
import { Rejection } from './error.ts';
import { explore, initialState, Refused } from './explore.ts';
import { controlFlow } from './flow.ts';
import { globalFunctions, globalState } from './globals.ts';
import { liveness } from './liveness.ts';
import { refusal } from './refusal.ts';
import { newSession, type Session } from './session.ts';
import { totalStack } from './stack-depth.ts';

/** A program that was found safe to run. */
export interface Verified {
  readonly instructions: readonly Instruction[];
  /** Slots of loads through kernel pointers, which must read 0 where they fault. */
  readonly probeReads: ReadonlySet<number>;
  /** Slots of 32-bit loads from the context that give whole pointers, as the kernel rewrites them. */
  readonly pointerLoads: ReadonlySet<number>;
  /** Instructions explored on all paths together. */
  readonly explored: number;
  /** Bytes of stack that the deepest chain of calls uses. */
  readonly stackDepth: number;
}

/**
 * Proves that a relocated program is safe to run: that it ends, and touches only memory it may, as the kernel's verifier
 * (kernel/bpf/verifier.c) does.
 * @throws VerifierError
 */
export function verify(instructions: readonly Instruction[], context: VerifierContext): Verified {
  try {
    const steps = checkInstructions(instructions, context);
    const flow = controlFlow(steps, context.profile === 'isa');
    const live = liveness(flow, context);
    const globals = globalFunctions(flow, context);
    const first = newSession(context, flow, live, globals);
    try {
      return exploreAll(instructions, first);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const second = first.widened ? again(instructions, newSession(context, flow, live, globals, false)) : undefined;
      if (second && 'explored' in second) return second;
      const { session, refused } = second ?? { session: first, refused: error };
      throw refusal(instructions, context, refused.rejection, refused.at, session, refused.state, refused.start);
    }
  } catch (error) {
    if (error instanceof Rejection) throw refusal(instructions, context, error, error.at ?? 0);
    throw error;
  }
}

/** The same without forgetting numbers, which may have been what was missing. */
function again(
  instructions: readonly Instruction[],
  session: Session,
): Verified | { readonly session: Session; readonly refused: Refused } {
  try {
    return exploreAll(instructions, session);
  } catch (error) {
    if (error instanceof Refused) return { session, refused: error };
    throw error;
  }
}

/** The main function with all that it calls, then each global function alone. @throws Refused, Rejection */
function exploreAll(instructions: readonly Instruction[], session: Session): Verified {
  let explored = explore(session, initialState(session.context));
  for (const index of session.globals) explored = explore(session, globalState(session, index), explored);
  const { probeReads, pointerLoads } = session;
  return { instructions, probeReads, pointerLoads, explored, stackDepth: totalStack(session) };
}
