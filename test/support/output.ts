import { CliError } from '../../cli/exit.ts';
import type { Output } from '../../cli/output.ts';
import { createPaint } from '../../cli/paint.ts';

/** What a command printed, its exit code and, where it ended with one, its sentence on stderr. */
export interface Printed {
  readonly code: number;
  readonly text: string;
  readonly error?: string;
}

/** Runs a part of the command with an output that keeps its lines, without colours. */
export const printed = (command: (output: Output) => number): Printed => {
  const lines: string[] = [];
  const output: Output = {
    paint: createPaint(false),
    isTerminal: false,
    columns: 120,
    line: (text = '') => lines.push(`${text}\n`),
    json: (record) => lines.push(`${JSON.stringify(record)}\n`),
  };
  try {
    const code = command(output);
    return { code, text: lines.join('') };
  } catch (error) {
    if (error instanceof CliError) return { code: error.exitCode, text: lines.join(''), error: error.message };
    throw error;
  }
};
