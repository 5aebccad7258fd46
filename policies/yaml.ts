import { type Document, Lexer, parseAllDocuments, visit, type YAMLError } from 'yaml';
import type { Diagnostic, Position } from '../rules/index.ts';
import { removeAliases, removeMerges, type SourceDocument, sourceDocument } from './document.ts';
import { type Ignore, readIgnores } from './ignores.ts';
import { type PlaceOf, placesIn } from './lines.ts';
import { diagnostic, yamlProblem } from './messages.ts';

/** Bytes a file may have. */
export const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Collections that may lie in each other; also blanks and dashes that a line may start with, since each can open one. */
const MAX_DEPTH = 200;

/** What kind of document a file is for, in words. */
export interface DocumentKind {
  readonly noun: string;
  /** A whole one, for "expected ...". */
  readonly whole: string;
  /** What there is instead of YAML aliases. */
  readonly insteadOfAlias: string;
}

export const POLICY: DocumentKind = {
  noun: 'policy',
  whole: 'a policy: a mapping with apiVersion, kind, metadata and spec',
  insteadOfAlias: 'write the value out, or use a list or a macro',
};

/** What reading a YAML file came to: the documents that could be read, and what is wrong with the text. */
export interface YamlFile {
  readonly documents: readonly SourceDocument[];
  readonly diagnostics: readonly Diagnostic[];
  /** What comments in it silence. */
  readonly ignores?: readonly Ignore[];
}

/** The offset at which the text nests too deeply for a recursive reader, undefined where it doesn't. */
const depthExceeded = (text: string): number | undefined => {
  let offset = 0;
  let flow = 0;
  let lineStart = 0;
  let leading = true;
  for (const token of new Lexer().lex(text)) {
    const isMark = token === '\x02' || token === '\x18' || token === '\x1f';
    if (!isMark) {
      if (token === '[' || token === '{') flow++;
      else if (token === ']' || token === '}') flow--;
      if (flow > MAX_DEPTH) return offset;
      const opens = token === '-' || token === '?' || token === ':';
      if (leading && offset - lineStart > MAX_DEPTH && (opens || flow === 0) && token.trim() !== '') return offset;
      if (!opens && token.trim() !== '') leading = false;
      offset += token.length;
      const newline = token.lastIndexOf('\n');
      if (newline >= 0) {
        lineStart = offset - (token.length - newline - 1);
        leading = true;
      }
    }
  }
  return undefined;
};

/** Problems after which the rest of a document still means what it says. */
const HARMLESS = new Set(['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED', 'BAD_DIRECTIVE']);

/** What is wrong with a text, by the reader's code and words. */
interface TextProblem {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
}

/** A text in quotes that is never closed is told where it begins, not where the file ends. */
const atStart = (document: Document, { code, message, pos }: YAMLError): TextProblem => {
  let start: number | undefined;
  if (NEVER_CLOSED.test(message))
    visit(document, {
      Scalar: (_, { range }) => {
        if (range && range[0] <= pos[0] && range[2] >= pos[0]) start = range[0];
      },
    });
  return { code, message, pos: start === undefined ? pos : [start, pos[1]] };
};

