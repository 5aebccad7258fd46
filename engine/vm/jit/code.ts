import type { DecodedProgram } from '../decoded.ts';
import type { Plan } from './plan.ts';
import type { Sums } from './sums.ts';
import type { Writer } from './wasm.ts';

/** Indices of the functions that compiled code imports. */
export interface Imports {
  /** Takes a slot, and an address where one is to blame. Does not return. */
  readonly fault: number;
  /** Takes the slot of a block for which there is no fuel, and its number of instructions. Does not return. */
  readonly exhausted: number;
  /** Takes an index into the packet and a number of bytes; gives their offset in memory, or -1. */
  readonly packet: number;
  /** The first of the plan's host calls. A helper takes a slot and the frame pointer; gives 1 where a tail call took this function's place. */
  readonly host: number;
  /** As a helper; takes the slot, the frame pointer and the helper's number. */
  readonly indirect: number;
}

/** Emits the function's end; `nested` counts the structured blocks that the instruction opened around it. */
export type Leave = (nested: number) => void;

/** What the code of one function is emitted with. */
export interface Code {
  readonly writer: Writer;
  readonly program: DecodedProgram;
  readonly probeReads: ReadonlySet<number> | undefined;
  readonly imports: Imports;
  readonly plan: Plan;
  /** Each access is checked, and each depth of calls: for programs that no verifier has seen. */
  readonly checked: boolean;
  /** Undefined where each access is checked, which takes whole addresses. */
  readonly sums: Sums | undefined;
  /** By register: its local, or -1 for a frame pointer that is known. */
  readonly registers: readonly number[];
  /** Offset in memory of the first byte above the stack of the main function; undefined in others, which have a local for it. */
  readonly stackTop: number | undefined;
  readonly framePointer: number;
  /** Lowest offset of the stack. */
  readonly stackBottom: number;
  /** Locals for what an instruction needs in between: one of 64 bits, two of 32. */
  readonly wide: number;
  readonly word: number;
  readonly word2: number;
  /** Where a jump back goes, for the branch table. */
  readonly label: number;
  /** Rounds that may_goto still gives. */
  readonly rounds: number;
  /** Index of the function that begins at a slot. */
  functionAt(slot: number): number;
}
