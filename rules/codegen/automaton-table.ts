import type { Automaton } from './automaton.ts';

/**
 * An automaton as a table in the map. A state goes by where its row lies, in units of 2 ** `shift` bytes, so that a step takes no
 * multiplication:
 *
 *     classes  256 bytes: byte -> where its class lies in a row, in bytes, or in pairs of bytes where `pairs` is set
 *     rows     a state each, of `stride` bytes: a u16 a class: the next state; then, from `end` on, a u16: the number of the row of
 *              truths when the string ends here
 */
export interface AutomatonTable {
  readonly bytes: Uint8Array;
  readonly shift: number;
  readonly stride: number;
  readonly pairs: boolean;
  readonly end: number;
  /** States from this one on lead to nothing but themselves. */
  readonly firstSink: number;
  readonly lastState: number;
}

/** Where the rows of states are. */
export const STATE_ROWS = 256;

/** Bytes that a table needs behind it: a verifier takes a state's class for any byte's, and each may be two bytes. */
export const BEHIND_TABLES = 512;

/** Classes that have their place in a row in a byte. */
const BYTE_CLASSES = 128;
const STATES = 65_536;

/** Rows of this many u16 in units that leave room for as many states. */
const unitsOf = (states: number, entries: number): { readonly shift: number; readonly stride: number } => {
  for (let shift = 0; ; shift++) {
    const stride = ((2 * entries + 2 ** shift - 1) >> shift) << shift;
    if ((states * stride) >> shift <= STATES) return { shift, stride };
  }
};

/** Lays an automaton out; `firstRow` is the number of the first of its rows of truths. */
export const automatonTable = (automaton: Automaton, firstRow: number): AutomatonTable => {
  const { stateCount, classCount, classes, transitions, rowOf } = automaton;
  const { shift, stride } = unitsOf(stateCount, classCount + 1);
  const pairs = classCount > BYTE_CLASSES;
  const end = 2 * classCount;
  const nameOf = (state: number): number => (state * stride) >> shift;
  const bytes = new Uint8Array(STATE_ROWS + stateCount * stride);
  const view = new DataView(bytes.buffer);
  for (let byte = 0; byte < classes.length; byte++) bytes[byte] = pairs ? classes[byte]! : 2 * classes[byte]!;
  for (let state = 0; state < stateCount; state++) {
    const row = STATE_ROWS + state * stride;
    for (let cls = 0; cls < classCount; cls++)
      view.setUint16(row + 2 * cls, nameOf(transitions[state * classCount + cls]!), true);
    view.setUint16(row + end, firstRow + rowOf[state]!, true);
  }
  return {
    bytes,
    shift,
    stride,
    pairs,
    end,
    firstSink: nameOf(automaton.firstSink),
    lastState: nameOf(stateCount - 1),
  };
};
