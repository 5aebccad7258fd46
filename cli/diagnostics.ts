import { readFileSync } from 'node:fs';
import { escapeControl } from '../alerts/index.ts';
import { formatDiagnostic } from '../policies/index.ts';
import type { Diagnostic } from '../rules/index.ts';

/** Control characters one for one, so that a caret below the line stays right; tabs and line ends stay. */
const withoutControl = (text: string): string => text.replace(/[^\P{Cc}\t\n\r]/gu, '\u{fffd}');

const escaped = (diagnostic: Diagnostic): Diagnostic => ({
  ...diagnostic,
  message: escapeControl(diagnostic.message),
  ...(diagnostic.field !== undefined && { field: escapeControl(diagnostic.field) }),
  ...(diagnostic.expected !== undefined && { expected: escapeControl(diagnostic.expected) }),
  ...(diagnostic.nearest !== undefined && { nearest: escapeControl(diagnostic.nearest) }),
});

const textOf = (file: string): string | undefined => {
  try {
    return withoutControl(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
};

/** Prints diagnostics with their source lines; each file is read once. `texts` are those that are no files, by the name they go under. */
export const createDiagnosticPrinter = (
  colour: boolean,
  texts: ReadonlyMap<string, string> = new Map(),
): ((diagnostic: Diagnostic) => string) => {
  const sources = new Map<string, string | undefined>(
    [...texts].map(([name, text]) => [name, withoutControl(text)] as const),
  );
  return (diagnostic) => {
    const { file } = diagnostic;
    if (!sources.has(file)) sources.set(file, textOf(file));
    const source = sources.get(file);
    return formatDiagnostic(escaped(diagnostic), { colour, ...(source !== undefined && { source }) });
  };
};
