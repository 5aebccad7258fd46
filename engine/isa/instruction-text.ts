import { nearest } from '../text/index.ts';
import type { Instruction } from './instruction.ts';
import { type Capture, type Misreading, type Reading, read } from './notation.ts';
import { fieldsOf, LDDW, type Opcode } from './opcodes.ts';
import { type Token, tokenize } from './tokens.ts';

/** What is wrong at a place of an assembly text; `line` and `column` count from 1. */
export interface AssemblyIssue {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What could have stood there. */
  readonly expected?: readonly string[];
  /** The word that was probably meant. */
  readonly nearest?: string;
}

/** An issue whose line is not known yet. */
export type Issue = Omit<AssemblyIssue, 'line'>;

/** A name that stands for a number which only the whole text or its options tell. */
export interface PendingName {
  /** `jump` is a label, `call` a label or a helper, `helper` and `map` what options name. */
  readonly kind: 'jump' | 'call' | 'helper' | 'map';
  readonly name: string;
  readonly column: number;
}

/** One instruction that a text was read as. */
export interface Statement {
  readonly row: Opcode;
  readonly slots: readonly Instruction[];
  readonly name?: PendingName;
}

/**
 * Reads the text of one instruction that begins at a column; several statements where the text alone does not tell them apart.
 * `hinted` is whether the listing shows the opcode or the bytes beside it.
 */
export function readStatements(text: string, column: number, hinted: boolean): readonly Statement[] | Issue {
  if (text === '<unknown>') {
    return { column, message: 'llvm-objdump did not know this instruction; run it with --mcpu=v4' };
  }
  const tokens = tokenize(text, column);
  const found = read(tokens);
  if (!('length' in found)) return misreadingIssue(found, tokens);
  let issue: Issue | undefined;
  const statements: Statement[] = [];
  for (const reading of found) {
    if (!hinted && reading.captures.some(({ slot }) => slot === 'bare64')) continue;
    const made = statementOf(reading);
    if ('row' in made) statements.push(made);
    else issue ??= made;
  }
  return statements.length > 0 ? statements : issue!;
}

/** How many different things an expectation may list before it is cut. */
const MAX_LISTED = 8;

function misreadingIssue({ token, index, expected, words }: Misreading, tokens: readonly Token[]): Issue {
  const found = token.kind === 'end' ? token.text : quoted(token);
  const near =
    token.kind === 'word'
      ? nearest(
          token.text,
          words.filter((word) => /\w/.test(word)),
        )
      : undefined;
  const hint = near === undefined ? '' : `; did you mean '${near}'?`;
  if (index === 0) {
    return {
      column: token.column,
      message: `expected an instruction, found ${found}${hint}`,
      expected: ['an instruction'],
      ...(near !== undefined && { nearest: near }),
    };
  }
  const listed = [...expected].sort((one, other) => rank(one) - rank(other)).slice(0, MAX_LISTED);
  const more = expected.length > listed.length ? ` (or ${expected.length - listed.length} more)` : '';
  const after = ` after ${quoted(tokens[index - 1]!)}`;
  return {
    column: token.column,
    message: `expected ${joined(listed)}${more}${after}, found ${found}${hint}`,
    expected,
    ...(near !== undefined && { nearest: near }),
  };
}

/** What stands for anything comes first, then the shortest. */
const rank = (expected: string): number => (expected.startsWith("'") ? expected.length : 0);

/** Characters of a word that messages show. */
const SHOWN = 40;

/** A token for a message. */
const quoted = ({ text }: Token): string => `'${shortened(text)}'`;

const shortened = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text);

const joined = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;

function statementOf({ row, captures }: Reading): Statement | Issue {
  const fields = { dst: 0, src: 0, offset: 0, imm: 0, next: 0, ...row.fixed };
  const seen = new Map<string, Capture>();
  let name: PendingName | undefined;
  for (const capture of captures) {
    const { slot, at, value } = capture;
    const before = seen.get(slot);
    if (before && before.value !== value) {
      const shown = quoted(before.at);
      return {
        column: at.column,
        message: `expected ${shown} again, found ${quoted(at)}; both are one field of the instruction`,
        expected: [shown],
      };
    }
    seen.set(slot, capture);
    if (slot === 'label') name = { kind: 'call', name: `${value}`, column: at.column };
    else if (slot === 'map') name = { kind: 'map', name: `${value}`, column: at.column };
    else if (slot === 'helper') {
      if (row.operation === 'call') name = { kind: 'helper', name: `${value}`, column: at.column };
    } else if (typeof value === 'string') name = { kind: 'jump', name: value, column: at.column };
    else {
      const issue = put(fields, row, capture);
      if (issue) return issue;
    }
  }
  const { next, ...first } = fields;
  const slots: Instruction[] = [{ opcode: row.opcode, ...first }];
  if (row.opcode === LDDW) slots.push({ opcode: 0, dst: 0, src: 0, offset: 0, imm: next });
  return { row, slots, ...(name && { name }) };
}

type Fields = Record<'dst' | 'src' | 'offset' | 'imm' | 'next', number>;

function put(fields: Fields, row: Opcode, { slot, at, value }: Capture): Issue | undefined {
  if (typeof value === 'number') {
    if (value > 10)
      return { column: at.column, message: `there is no register ${shortened(at.text)}; they are r0 to r10` };
    fields[slot.endsWith('dst') ? 'dst' : 'src'] = value;
    return undefined;
  }
  const number = BigInt(value);
  const misfit = (room: string, remedy = ''): Issue => ({
    column: at.column,
    message: `${shortened(`${number}`)} does not fit ${room}${remedy}`,
    expected: [room],
  });
  if (slot === 'offset' || slot === 'near') {
    if (BigInt.asIntN(16, number) !== number) {
      return misfit('signed 16 bits', row.name === 'ja' ? '; use gotol' : '');
    }
    fields.offset = Number(number);
    return undefined;
  }
  if (slot === 'imm64' || slot === 'bare64') {
    if (BigInt.asIntN(64, number) !== number && BigInt.asUintN(64, number) !== number) return misfit('64 bits');
    fields.imm = Number(BigInt.asIntN(32, number));
    fields.next = Number(BigInt.asIntN(32, number >> 32n));
    return undefined;
  }
  const signed = BigInt.asIntN(32, number) === number;
  const either = signed || BigInt.asUintN(32, number) === number;
  const onlySigned = slot === 'far' || (slot === 'imm' && row.width === 64 && isValue(row));
  if (onlySigned ? !signed : !either) {
    const wide = row.name === 'mov' && BigInt.asUintN(64, number) === BigInt.asUintN(64, BigInt.asIntN(64, number));
    return misfit(onlySigned ? 'signed 32 bits' : '32 bits', wide ? "; write 'll' behind it for all 64 bits" : '');
  }
  const field = slot === 'plus' && fieldsOf(row).has('next') ? 'next' : 'imm';
  fields[field] = Number(BigInt.asIntN(32, number));
  return undefined;
}

/** Whether the constant is a 64-bit value, sign-extended from 32 bits. */
const isValue = (row: Opcode): boolean => row.class === 'alu64' || row.class === 'st';
