import { type Document, isMap, isPair, isScalar, isSeq, type Node, type Pair, parse, type Scalar, visit } from 'yaml';
import type { Path } from './document.ts';

/** Columns of a line. */
const WIDTH = 120;
const STEP = 2;

/** What is special about some of a document's texts. */
export interface Texts {
  /** The canonical form of the text at a path, of at most so many columns a line; undefined for one that has none. */
  formatted(path: Path, text: string, width: number): string | undefined;
}

interface Printer {
  readonly source: string;
  readonly texts: Texts;
}

/** Thrown for what is better left as it is. */
class Unusual extends Error {}

const blanks = (count: number): string => ' '.repeat(count);

const isFlow = (node: unknown): boolean => (isMap(node) || isSeq(node)) && node.flow === true;

/** A comment as the parser keeps it, in lines; an empty one is a blank line. */
const commentLines = (comment: string | null | undefined, indent: number): readonly string[] => {
  if (comment === null || comment === undefined) return [];
  return comment
    .split('\n')
    .map((line) => (line === '' ? '' : `${blanks(indent)}#${line === ' ' ? '' : line}`.trimEnd()));
};

const trailing = (node: unknown): string => {
  const comment = (node as Partial<Node> | null)?.comment;
  return typeof comment === 'string' && !comment.includes('\n') ? ` #${comment}` : '';
};

const sourceOf = ({ source }: Printer, node: Node): string => {
  const [start, end] = node.range ?? [0, 0];
  return source.slice(start, end);
};

const readsAs = (yaml: string, text: string, inFlow: boolean): boolean => {
  try {
    const read: unknown = inFlow ? parse(`{k: ${yaml}}`) : parse(`k: ${yaml}`);
    return typeof read === 'object' && read !== null && 'k' in read && read.k === text;
  } catch {
    return false;
  }
};

/** A text in one line: plain where it can be, else in double quotes. */
const oneLine = (text: string, inFlow: boolean): string =>
  text !== '' && !text.includes('\n') && !text.includes(' #') && readsAs(text, text, inFlow)
    ? text
    : JSON.stringify(text);

/** A scalar in one line, as it is written where that is one line. */
const scalarLine = (printer: Printer, node: Scalar, path: Path, inFlow: boolean): string => {
  const written = sourceOf(printer, node);
  const { value } = node;
  if (typeof value !== 'string') return written;
  const formatted = printer.texts.formatted(path, value, Number.MAX_SAFE_INTEGER);
  if (formatted !== undefined && formatted !== value) return oneLine(formatted, inFlow);
  const isBlock = node.type === 'BLOCK_FOLDED' || node.type === 'BLOCK_LITERAL';
  return isBlock || written.includes('\n') ? oneLine(value, inFlow) : written;
};

const keyLine = (printer: Printer, key: unknown): string => {
  if (!isScalar(key)) throw new Unusual('a key that is no text');
  const written = sourceOf(printer, key);
  if (written.includes('\n')) throw new Unusual('a key of several lines');
  return written;
};

const keyOf = (pair: Pair): string => (isScalar(pair.key) ? String(pair.key.value) : '');

/** The parts of a flow collection, each in one line. */
const flowParts = (printer: Printer, node: Node, path: Path): readonly string[] => {
  if (isSeq(node)) return node.items.map((item, index) => flowLine(printer, item as Node, [...path, index]));
  if (!isMap(node)) return [];
  return node.items.map((pair) => {
    const key = keyLine(printer, pair.key);
    return pair.value === null
      ? key
      : `${key}: ${flowLine(printer, pair.value as Node, [...path, keyOf(pair)])}`.trimEnd();
  });
};

const BRACKETS = { seq: ['[', ']'], map: ['{', '}'] } as const;
const bracketsOf = (node: Node): readonly [string, string] => (isSeq(node) ? BRACKETS.seq : BRACKETS.map);

/** A node inside of brackets, in one line. */
const flowLine = (printer: Printer, node: Node | null, path: Path): string => {
  if (node === null) return '';
  if (isScalar(node)) return scalarLine(printer, node, path, true);
  if (isPair(node)) throw new Unusual('a pair in a list');
  if (!isSeq(node) && !isMap(node)) throw new Unusual('an alias');
  const [open, close] = bracketsOf(node);
  return `${open}${flowParts(printer, node, path).join(', ')}${close}`;
};

const hasComment = (node: Node): boolean => {
  let found = false;
  visit(node, {
    Node: (_, inner) => {
      if (inner !== node && (inner.comment || inner.commentBefore)) found = true;
    },
  });
  return found;
};

