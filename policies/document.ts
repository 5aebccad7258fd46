import { type Document, isMap, isNode, isScalar, isSeq, type Pair, Scalar, visit } from 'yaml';
import type { Diagnostic, Position } from '../rules/index.ts';
import type { PlaceOf } from './lines.ts';
import { scalarOffsets } from './scalar-offsets.ts';
import type { SourceText } from './source-text.ts';

/** Keys and indices from a document's top. */
export type Path = readonly (string | number)[];

/** One YAML document of a file: its data, and the places its parts were read from. */
export interface SourceDocument {
  readonly file: string;
  readonly data: unknown;
  /** The value at a path; where there is none, the nearest value around it. */
  valueAt(path: Path): Position;
  /** The key at a path; where there is none, as `valueAt`. */
  keyAt(path: Path): Position;
  /** Whether something is written at a path. */
  has(path: Path): boolean;
  /** A scalar as it is written (`0x10` stays `0x10`), undefined where there is none. */
  textAt(path: Path): SourceText | undefined;
  /** Whether the text could be read without a guess; what comes of one that couldn't must not be used. */
  readonly sound: boolean;
  /** Whether a finding is a mistake of its own, not a consequence of what made the document unsound. */
  isCertain(found: Diagnostic): boolean;
}

/** Where the parts of a document, or of a part of one, were read from. */
export type SourcePlaces = Pick<SourceDocument, 'file' | 'valueAt' | 'keyAt'>;

/** The places of the part of a document at a path; paths start from there. */
export const placesBelow = ({ file, valueAt, keyAt }: SourcePlaces, base: Path): SourcePlaces => ({
  file,
  valueAt: (path) => valueAt([...base, ...path]),
  keyAt: (path) => keyAt([...base, ...path]),
});

/** What was wrong with a document's text: the offset from which on it can't be relied on, and where aliases stood. */
export interface Damage {
  readonly from: number | undefined;
  readonly aliases: readonly number[];
  /** Whether keys came through merge keys (`<<`), which are not read. */
  readonly merges: boolean;
}

/** Findings about what isn't there: it may stand in the part that couldn't be read. */
const ABOUT_ABSENCE = new Set([
  'missing-key',
  'unknown-rule',
  'unknown-macro',
  'unknown-list',
  'scope-missing',
  'not-a-policy',
]);

/** `spec.rules[2].priority`; keys that aren't names are quoted. */
export const formatPath = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    if (!/^[\w-]+$/.test(part)) return `${text}["${part}"]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');

const pairOf = (node: unknown, key: string | number): Pair | undefined =>
  isMap(node)
    ? node.items.findLast(
        (pair) => isScalar(pair.key) && (pair.key.value === key || String(pair.key.value) === String(key)),
      )
    : undefined;

const childOf = (node: unknown, key: string | number): unknown =>
  isSeq(node) && typeof key === 'number' ? node.items[key] : pairOf(node, key)?.value;

const isWritten = (node: unknown): boolean => isNode(node) && node.range != null;

/** Takes out merge keys (`<<`), and tells where they were. */
export const removeMerges = (document: Document): readonly number[] => {
  const found: number[] = [];
  visit(document, {
    Pair: (_, pair) => {
      if (!isScalar(pair.key) || pair.key.value !== '<<') return undefined;
      found.push(pair.key.range?.[0] ?? 0);
      return visit.REMOVE;
    },
  });
  return found;
};

/** Puts an empty text in the place of each alias (`*name`), and tells where they were. */
export const removeAliases = (document: Document): readonly { readonly name: string; readonly offset: number }[] => {
  const aliases: { name: string; offset: number }[] = [];
  visit(document, {
    Alias: (_, alias) => {
      aliases.push({ name: alias.source, offset: alias.range?.[0] ?? 0 });
      const empty = new Scalar('');
      if (alias.range) empty.range = alias.range;
      return empty;
    },
  });
  return aliases;
};

/** A document without aliases, as data with places; throws where a damaged one can't be had as data. */
export const sourceDocument = (
  file: string,
  source: string,
  place: PlaceOf,
  document: Document,
  damage: Damage,
): SourceDocument => {
  const nodeAt = (path: Path): unknown => path.reduce<unknown>(childOf, document.contents);
  const offsetOf = (node: unknown): number => (isNode(node) ? (node.range?.[0] ?? 0) : 0);
  const valueAt = (path: Path): Position => {
    const node = nodeAt(path);
    if (path.length === 0 || isWritten(node)) return place(offsetOf(node));
    const pair = pairOf(nodeAt(path.slice(0, -1)), path.at(-1) ?? '');
    return pair === undefined ? valueAt(path.slice(0, -1)) : place(offsetOf(pair.key));
  };
  const damaged = damage.from === undefined ? undefined : place(damage.from);
  const aliasPlaces = new Set(damage.aliases.map(place).map(({ line, column }) => `${line}:${column}`));
  return {
    file,
    sound: damaged === undefined && damage.aliases.length === 0,
    isCertain: ({ code, line, column, field }) => {
      if (aliasPlaces.has(`${line}:${column}`) || (damage.merges && ABOUT_ABSENCE.has(code))) return false;
      if (damaged === undefined) return true;
      if (code === 'unknown-key' && field !== undefined && /\["[^"]*[[{]/.test(field)) return false;
      const before = line < damaged.line || (line === damaged.line && column < damaged.column);
      return before && !ABOUT_ABSENCE.has(code);
    },
    data: document.toJS({ maxAliasCount: 0 }),
    valueAt,
    keyAt: (path) => {
      const pair = pairOf(nodeAt(path.slice(0, -1)), path.at(-1) ?? '');
      return pair === undefined ? valueAt(path) : place(offsetOf(pair.key));
    },
    has: (path) => path.length === 0 || isWritten(nodeAt(path)),
    textAt: (path) => {
      const node = nodeAt(path);
      if (!isScalar(node) || node.value === null) return undefined;
      const value = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
      const offsets = typeof node.value === 'string' ? scalarOffsets(source, node as Scalar<string>) : undefined;
      const start = place(offsetOf(node));
      return {
        value,
        at: (offset) => {
          const found = offsets?.[Math.min(Math.max(offset, 0), value.length)];
          return found === undefined ? start : place(found);
        },
      };
    },
  };
};
