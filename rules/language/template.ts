import { nearest } from '../../engine/text/index.ts';
import { type Expression, type FieldRef, TRANSFORMERS, type Transformer } from './ast.ts';
import { checkExpression } from './check-expression.ts';
import { checkField } from './check-field.ts';
import { becauseOf, FALCO_FIELDS } from './falco-fields.ts';
import { fieldOf } from './fields.ts';
import { createScanner } from './lexer.ts';
import { firstField, parseCall } from './parse-expression.ts';
import { type Problem, problem } from './problems.ts';

/** A field in an output template: `%20proc.aname[2]` has width 20. */
export interface TemplateField {
  readonly name: string;
  readonly argument?: string;
  readonly width?: number;
  /** The step of a sequence (from 1) whose event it is a field of: `%step[1].proc.name`; left out: the event that raises the alert. */
  readonly step?: number;
  /** What is printed instead of the field, which is then the first one in it: `%concat(fd.sip, ":", fd.sport)`. */
  readonly expression?: Expression;
  /** Transformers from the inside out: `%toupper(proc.name)`. */
  readonly transformers: readonly Transformer[];
}

/** An output template in pieces. */
export interface OutputTemplate {
  readonly text: string;
  readonly parts: readonly (string | TemplateField)[];
}

/** The transformers that a template may use: all but val. */
const TEMPLATE_TRANSFORMERS = TRANSFORMERS.filter((name) => name !== 'val');

/** Transformers of several operands, which are read as in conditions. */
const OF_SEVERAL: ReadonlySet<string> = new Set(['join', 'concat', 'getopt']);

const WIDTH = /\d{1,4}/y;
const CALL = /([A-Za-z_]\w*)\(/y;
const STEP = /step\[(\d{1,3})\]\./y;
const NAME = /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y;
const ARGUMENT = /\[(?:"([^"\]]*)"|'([^'\]]*)'|([^[\]"'\s]*))\]/y;

const matchAt = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at;
  return pattern.exec(text);
};

/** The longest known field that `name` begins with at its dots, so that "%proc.name.Next" reads proc.name; else all of it. */
const longestField = (name: string): string => {
  const parts = name.split('.');
  for (let count = parts.length; count > 0; count--) {
    const candidate = parts.slice(0, count).join('.');
    if (fieldOf(candidate) !== undefined || FALCO_FIELDS.has(candidate)) {
      return candidate === 'evt.arg' || candidate === 'evt.rawarg' ? parts.slice(0, 3).join('.') : candidate;
    }
  }
  return name;
};

interface Placeholder {
  readonly field: TemplateField | undefined;
  readonly end: number;
  readonly problems: readonly Problem[];
}

const readField = (text: string, start: number): { ref: FieldRef; end: number } | undefined => {
  const found = matchAt(NAME, text, start)?.[0];
  if (found === undefined) return undefined;
  const name = longestField(found);
  const end = start + name.length;
  const [, of, argumentName] = /^(evt\.(?:raw)?arg)\.(.+)$/.exec(name) ?? [];
  if (of !== undefined && argumentName !== undefined)
    return { ref: { name: of, argument: argumentName, span: { start, end } }, end };
  const bracket = matchAt(ARGUMENT, text, end);
  const argument = bracket?.[1] ?? bracket?.[2] ?? bracket?.[3];
  if (bracket === null || argument === undefined) return { ref: { name, span: { start, end } }, end };
  const after = end + bracket[0].length;
  return { ref: { name, argument, span: { start, end: after } }, end: after };
};

/** A transformer of several operands, which begins at `start`. */
const readExpression = (
  text: string,
  start: number,
  problems: Problem[],
): { readonly expression: Expression | undefined; readonly end: number } => {
  const scanner = createScanner(text);
  scanner.moveTo(start);
  const word = scanner.takeWord() ?? '';
  const parser = { scanner, problems, pending: undefined, stopped: false };
  const expression = parseCall(parser, word, start, 0, false);
  if (expression !== undefined) checkExpression(expression, (found) => problems.push(inTemplate(found)));
  return { expression, end: scanner.end };
};

