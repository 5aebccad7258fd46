import { type Document, isNode, isSeq, Lexer, visit } from 'yaml';
import { type Diagnostic, nearest, type Position } from '../rules/index.ts';
import { CODES } from './codes.ts';
import type { PlaceOf } from './lines.ts';
import { diagnostic, near } from './messages.ts';

/** A comment that silences warnings of some codes in the lines of one key or list item. */
export interface Ignore {
  readonly file: string;
  /** First and last line of what it is about. */
  readonly from: number;
  readonly to: number;
  readonly codes: readonly { readonly code: string; readonly position: Position }[];
}

const COMMENT = /^#\s*shrike:\s*ignore(?=\s|$)/;
const MARK = '# shrike:';

/** The comments of a text that silence warnings, with their offsets. */
const commentsIn = (text: string): readonly { readonly text: string; readonly offset: number }[] => {
  if (!/#[ \t]*shrike:/.test(text)) return [];
  const found: { text: string; offset: number }[] = [];
  let offset = 0;
  let scalar = false;
  for (const token of new Lexer().lex(text)) {
    if (token === '\x1f') scalar = true;
    else if (token !== '\x02' && token !== '\x18') {
      if (!scalar && COMMENT.test(token)) found.push({ text: token, offset });
      scalar = false;
      offset += token.length;
    }
  }
  return found;
};

/** First and last line of each key and list item, by its first line; the largest where several start there. */
const regionsOf = (document: Document, place: PlaceOf): ReadonlyMap<number, number> => {
  const regions = new Map<number, number>();
  const add = (start: unknown, end: unknown): void => {
    const from = isNode(start) ? start.range?.[0] : undefined;
    const to = isNode(end) ? end.range?.[1] : undefined;
    if (from === undefined) return;
    const first = place(from).line;
    const last = to === undefined ? first : place(Math.max(from, to - 1)).line;
    regions.set(first, Math.max(regions.get(first) ?? 0, last));
  };
  visit(document, {
    Pair: (_, pair) => add(pair.key, pair.value ?? pair.key),
    Map: (key, map, path) => {
      if (isSeq(path.at(-1)) && typeof key === 'number') add(map, map);
    },
    Scalar: (key, scalar, path) => {
      if (isSeq(path.at(-1)) && typeof key === 'number') add(scalar, scalar);
    },
  });
  return regions;
};

/** The line that a comment is about: its own where something stands before it, else the next that holds more than a comment. */
const targetOf = (lines: readonly string[], line: number, column: number): number => {
  if ((lines[line - 1] ?? '').slice(0, column - 1).trim() !== '') return line;
  let next = line + 1;
  while (next <= lines.length && /^\s*(?:#.*)?\r?$/.test(lines[next - 1] ?? '')) next++;
  return next;
};

/** What the comments `# shrike: ignore <code>, <code>` of a file silence. */
export const readIgnores = (
  file: string,
  text: string,
  documents: readonly Document[],
  place: PlaceOf,
): readonly Ignore[] => {
  const comments = commentsIn(text);
  if (comments.length === 0) return [];
  const lines = text.split('\n');
  const regions = new Map(documents.flatMap((document) => [...regionsOf(document, place)]));
  return comments.map(({ text: comment, offset }) => {
    const { line, column } = place(offset);
    const from = targetOf(lines, line, column);
    const start = COMMENT.exec(comment)?.[0].length ?? 0;
    const codes = [...comment.slice(start).matchAll(/[^\s,]+/g)].map((found) => ({
      code: found[0],
      position: place(offset + start + found.index),
    }));
    const own = { code: '', position: place(offset) };
    return { file, from, to: regions.get(from) ?? from, codes: codes.length === 0 ? [own] : codes };
  });
};

/** Takes out the warnings that comments silence, and remembers which comments did. */
export interface Ignores {
  /** The diagnostics that are left. */
  filter(found: readonly Diagnostic[]): readonly Diagnostic[];
  /** A warning for each code of a comment that silenced nothing so far; none for files of which `hasErrors`. */
  unused(hasErrors: (file: string) => boolean): readonly Diagnostic[];
}

const whyUnused = (code: string): { readonly reason: string; readonly nearest?: string } => {
  if (code === '')
    return { reason: `This comment names no code; write ${MARK} ignore and a code of a warning after it.` };
  const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  if (known === undefined) {
    const close = nearest(code, Object.keys(CODES));
    return {
      reason: `There is no code "${code}"${close === undefined ? '.' : `; did you mean "${close}"?`}`,
      ...near(close),
    };
  }
  if (known.kind === 'error') return { reason: `"${code}" is an error, which can't be silenced; only warnings can.` };
  return { reason: `There is no warning "${code}" here that this comment could silence; remove it.` };
};

export const createIgnores = (ignores: readonly Ignore[]): Ignores => {
  const used = new Set<object>();
  return {
    filter: (found) =>
      found.filter(({ severity, file, line, code }) => {
        if (severity !== 'warning') return true;
        let silent = false;
        for (const ignore of ignores) {
          if (ignore.file !== file || line < ignore.from || line > ignore.to) continue;
          for (const each of ignore.codes)
            if (each.code === code) {
              used.add(each);
              silent = true;
            }
        }
        return !silent;
      }),
    unused: (hasErrors) =>
      ignores.flatMap(({ file, codes }) =>
        hasErrors(file)
          ? []
          : codes.flatMap((each) =>
              used.has(each) ? [] : [diagnostic('unused-ignore', each.position, undefined, whyUnused(each.code))],
            ),
      ),
  };
};