const NEVER_CLOSED = /^Missing closing ['"]quote$/;

/** Without what follows from tabs as indentation, since lines before and after them are misread, or from a text that is never closed. */
const causes = (problems: readonly TextProblem[]): readonly TextProblem[] => {
  const tabs = problems.filter(({ code }) => code === 'TAB_AS_INDENT');
  if (tabs.length > 0) return tabs;
  const open = problems.find(({ message }) => NEVER_CLOSED.test(message));
  return open === undefined ? problems : problems.filter(({ pos }) => pos[0] <= open.pos[0]);
};

/** The first problem of each line: later ones are mostly its consequence. */
const onePerLine = (problems: readonly TextProblem[], place: PlaceOf): readonly TextProblem[] => {
  const seen = new Set<number>();
  return problems.filter((problem) => {
    const { line } = place(problem.pos[0]);
    return seen.has(line) ? false : seen.add(line);
  });
};

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The bytes as text without byte order mark; where they aren't UTF-8, the place of the first that isn't. */
const decode = (file: string, bytes: Uint8Array): string | Diagnostic => {
  try {
    return decoder.decode(bytes);
  } catch {
    const text = new TextDecoder().decode(bytes);
    return diagnostic('not-utf8', placesIn(file, text)(text.indexOf('\uFFFD')), undefined, {});
  }
};

/** The offset at which the line before an offset's line starts: what is indented with tabs belongs to it, and is not seen there. */
const lineBefore = (text: string, offset: number): number => {
  const start = text.lastIndexOf('\n', offset - 1);
  return start < 1 ? 0 : text.lastIndexOf('\n', start - 1) + 1;
};

/** A merge key with an alias is told of by the alias. */
const mergeProblem = (position: Position): Diagnostic =>
  diagnostic('yaml-syntax', position, undefined, {
    reason: 'YAML 1.2 has no merge key "<<"; write out what it takes in',
  });

const readDocument = (file: string, text: string, place: PlaceOf, document: Document, kind: DocumentKind): YamlFile => {
  const problems = causes(
    onePerLine(
      [...document.errors, ...document.warnings].map((each) => atStart(document, each)),
      place,
    ),
  );
  const diagnostics = problems.map(({ code, message, pos }) => yamlProblem(place(pos[0]), code, message));
  const aliases = removeAliases(document);
  for (const { name, offset } of aliases) {
    diagnostics.push(diagnostic('alias-not-allowed', place(offset), undefined, { ...kind, alias: name }));
  }
  const merges = removeMerges(document);
  if (aliases.length === 0) for (const offset of merges) diagnostics.push(mergeProblem(place(offset)));
  if (document.contents === null) return { documents: [], diagnostics };
  const harmful = problems
    .filter((problem) => !HARMLESS.has(problem.code))
    .map(({ code, pos: [from] }) => (code === 'TAB_AS_INDENT' ? lineBefore(text, from) : from));
  const damage = {
    from: harmful.length === 0 ? undefined : Math.min(...harmful),
    aliases: aliases.map((alias) => alias.offset),
    merges: merges.length > 0,
  };
  try {
    return { documents: [sourceDocument(file, text, place, document, damage)], diagnostics };
  } catch (error) {
    if (damage.from === undefined) throw error;
    return { documents: [], diagnostics };
  }
};

/** Reads a file's YAML documents, each with the places of its parts; anything wrong with one of them doesn't touch the others. */
export const readYaml = (file: string, bytes: Uint8Array, kind: DocumentKind = POLICY): YamlFile => {
  const start = { file, line: 1, column: 1 };
  if (bytes.length > MAX_FILE_BYTES) {
    const detail = { ...kind, bytes: bytes.length, limit: MAX_FILE_BYTES };
    return { documents: [], diagnostics: [diagnostic('file-too-large', start, undefined, detail)] };
  }
  const text = decode(file, bytes);
  if (typeof text !== 'string') return { documents: [], diagnostics: [text] };
  const place = placesIn(file, text);
  const nul = text.indexOf('\0');
  if (nul >= 0) return { documents: [], diagnostics: [diagnostic('nul-byte', place(nul), undefined, {})] };
  const tooDeep = depthExceeded(text);
  if (tooDeep !== undefined) {
    const found = diagnostic('nested-too-deeply', place(tooDeep), undefined, { ...kind, limit: MAX_DEPTH });
    return { documents: [], diagnostics: [found] };
  }
  const parsed = parseAllDocuments(text, { prettyErrors: false, logLevel: 'error' });
  const all: readonly Document[] = Array.isArray(parsed) ? parsed : [];
  const files = all.map((document) => readDocument(file, text, place, document, kind));
  const documents = files.flatMap((read) => read.documents);
  const diagnostics = files.flatMap((read) => read.diagnostics);
  if (documents.length === 0 && diagnostics.length === 0) {
    diagnostics.push(diagnostic('empty-file', start, undefined, { expected: kind.whole }));
  }
  return { documents, diagnostics, ignores: readIgnores(file, text, all, place) };
};