/** What follows a `%` at `start - 1`. */
const readPlaceholder = (text: string, start: number, steps: number): Placeholder => {
  const problems: Problem[] = [];
  let at = start;
  const width = matchAt(WIDTH, text, at)?.[0];
  at += width?.length ?? 0;
  const transformers: Transformer[] = [];
  let several: ReturnType<typeof readExpression> | undefined;
  for (let call = matchAt(CALL, text, at); call !== null; call = matchAt(CALL, text, at)) {
    const [whole, transformer = ''] = call;
    if (OF_SEVERAL.has(transformer)) {
      several = readExpression(text, at, problems);
      break;
    }
    const known = TEMPLATE_TRANSFORMERS.find((name) => name === transformer);
    if (known === undefined) {
      const near = nearest(transformer, TEMPLATE_TRANSFORMERS);
      const detail = { transformer, ...(near === undefined ? {} : { nearest: near }) };
      problems.push(problem('unknown-transformer', { start: at, end: at + transformer.length }, detail));
    }
    transformers.unshift(known ?? 'val');
    at += whole.length;
  }
  const [prefix = '', digits] = matchAt(STEP, text, at) ?? [];
  const step = digits === undefined ? undefined : Number(digits);
  if (step !== undefined && (step < 1 || step > steps)) {
    const expected = steps === 0 ? 'a field (only rules with a sequence have steps)' : `a step from 1 to ${steps}`;
    problems.push(problem('bad-placeholder', { start: start - 1, end: at + prefix.length }, { expected }));
  }
  at += prefix.length;
  const field = several === undefined ? readField(text, at) : fieldIn(several);
  if (field === undefined) {
    const end = Math.max(start, several?.end ?? at);
    if (several === undefined || several.expression !== undefined)
      problems.push(problem('bad-placeholder', { start: start - 1, end }, { expected: 'a field' }));
    return { field: undefined, end: several?.end ?? at, problems };
  }
  at = field.end;
  for (const _ of transformers) {
    if (text.charAt(at) !== ')') {
      problems.push(problem('bad-placeholder', { start: start - 1, end: at }, { expected: 'a ")" behind the field' }));
      break;
    }
    at++;
  }
  if (several === undefined) problems.push(...checkField(field.ref).problems.map(inTemplate));
  const { name, argument } = field.ref;
  return {
    field: Object.freeze({
      name,
      ...(argument === undefined ? {} : { argument }),
      ...(width === undefined ? {} : { width: Number(width) }),
      ...(step === undefined ? {} : { step }),
      ...(several?.expression === undefined ? {} : { expression: several.expression }),
      transformers: Object.freeze(transformers),
    }),
    end: at,
    problems,
  };
};

/** The first field of an expression, as `readField` gives one. */
const fieldIn = ({ expression, end }: ReturnType<typeof readExpression>): ReturnType<typeof readField> => {
  const ref = expression === undefined ? undefined : firstField(expression);
  return ref && { ref, end };
};

/** A field that only Falco has is no error in a template: it prints as `<NA>`. */
const inTemplate = (found: Problem): Problem =>
  found.code === 'unsupported-field'
    ? problem('unavailable-field', found.span, { field: found.field ?? '', ...becauseOf(found.field ?? '') })
    : found;

/**
 * Splits an output template into text and fields; `%%` is a percent sign. Fields in error stay as parts, so that a caller that
 * goes on prints `<NA>` for them. @param steps how many steps of a sequence it may name fields of
 */
export const parseTemplate = (
  text: string,
  steps = 0,
): { readonly template: OutputTemplate; readonly problems: readonly Problem[] } => {
  const parts: (string | TemplateField)[] = [];
  const problems: Problem[] = [];
  let plain = '';
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    plain += text.slice(at, percent < 0 ? text.length : percent);
    if (percent < 0) break;
    at = percent + 1;
    if (text.charAt(at) === '%') {
      plain += '%';
      at++;
      continue;
    }
    const placeholder = readPlaceholder(text, at, steps);
    problems.push(...placeholder.problems);
    if (placeholder.field === undefined) {
      plain += text.slice(percent, placeholder.end);
    } else {
      if (plain !== '') parts.push(plain);
      plain = '';
      parts.push(placeholder.field);
    }
    at = placeholder.end;
  }
  if (plain !== '') parts.push(plain);
  return { template: Object.freeze({ text, parts: Object.freeze(parts) }), problems };
};