/** A flow collection that is wider than a line: its parts fill lines, which stand one column in from the bracket. */
const filled = (node: Node, parts: readonly string[], indent: number, comment: string): readonly string[] => {
  const [open, close] = bracketsOf(node);
  const lines: string[] = [];
  let line = `${blanks(indent)}${open}`;
  for (const [index, part] of parts.entries()) {
    const text = `${part}${index === parts.length - 1 ? close : ','}`;
    const fresh = line.trim() === '' || line.trim() === open;
    if (!fresh && line.length + 1 + text.length > WIDTH) {
      lines.push(line);
      line = `${blanks(indent + 1)}${text}`;
    } else line += fresh ? text : ` ${text}`;
  }
  return [...lines, `${line}${parts.length === 0 ? close : ''}${comment}`];
};

/** A block scalar as it is written, set in by so many columns. */
const blockLines = (printer: Printer, node: Scalar<string>, indent: number): readonly string[] => {
  const [header = '', ...lines] = sourceOf(printer, node).split('\n');
  const style = /^[|>][+-]?(?=\s|$)/.exec(header)?.[0];
  if (style === undefined) throw new Unusual('a block with an indentation of its own');
  const depths = lines.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length);
  const depth = depths.length === 0 ? 0 : Math.min(...depths);
  while (lines.at(-1)?.trim() === '' && !style.endsWith('+')) lines.pop();
  if (style.endsWith('+') && lines.at(-1) === '') lines.pop();
  const moved = lines.map((line) => (line.trim() === '' ? '' : `${blanks(indent)}${line.slice(depth).trimEnd()}`));
  return [`${style}${trailing(node)}`, ...moved];
};

/** A text of several lines as a block: folded where its line ends are only wrapped blanks. */
const wrapped = (node: Scalar<string>, indent: number): readonly string[] => {
  const { value } = node;
  const lines: string[] = [];
  if (/^\s|\s$|\s\s|[\t\n]/.test(value)) return [`${JSON.stringify(value)}${trailing(node)}`];
  let line = '';
  for (const word of value.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [`>-${trailing(node)}`, ...[...lines, line].map((each) => `${blanks(indent)}${each}`)];
};

/**
 * What stands behind a key or a dash: the first line follows it after a blank, where it isn't empty. `column` is where it would start,
 * `indent` the column of lines below it.
 */
const valueLines = (
  printer: Printer,
  node: Node | null,
  path: Path,
  column: number,
  indent: number,
): readonly string[] => {
  if (node === null) return [''];
  if (isScalar(node)) {
    if (node.value === null && sourceOf(printer, node) === '') return [trailing(node).trimStart()];
    const { value } = node;
    if (typeof value !== 'string') return [`${sourceOf(printer, node)}${trailing(node)}`];
    const text = scalarLine(printer, node, path, false);
    const isBlock = node.type === 'BLOCK_FOLDED' || node.type === 'BLOCK_LITERAL';
    const formatted = printer.texts.formatted(path, value, WIDTH - indent);
    if (formatted !== undefined) {
      const plain = formatted.includes('\n') ? undefined : scalarLine(printer, node, path, false);
      if (plain !== undefined && column + plain.length <= WIDTH) return [`${plain}${trailing(node)}`];
      return [`>${trailing(node)}`, ...formatted.split('\n').map((line) => `${blanks(indent)}${line}`)];
    }
    if (isBlock) return blockLines(printer, node as Scalar<string>, indent);
    if (!sourceOf(printer, node).includes('\n')) return [`${text}${trailing(node)}`];
    if (column + text.length <= WIDTH) return [`${text}${trailing(node)}`];
    return wrapped(node as Scalar<string>, indent);
  }
  if (isFlow(node)) {
    if (hasComment(node)) return verbatim(printer, node, indent);
    const line = flowLine(printer, node, path);
    if (column + line.length <= WIDTH) return [`${line}${trailing(node)}`];
    return ['', ...filled(node, flowParts(printer, node, path), indent, trailing(node))];
  }
  if (!isMap(node) && !isSeq(node)) throw new Unusual('an alias');
  return ['', ...collectionLines(printer, node, path, indent)];
};

/** A flow collection with comments inside stays as it is, set in as a whole. */
const verbatim = (printer: Printer, node: Node, indent: number): readonly string[] => {
  const [first = '', ...rest] = sourceOf(printer, node).split('\n');
  const depths = rest.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length);
  const depth = depths.length === 0 ? 0 : Math.min(...depths);
  const moved = rest.map((line) => (line.trim() === '' ? '' : `${blanks(indent)}${line.slice(depth).trimEnd()}`));
  return [first, ...moved.slice(0, -1), ...moved.slice(-1).map((line) => `${line}${trailing(node)}`)];
};

