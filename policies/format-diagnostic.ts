import type { Diagnostic } from '../rules/index.ts';

export interface DiagnosticFormat {
  /** With ANSI colours. */
  readonly colour: boolean;
  /** The file's whole text, to show the line; left out, the line isn't shown. */
  readonly source?: string;
}

const RED = 31;
const YELLOW = 33;
const CYAN = 36;
const BOLD = 1;

/** Blanks as wide as a text, its tabs kept, so that a caret below it stands in the same column. */
const blanksLike = (text: string): string => text.replace(/[^\t]/gu, ' ');

const WIDTH = 160;

/** Long lines are cut around the column so that the caret stays on the screen. */
const excerpt = (line: string, column: number): { readonly text: string; readonly before: string } => {
  const from = column > 100 ? column - 61 : 0;
  const start = from > 0 ? '...' : '';
  const end = line.length > from + WIDTH ? '...' : '';
  return {
    text: `${start}${line.slice(from, from + WIDTH)}${end}`,
    before: `${start}${line.slice(from, column - 1)}`,
  };
};

/**
 * A diagnostic as compilers print one: `file:line:column: error[code]: message`, then the source line with a caret, then what
 * was expected and the nearest name where the message doesn't say them already. Lines are separated by \n, none at the end.
 */
export const formatDiagnostic = (diagnostic: Diagnostic, { colour, source }: DiagnosticFormat): string => {
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const { file, line, column, severity, code, message, field, expected, nearest } = diagnostic;
  const kind = paint(severity === 'error' ? RED : YELLOW, `${severity}[${code}]`);
  const lines = [`${paint(BOLD, `${file}:${line}:${column}:`)} ${kind}: ${message}`];
  const sourceLine = source?.split('\n')[line - 1]?.replace(/\r$/, '');
  if (sourceLine !== undefined && sourceLine.trim() !== '') {
    const { text, before } = excerpt(sourceLine, column);
    const number = String(line).padStart(5);
    lines.push(`${paint(CYAN, `${number} |`)} ${text}`);
    lines.push(`${paint(CYAN, '      |')} ${blanksLike(before)}${paint(severity === 'error' ? RED : YELLOW, '^')}`);
  }
  if (field !== undefined && !message.includes(field)) lines.push(`  in ${field}`);
  if (expected !== undefined && !message.includes(expected)) lines.push(`  expected ${expected}`);
  const said = [`"${nearest}"`, `'${nearest}'`].some((quoted) => message.includes(quoted));
  if (nearest !== undefined && !said) lines.push(`  did you mean "${nearest}"?`);
  return lines.join('\n');
};
