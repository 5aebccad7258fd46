import type { Checks } from './checks.ts';
import { type DecodedProgram, type ExecutableProgram, REGISTERS } from './decoded.ts';
import type { VmEnvironment } from './environment.ts';
import type { Helper, Machine } from './helper.ts';
import type { Memory } from './memory.ts';
import type { Thread } from './thread.ts';

/** One program's instructions and registers, bound to the stack that it runs on. */
export interface Code extends DecodedProgram {
  readonly program: ExecutableProgram;
  readonly environment: VmEnvironment;
  readonly memory: Memory;
  readonly view: DataView;
  readonly thread: Thread;
  readonly checks: Checks | undefined;
  readonly machine: Machine;
  /** Registers, then constants, as 64-bit words, as signed 32-bit halves, and byte by byte. */
  readonly R: BigUint64Array;
  readonly r: Int32Array;
  readonly halves: DataView;
  /** r0 to r10. */
  readonly registers: BigUint64Array;
  /** What the call in a slot calls, where it calls a helper or kernel function that there is. */
  readonly called: readonly (Helper | undefined)[];
  readonly maxInstructions: number;
  helperOf(id: number): Helper | undefined;
  /** Another program on the same stack. */
  codeOf(program: ExecutableProgram): Code;
}

/** Makes registers as they are at entry. */
export function enterCode({ r, R, thread }: Code, contextLength: bigint): void {
  r.fill(0, 0, REGISTERS * 2);
  R[1] = thread.context;
  R[2] = contextLength;
  R[10] = thread.framePointer();
}