/** The comments and the blank line in front of a node. */
const before = (node: unknown, indent: number): readonly string[] => {
  const { spaceBefore, commentBefore } = (node ?? {}) as Partial<Node>;
  return [...(spaceBefore === true ? [''] : []), ...commentLines(commentBefore, indent)];
};

/** What follows a key or dash that ends a line. */
const joined = (head: string, [first = '', ...rest]: readonly string[]): readonly string[] => [
  first === '' ? head : `${head} ${first}`,
  ...rest,
];

const pairLines = (printer: Printer, pair: Pair, path: Path, indent: number): readonly string[] => {
  const key = keyLine(printer, pair.key);
  const value = pair.value as Node | null;
  const head = `${blanks(indent)}${key}:`;
  const inner = indent + STEP;
  const lines = valueLines(printer, value, [...path, keyOf(pair)], head.length + 1, inner);
  // comments between a key and its collection
  const above = isScalar(value) ? [] : commentLines(value?.commentBefore, inner);
  const [first = '', ...rest] = joined(head, lines);
  return [
    ...(isScalar(value) && value.commentBefore ? commentLines(value.commentBefore, indent) : []),
    first,
    ...above,
    ...rest,
  ];
};

const collectionLines = (printer: Printer, node: Node, path: Path, indent: number): readonly string[] => {
  const lines: string[] = [];
  if (isMap(node)) {
    for (const pair of node.items) {
      lines.push(...before(pair.key, indent), ...pairLines(printer, pair, path, indent));
    }
  } else if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) {
      const at = [...path, index];
      const entry = item as Node | null;
      lines.push(...before(entry, indent));
      if (isMap(entry) && !isFlow(entry) && entry.items.length > 0) {
        const [first] = entry.items;
        lines.push(...before(first?.key, indent));
        const inner = [...collectionLines(printer, entry, at, indent + STEP)];
        inner.splice(0, before(first?.key, indent).length);
        const [head = '', ...rest] = inner;
        lines.push(`${blanks(indent)}- ${head.trimStart()}`, ...rest);
      } else {
        const [first = '', ...rest] = valueLines(printer, entry, at, indent + STEP, indent + STEP);
        const nested = first === '' && rest.length > 0;
        lines.push(
          ...(nested
            ? [`${blanks(indent)}- ${(rest[0] ?? '').trimStart()}`, ...rest.slice(1)]
            : joined(`${blanks(indent)}-`, [first, ...rest])),
        );
      }
    }
  }
  if (!isFlow(node)) lines.push(...commentLines(node.comment, indent));
  return lines;
};

/** At most one blank line at a time, none at the ends. */
const withoutGaps = (lines: readonly string[]): readonly string[] => {
  const kept = lines.filter((line, index) => line !== '' || (index > 0 && lines[index - 1] !== ''));
  while (kept.at(-1) === '') kept.pop();
  return kept;
};

const documentLines = (printer: Printer, document: Document): readonly string[] => {
  const contents = document.contents as Node | null;
  const top: string[] = [...commentLines(document.commentBefore, 0)];
  if (document.commentBefore) top.push('');
  if (contents !== null) {
    top.push(...before(contents, 0));
    if (isFlow(contents) || isScalar(contents))
      top.push(...valueLines(printer, contents, [], 0, 0).filter((line) => line !== ''));
    else top.push(...collectionLines(printer, contents, [], 0));
  }
  if (document.comment) top.push('', ...commentLines(document.comment, 0));
  return withoutGaps(top);
};

/**
 * YAML documents with normal indentation: two columns a level, sequences set in below their key; what stands in brackets in one line, or
 * filling lines. Comments, order and single blank lines stay. Undefined where something is written in a way that is better left alone.
 */
export const formatYaml = (source: string, documents: readonly Document[], texts: Texts): string | undefined => {
  try {
    const parts = documents.map((document, index) => {
      const lines = documentLines({ source, texts }, document);
      const marked = index > 0 || document.directives?.docStart === true;
      return [...(marked ? ['---'] : []), ...lines].map((line) => `${line}\n`).join('');
    });
    return parts.join('');
  } catch (error) {
    if (error instanceof Unusual) return undefined;
    throw error;
  }
};
