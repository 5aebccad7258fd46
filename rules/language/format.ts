import type { ParsedCondition, ParsedPredicate } from './parsed.ts';
import { parseCondition } from './parser.ts';

/** How wide lines may be, and by how many blanks what lies inside is set in. */
interface Layout {
  readonly width: number;
  readonly indent: number;
  readonly source: string;
}

const RANK = { or: 0, and: 1, not: 2, macro: 3, predicate: 3, error: 3 } as const;

/** Pieces of a condition's text that are the same wherever they stand. */
interface Leaf {
  /** All up to the values. */
  readonly head: string;
  /** The values in parentheses; undefined where there is one without. */
  readonly list: readonly string[] | undefined;
}

/** A piece of the source, in which blanks outside of quotes stand only behind commas. */
const squeeze = (text: string): string =>
  text.replace(/("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\s*,\s*|\s+/gs, (found, quoted: string | undefined) => {
    if (quoted !== undefined) return quoted;
    return found.trim() === ',' ? ', ' : '';
  });

const cut = ({ source }: Layout, span: { readonly start: number; readonly end: number }): string =>
  source.slice(span.start, span.end);

const leafOf = (layout: Layout, node: ParsedPredicate): Leaf => {
  const left = squeeze(cut(layout, node.left?.span ?? node.field.span));
  const operator = node.modifier === undefined ? node.operator : `${node.operator} ${node.modifier}`;
  if (node.operator === 'exists') return { head: `${left} exists`, list: undefined };
  if (node.right !== undefined)
    return { head: `${left} ${operator} ${squeeze(cut(layout, node.right.span))}`, list: undefined };
  const values = node.values.map((value) => cut(layout, value.span));
  const single = node.listName || !(node.modifier !== undefined || LISTS.has(node.operator));
  if (single) return { head: `${left} ${operator} ${values.join()}`, list: undefined };
  return { head: `${left} ${operator}`, list: values };
};

const LISTS: ReadonlySet<string> = new Set(['in', 'intersects', 'pmatch']);

/** The operands of a chain, those of chains of its own kind inside it among them. */
const operandsOf = (node: ParsedCondition & { readonly operands: readonly ParsedCondition[] }): ParsedCondition[] =>
  node.operands.flatMap((operand) => (operand.kind === node.kind ? operandsOf(operand as typeof node) : [operand]));

const isChain = (
  node: ParsedCondition,
): node is ParsedCondition & { readonly kind: 'and' | 'or'; readonly operands: readonly ParsedCondition[] } =>
  node.kind === 'and' || node.kind === 'or';

/** Lengths of conditions on one line, so that each is laid out once. */
type Lengths = Map<ParsedCondition, number>;

const lengthOf = (layout: Layout, lengths: Lengths, node: ParsedCondition): number => {
  const known = lengths.get(node);
  if (known !== undefined) return known;
  const length = measure(layout, lengths, node);
  lengths.set(node, length);
  return length;
};

const measure = (layout: Layout, lengths: Lengths, node: ParsedCondition): number => {
  if (isChain(node)) {
    const operands = operandsOf(node);
    const inside = operands.reduce((sum, operand) => {
      const parentheses = RANK[operand.kind] < RANK[node.kind] ? 2 : 0;
      return sum + lengthOf(layout, lengths, operand) + parentheses;
    }, 0);
    return inside + (operands.length - 1) * (node.kind.length + 2);
  }
  if (node.kind === 'not') {
    const parentheses = RANK[node.operand.kind] < RANK.not ? 2 : 0;
    return 4 + parentheses + lengthOf(layout, lengths, node.operand);
  }
  if (node.kind === 'predicate') {
    const { head, list } = leafOf(layout, node);
    return head.length + (list === undefined ? 0 : list.join(', ').length + 3);
  }
  return node.span.end - node.span.start;
};

/** Collects lines; what is written goes behind the last one. */
interface Writer {
  readonly lines: string[];
  readonly lengths: Lengths;
}

const write = (writer: Writer, text: string): void => {
  writer.lines[writer.lines.length - 1] += text;
};

const column = ({ lines }: Writer): number => lines.at(-1)?.length ?? 0;

/** Indentation grows to half of the width at most, so that deep conditions don't run off to the right. */
const newLine = (writer: Writer, layout: Layout, level: number): void => {
  writer.lines.push(' '.repeat(Math.min(level * layout.indent, layout.width >> 1)));
};

/** Writes a list over several lines, as many values in each as fit. */
const writeList = (writer: Writer, layout: Layout, list: readonly string[], level: number): void => {
  write(writer, '(');
  newLine(writer, layout, level + 1);
  for (const [index, value] of list.entries()) {
    const text = index === list.length - 1 ? value : `${value},`;
    const isFirst = writer.lines.at(-1)?.trim() === '';
    if (!isFirst && column(writer) + 1 + text.length > layout.width) newLine(writer, layout, level + 1);
    write(writer, isFirst || writer.lines.at(-1)?.trim() === '' ? text : ` ${text}`);
  }
  newLine(writer, layout, level);
  write(writer, ')');
};

/** Writes a condition at the end of the last line, in parentheses where it binds less than `least`. */
const writeNode = (writer: Writer, layout: Layout, node: ParsedCondition, least: number, level: number): void => {
  const enclosed = RANK[node.kind] < least;
  const fits = column(writer) + lengthOf(layout, writer.lengths, node) + (enclosed ? 2 : 0) <= layout.width;
  if (enclosed) {
    write(writer, '(');
    if (fits) writeNode(writer, { ...layout, width: Number.POSITIVE_INFINITY }, node, 0, level);
    else {
      newLine(writer, layout, level + 1);
      writeNode(writer, layout, node, 0, level + 1);
      newLine(writer, layout, level);
    }
    write(writer, ')');
    return;
  }
  switch (node.kind) {
    case 'and':
    case 'or': {
      const operands = operandsOf(node);
      for (const [index, operand] of operands.entries()) {
        if (index > 0) {
          if (fits) write(writer, ' ');
          else newLine(writer, layout, level);
          write(writer, `${node.kind} `);
        }
        const inParentheses = RANK[operand.kind] < RANK[node.kind];
        const inner = isChain(operand) && !inParentheses && !fits ? level + 1 : level;
        writeNode(writer, layout, operand, RANK[node.kind], inner);
      }
      return;
    }
    case 'not':
      write(writer, 'not ');
      writeNode(writer, layout, node.operand, RANK.not, level);
      return;
    case 'predicate': {
      const { head, list } = leafOf(layout, node);
      write(writer, head);
      if (list === undefined) return;
      write(writer, ' ');
      if (fits || list.length < 2) write(writer, `(${list.join(', ')})`);
      else writeList(writer, layout, list, level);
      return;
    }
    default:
      write(writer, cut(layout, node.span));
  }
};

/**
 * A condition in its canonical form: one blank around operators, no needless parentheses, and where it is wider than `width` (100)
 * its parts on lines of their own, set in by `indent` (2) blanks. Values stay as they are written. Undefined where the text has
 * mistakes.
 */
export const formatCondition = (
  text: string,
  { width = 100, indent = 2 }: { readonly width?: number; readonly indent?: number } = {},
): string | undefined => {
  const { condition, problems } = parseCondition(text);
  if (condition === undefined || problems.some(({ severity }) => severity === 'error')) return undefined;
  const writer: Writer = { lines: [''], lengths: new Map() };
  writeNode(writer, { width, indent, source: text }, condition, 0, 0);
  return writer.lines.map((line) => line.trimEnd()).join('\n');
};
