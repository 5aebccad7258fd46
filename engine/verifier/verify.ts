import type { Instruction } from '../isa/index.ts';
import { checkInstructions } from './check.ts';
import type { VerifierContext } from './context.ts';
import { Rejection } from './error.ts';
import { explore, Refused } from './explore.ts';
import { controlFlow } from './flow.ts';
import { liveness } from './liveness.ts';
import { refusal } from './refusal.ts';
import { newSession } from './session.ts';
import { totalStack } from './stack-depth.ts';

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

/**
 * Proves that a relocated program is safe to run: that it ends, and touches only memory it may, as the kernel's verifier
 * (kernel/bpf/verifier.c) does.
 * @throws VerifierError
 */
export function verify(instructions: readonly Instruction[], context: VerifierContext): Verified {
  try {
    const flow = controlFlow(checkInstructions(instructions, context));
    const session = newSession(context, flow, liveness(flow, context));
    try {
      const explored = explore(session);
      return { instructions, probeReads: session.probeReads, explored, stackDepth: totalStack(session) };
    } catch (error) {
      if (error instanceof Refused)
        throw refusal(instructions, context, error.rejection, error.at, session, error.state);
      throw error;
    }
  } catch (error) {
    if (error instanceof Rejection) throw refusal(instructions, context, error, error.at ?? 0);
    throw error;
  }
}
