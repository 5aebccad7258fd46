import { type Cell, escapeControl } from '../alerts/index.ts';
import type { Output } from './output.ts';
import { cut } from './paint.ts';

/** A column of a table for people. */
export interface TableColumn {
  readonly name: string;
  /** DuckDB's name of its type: numbers stand on the right. */
  readonly type: string;
}

const GAP = '  ';
const NUMBER = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/;
/** Of a cell on a terminal, where other columns need room. */
const LEAST_WIDTH = 12;

/** A cell as text: nothing for null, JSON for what has parts. */
export const cellText = (cell: Cell): string =>
  cell === null ? '' : typeof cell === 'object' ? JSON.stringify(cell) : String(cell);

const widthOf = (text: string): number => [...text].length;

/** The widths of columns in a line of `room` characters: the widest give way first. */
const fitted = (widths: readonly number[], room: number): readonly number[] => {
  const total = (limit: number): number =>
    widths.reduce((sum, width) => sum + Math.min(width, limit), GAP.length * (widths.length - 1));
  let limit = Math.max(LEAST_WIDTH, ...widths);
  while (limit > LEAST_WIDTH && total(limit) > room) limit--;
  return widths.map((width) => Math.min(width, limit));
};

/** Prints rows in columns below their names; cells are cut only on a terminal. What could drive a terminal is escaped. */
export const printTable = (
  columns: readonly TableColumn[],
  rows: readonly (readonly Cell[])[],
  output: Output,
): void => {
  const texts = rows.map((row) => row.map((cell) => escapeControl(cellText(cell))));
  const natural = columns.map(({ name }, index) =>
    texts.reduce((most, row) => Math.max(most, widthOf(row[index] ?? '')), widthOf(name)),
  );
  const widths = output.isTerminal ? fitted(natural, output.columns) : natural;
  const line = (cells: readonly string[], paint: (text: string) => string): string =>
    cells
      .map((text, index) => {
        const width = widths[index] ?? 0;
        const shown = cut(text, width);
        const blanks = ' '.repeat(Math.max(0, width - widthOf(shown)));
        return NUMBER.test(columns[index]?.type ?? '') ? `${blanks}${paint(shown)}` : `${paint(shown)}${blanks}`;
      })
      .join(GAP)
      .trimEnd();
  output.line(
    line(
      columns.map(({ name }) => escapeControl(name)),
      output.paint.bold,
    ),
  );
  output.line(output.paint.dim(widths.map((width) => '─'.repeat(width)).join(GAP)));
  for (const row of texts) output.line(line(row, (text) => text));
};
