import { describe, expect, it } from 'vitest';
import { formatDiagnostic } from '../../policies/index.ts';
import type { Diagnostic } from '../../rules/index.ts';

const found: Diagnostic = {
  severity: 'error',
  code: 'unknown-field',
  file: 'p.yaml',
  line: 2,
  column: 14,
  field: 'spec.rules[0].condition',
  expected: "a field's name",
  nearest: 'proc.name',
  message: 'There is no field "proc.nme".',
};
const source = 'rules:\n  condition: proc.nme = cat\r\n';

describe('a diagnostic in text', () => {
  it('is what compilers print', () => {
    expect(formatDiagnostic(found, { colour: false, source })).toBe(
      `p.yaml:2:14: error[unknown-field]: There is no field "proc.nme".
    2 |   condition: proc.nme = cat
      |              ^
  in spec.rules[0].condition
  expected a field's name
  did you mean "proc.name"?`,
    );
  });

  it('says nothing twice', () => {
    const message = `spec.rules[0].condition: expected a field's name; did you mean "proc.name"?`;
    expect(formatDiagnostic({ ...found, message }, { colour: false })).toBe(
      `p.yaml:2:14: error[unknown-field]: ${message}`,
    );
  });

  it('keeps tabs, so that the caret stands below its column', () => {
    const text = formatDiagnostic({ ...found, column: 10 }, { colour: false, source: '\n\tx:\t  y: proc\n' });
    expect(text.split('\n').slice(1, 3)).toStrictEqual(['    2 | \tx:\t  y: proc', '      | \t  \t     ^']);
  });

  it('cuts long lines around the column', () => {
    const line = `${'a'.repeat(300)}proc.nme${'b'.repeat(300)}`;
    const [, text = '', caret = ''] = formatDiagnostic(
      { ...found, column: 301 },
      { colour: false, source: `\n${line}\n` },
    ).split('\n');
    expect(text).toBe(`    2 | ...${'a'.repeat(60)}proc.nme${'b'.repeat(92)}...`);
    expect(text.slice(caret.indexOf('^')).slice(0, 8)).toBe('proc.nme');
  });

  it('leaves the line out where the source has none', () => {
    expect(formatDiagnostic({ ...found, line: 9 }, { colour: false, source }).split('\n')[1]).toBe(
      '  in spec.rules[0].condition',
    );
  });

  it('is red where it is an error and yellow where it is a warning', () => {
    const [first, , caret] = formatDiagnostic(found, { colour: true, source }).split('\n');
    expect(first).toBe(
      '\u001b[1mp.yaml:2:14:\u001b[0m \u001b[31merror[unknown-field]\u001b[0m: There is no field "proc.nme".',
    );
    expect(caret).toBe(`\u001b[36m      |\u001b[0m ${' '.repeat(13)}\u001b[31m^\u001b[0m`);
    expect(formatDiagnostic({ ...found, severity: 'warning' }, { colour: true })).toContain(
      '\u001b[33mwarning[unknown-field]\u001b[0m',
    );
  });
});
