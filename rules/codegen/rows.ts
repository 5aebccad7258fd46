import { Truth } from '../language/index.ts';
import type { StringTest } from '../plan/index.ts';
import { type Automaton, type AutomatonOptions, buildAutomata } from './automaton.ts';
import type { Tables } from './tables.ts';

/** Numbers of the rows that every table of truths begins with: nothing is known, or the event has no such thing. */
export const ROW = { unknown: 0, absent: 1, first: 2 } as const;

/** Rows of truths, a byte a column: what a value comes to for every test of it. */
export interface Rows {
  readonly count: number;
  readonly width: number;
  readonly bytes: Uint8Array;
  /** Where they are in the tables. */
  readonly at: number;
}

/** Places rows of truths behind the two that all tables have. `truths` are rows of `width` bytes one after the other. */
export const placeRows = (tables: Tables, width: number, truths: Uint8Array): Rows => {
  const bytes = new Uint8Array(ROW.first * width + truths.length);
  bytes.fill(Truth.UNKNOWN, ROW.unknown * width, (ROW.unknown + 1) * width);
  bytes.fill(Truth.ABSENT, ROW.absent * width, (ROW.absent + 1) * width);
  bytes.set(truths, ROW.first * width);
  return { count: bytes.length / width, width, bytes, at: tables.placeShared(bytes) };
};

/** An automaton with its table and its truths in the tables: the string's end names the row. */
export interface PlacedAutomaton {
  readonly automaton: Automaton;
  readonly at: number;
  readonly rows: Rows;
}

/** Where the parts of an automaton's table lie, in bytes from its beginning: 256 classes, transitions and rows of states as u16. */
export const automatonParts = (automaton: Automaton) => {
  const transitions = 256;
  const rowOf = transitions + automaton.transitions.length * 2;
  return { classes: 0, transitions, rowOf, size: rowOf + automaton.rowOf.length * 2 } as const;
};

const automatonBytes = (automaton: Automaton): Uint8Array => {
  const parts = automatonParts(automaton);
  const bytes = new Uint8Array(parts.size);
  const view = new DataView(bytes.buffer);
  bytes.set(automaton.classes, parts.classes);
  const { transitions, rowOf } = automaton;
  for (let index = 0; index < transitions.length; index++)
    view.setUint16(parts.transitions + index * 2, transitions[index]!, true);
  for (let index = 0; index < rowOf.length; index++)
    view.setUint16(parts.rowOf + index * 2, ROW.first + rowOf[index]!, true);
  return bytes;
};

/** Automata with the tests that each decides, column by column, and the tests that no automaton could take. */
export interface PlacedTests {
  readonly placed: readonly { readonly placed: PlacedAutomaton; readonly tests: readonly StringTest[] }[];
  readonly refused: readonly StringTest[];
}

/** Builds and places the automata of tests over one field. */
export const placeTests = (tables: Tables, tests: readonly StringTest[], options: AutomatonOptions): PlacedTests => {
  const { built, refused } = buildAutomata(tests, options);
  const placed = built.map(({ automaton, tests: its }) => ({
    placed: {
      automaton,
      at: tables.placeShared(automatonBytes(automaton)),
      rows: placeRows(tables, automaton.width, automaton.rows),
    },
    tests: its,
  }));
  return { placed, refused };
};

/** The number of the row that a string has. */
export const rowOfText = ({ automaton }: PlacedAutomaton, text: Uint8Array): number => {
  let state = 0;
  for (const byte of text) state = automaton.transitions[state * automaton.classCount + automaton.classes[byte]!]!;
  return ROW.first + automaton.rowOf[state]!;
};
