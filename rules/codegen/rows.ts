import { Truth } from '../language/index.ts';
import type { StringTest } from '../plan/index.ts';
import { type Automaton, type AutomatonOptions, buildAutomata } from './automaton.ts';
import { type AutomatonTable, automatonTable } from './automaton-table.ts';
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
  /** Most texts are left after a few bytes. */
  readonly anchored: boolean;
  readonly table: AutomatonTable;
  readonly at: number;
  readonly rows: Rows;
}

const placeAutomaton = (tables: Tables, automaton: Automaton, anchored: boolean): PlacedAutomaton => {
  const table = automatonTable(automaton, ROW.first);
  return {
    automaton,
    anchored,
    table,
    at: tables.placeShared(table.bytes),
    rows: placeRows(tables, automaton.width, automaton.rows),
  };
};

/** Automata with the tests that each decides, column by column, and the tests that no automaton could take. */
export interface PlacedTests {
  readonly placed: readonly { readonly placed: PlacedAutomaton; readonly tests: readonly StringTest[] }[];
  readonly refused: readonly StringTest[];
}

/** Builds and places the automata of tests over one field. */
export const placeTests = (tables: Tables, tests: readonly StringTest[], options: AutomatonOptions): PlacedTests => {
  const { built, refused } = buildAutomata(tests, options);
  const placed = built.map(({ automaton, tests: its, anchored }) => ({
    placed: placeAutomaton(tables, automaton, anchored),
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
