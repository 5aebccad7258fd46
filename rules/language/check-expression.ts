import type { Expression, Transformer } from './ast.ts';
import { checkField } from './check-field.ts';
import { type FieldType, fieldOf } from './fields.ts';
import { type Problem, problem } from './problems.ts';
import { expressionText } from './transformers.ts';

/** What types of values are called in messages. */
export const TYPE_WORDS: Readonly<Record<FieldType, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  address: 'an address',
  list: 'a list',
};

interface Typed {
  readonly type: FieldType;
  /** It may have several values, though its type is one value's: `proc.aname`. */
  readonly several: boolean;
}

interface Signature {
  /** What its operands have to be, as a person would say it. */
  readonly expected: string;
  /** Whether it takes these operands. */
  readonly takes: (operands: readonly Typed[], texts: readonly Expression[]) => boolean;
  readonly result: (operands: readonly Typed[], argument: string | undefined) => FieldType;
}

const isText = (operand: Typed | undefined): boolean => operand?.type === 'string' && !operand.several;
const isList = (operand: Typed | undefined): boolean => operand?.type === 'list' || operand?.several === true;
const one =
  (...types: readonly FieldType[]) =>
  (operands: readonly Typed[]) =>
    operands.length === 1 && operands.every(({ type }) => types.includes(type));
const same = ([operand]: readonly Typed[]): FieldType => operand?.type ?? 'string';

const onText: Signature = { expected: 'one text or list', takes: one('string', 'list'), result: same };

/** What transformers take and give. */
const SIGNATURES: Readonly<Record<Transformer, Signature>> = {
  tolower: onText,
  toupper: onText,
  b64: onText,
  basename: onText,
  len: { ...onText, result: () => 'number' },
  join: {
    expected: 'a text and a list',
    takes: (operands) => operands.length === 2 && isText(operands[0]) && isList(operands[1]),
    result: () => 'string',
  },
  concat: {
    expected: 'two or more single values',
    takes: (operands) => operands.length > 1 && operands.every((operand) => !isList(operand)),
    result: () => 'string',
  },
  getopt: {
    expected: 'the arguments and a text of options',
    takes: (operands) => operands.length === 2 && (isList(operands[0]) || isText(operands[0])) && isText(operands[1]),
    result: (_, argument) => (argument === undefined ? 'list' : 'string'),
  },
  val: {
    expected: 'a field',
    takes: (operands, [operand]) => operands.length === 1 && operand?.kind === 'field',
    result: same,
  },
};

const counted = (operands: readonly Expression[]): string => {
  if (operands.length === 0) return 'nothing';
  return operands.map((operand) => expressionText(operand)).join(', ');
};

/** The type of an expression's value, with what is wrong in it told; undefined where anything is. */
export const checkExpression = (expression: Expression, tell: (found: Problem) => void): FieldType | undefined =>
  check(expression, tell)?.type;

const check = (expression: Expression, tell: (found: Problem) => void): Typed | undefined => {
  if (expression.kind === 'text') return { type: 'string', several: false };
  if (expression.kind === 'field') {
    const { field, problems } = checkField(expression.field);
    for (const found of problems) tell(found);
    if (field === undefined) return undefined;
    const entry = fieldOf(field.name);
    const several = entry?.argument === 'optional-index' && expression.field.argument === undefined;
    return { type: field.type, several };
  }
  const { transformer, argument, operands, span } = expression;
  const typed = operands.map((operand) => check(operand, tell));
  const sound = typed.filter((operand) => operand !== undefined);
  if (sound.length < typed.length) return undefined;
  const { expected, takes, result } = SIGNATURES[transformer];
  if (!takes(sound, operands)) {
    const types = sound.map(({ type, several }) => (several ? 'several texts' : TYPE_WORDS[type])).join(' and ');
    const found = operands.length === 0 ? 'nothing' : `${counted(operands)} (${types})`;
    tell(problem('wrong-operand', span, { transformer, expected, found }));
    return undefined;
  }
  if (argument !== undefined && (transformer !== 'getopt' || [...argument].length !== 1)) {
    const name = expressionText({ ...expression, operands: [] });
    tell(
      transformer === 'getopt'
        ? problem('bad-argument', span, { field: 'getopt', argument, expected: 'one character, the option' })
        : problem('unexpected-argument', span, { field: name.slice(0, name.indexOf('(')) }),
    );
    return undefined;
  }
  const several =
    sound.some((operand) => operand.several) && ['tolower', 'toupper', 'b64', 'basename', 'val'].includes(transformer);
  return { type: result(sound, argument), several };
};
