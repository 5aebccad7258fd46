import type { z } from 'zod';
import { type Diagnostic, nearest, type Position } from '../../rules/index.ts';
import { formatPath, type Path, type SourceDocument } from '../document.ts';
import { diagnostic, near } from '../messages.ts';
import { type Draft, describe, salvage, schemaDiagnostics } from '../schema-issues.ts';
import { joinTexts, madeFor, type SourceText } from '../source-text.ts';
import { type FalcoException, newException, withValues } from './falco-exceptions.ts';
import { checkEngine, checkPlugins } from './falco-requirements.ts';
import {
  type FalcoExceptionEntry,
  type FalcoListEntry,
  FalcoListSchema,
  type FalcoMacroEntry,
  FalcoMacroSchema,
  type FalcoRuleEntry,
  FalcoRuleSchema,
} from './falco-schema.ts';

/** One document of a Falco rules file; `hash` is that of the file's bytes. */
export interface FalcoSource {
  readonly document: SourceDocument;
  readonly hash: string;
}

/**
 * What a definition stands for after all files are read. `index` is where its name was first defined and `visibility` where it
 * was last changed, both in the order of entries: a definition sees what has an index before its own visibility.
 */
interface Defined {
  readonly name: string;
  readonly index: number;
  readonly visibility: number;
  readonly source: FalcoSource;
  readonly path: Path;
}

export interface FalcoList extends Defined {
  readonly items: readonly SourceText[];
}

export interface FalcoMacro extends Defined {
  readonly condition: SourceText;
  /** Its condition is no text, which is told. */
  readonly broken: boolean;
}

export interface FalcoRule extends Defined {
  readonly position: Position;
  readonly description: string;
  readonly condition: SourceText;
  readonly output: SourceText;
  readonly priority: SourceText;
  readonly tags: readonly string[];
  readonly enabled: boolean;
  readonly eventSource: string;
  readonly exceptions: readonly FalcoException[];
  /** Parts of it are wrong: it is looked through, but not loaded. */
  readonly broken: boolean;
  /** `warn_evttypes: false`: it may go without evt.type. */
  readonly anyEvent: boolean;
  /** `skip-if-unknown-filter: true`: it is left out where a field of its condition does not exist. */
  readonly skipUnknown: boolean;
}

/** Everything that Falco files define, after appends and overrides. */
export interface FalcoEntries {
  readonly lists: ReadonlyMap<string, FalcoList>;
  readonly macros: ReadonlyMap<string, FalcoMacro>;
  readonly rules: ReadonlyMap<string, FalcoRule>;
  /** Files that require a newer engine. */
  readonly tooNew: ReadonlySet<string>;
  readonly diagnostics: readonly Diagnostic[];
}

/** An entry without its wrong parts, of a known name. */
type Written<Entry, Name extends keyof Entry & string> = Draft<Entry> & Readonly<Record<Name, string>>;

interface Reader {
  readonly lists: Map<string, FalcoList>;
  readonly macros: Map<string, FalcoMacro>;
  readonly rules: Map<string, FalcoRule>;
  readonly tooNew: Set<string>;
  readonly report: (...found: readonly Diagnostic[]) => void;
}

/** One entry at its place. */
interface Place {
  readonly source: FalcoSource;
  readonly path: Path;
  readonly index: number;
}

type Change = 'define' | 'append' | 'replace';

/** What an entry does to a member of an earlier definition of its name. */
const changeOf = (
  entry: { readonly append?: boolean | undefined; readonly override?: object | undefined },
  key: string,
): Change => {
  if (entry.append === true) return 'append';
  return ((entry.override as Readonly<Record<string, Change>> | undefined)?.[key] ?? 'define') as Change;
};

/** The key of each kind of entry, which an override does not name. */
const OWN_KEYS: ReadonlySet<string> = new Set(['rule', 'macro', 'list', 'override', 'append']);

/** Whether what an entry says of changing an earlier one fits together; `append: true` is told to be deprecated. */
const checkChange = (
  reader: Reader,
  entry: { readonly append?: boolean | undefined; readonly override?: object | undefined },
  { source: { document }, path }: Place,
): boolean => {
  const bad = (key: string, reason: string, expected: string, below = false): false => {
    const place: Path = below ? [...path, 'override', key] : [...path, key];
    reader.report(diagnostic('bad-override', document.keyAt(place), formatPath(place), { reason, expected }));
    return false;
  };
  const overridden = Object.entries(entry.override ?? {}).filter(([, change]) => change !== undefined);
  if (entry.append === true && overridden.length > 0)
    return bad(
      'append',
      '"append" and "override" stand in the same entry; remove "append".',
      'one of append, override',
    );
  const keys = Object.keys(entry).filter((key) => !OWN_KEYS.has(key));
  if (entry.append === true) {
    const expected = `override: {${keys[0] ?? 'condition'}: append}`;
    const place: Path = [...path, 'append'];
    reader.report(diagnostic('deprecated-append', document.keyAt(place), formatPath(place), { expected }));
  }
  if (overridden.length === 0) return true;
  const named = new Set(overridden.map(([key]) => key));
  let sound = true;
  for (const key of named)
    if (!keys.includes(key))
      sound = bad(
        key,
        `The override names "${key}", but the entry has no "${key}"; add it, or leave it out of the override.`,
        `a key "${key}" in the entry`,
        true,
      );
  for (const key of keys)
    if (!named.has(key))
      sound = bad(
        key,
        `"${key}" stands beside an override that does not name it; add "${key}: replace" to the override.`,
        `an override with ${key}`,
      );
  return sound;
};

const isChange = (entry: { readonly append?: boolean | undefined; readonly override?: object | undefined }): boolean =>
  entry.append === true || entry.override !== undefined;

const definedAt = (name: string, { source, path, index }: Place, earlier: Defined | undefined): Defined => ({
  name,
  index: earlier?.index ?? index,
  visibility: index,
  source,
  path,
});

const nothingToChange = (reader: Reader, kind: 'list' | 'macro' | 'rule', name: string, place: Place): void => {
  const known = { list: reader.lists, macro: reader.macros, rule: reader.rules }[kind].keys();
  const path: Path = [...place.path, kind];
  const detail = { kind, name, ...near(nearest(name, known)) };
  reader.report(diagnostic('nothing-to-append-to', place.source.document.valueAt(path), formatPath(path), detail));
};

const readList = (reader: Reader, entry: Written<FalcoListEntry, 'list'>, place: Place): void => {
  if (!checkChange(reader, entry, place)) return;
  const earlier = reader.lists.get(entry.list);
  if (isChange(entry) && earlier === undefined) {
    nothingToChange(reader, 'list', entry.list, place);
    return;
  }
  const { document } = place.source;
  const items = (entry.items ?? []).flatMap((_, index) => document.textAt([...place.path, 'items', index]) ?? []);
  const kept = changeOf(entry, 'items') === 'append' ? (earlier?.items ?? []) : [];
  reader.lists.set(entry.list, { ...definedAt(entry.list, place, earlier), items: [...kept, ...items] });
};

const readMacro = (reader: Reader, entry: Written<FalcoMacroEntry, 'macro'>, place: Place): void => {
  if (!checkChange(reader, entry, place)) return;
  const earlier = reader.macros.get(entry.macro);
  if (isChange(entry) && earlier === undefined) {
    nothingToChange(reader, 'macro', entry.macro, place);
    return;
  }
  const written =
    entry.condition === undefined
      ? madeFor('', place.source.document.valueAt(place.path))
      : place.source.document.textAt([...place.path, 'condition']);
  if (written === undefined) return;
  const appends = changeOf(entry, 'condition') === 'append' && earlier !== undefined;
  const condition = appends ? joinTexts([earlier.condition, written]) : written;
  const broken = entry.condition === undefined;
  reader.macros.set(entry.macro, { ...definedAt(entry.macro, place, earlier), condition, broken });
};

const REQUIRED = ['desc', 'condition', 'output', 'priority'] as const;
const WANTED = {
  desc: 'a sentence that says what the rule is for',
  condition: 'a condition such as "evt.type = openat and fd.name = /etc/shadow"',
  output: 'a template such as "%proc.name read %fd.name"',
  priority: 'a priority such as WARNING',
} as const;

/** The exceptions after an entry: values go to the exception of the same name, others are added. */
const readExceptions = (
  reader: Reader,
  entry: Written<FalcoRuleEntry, 'rule'>,
  kept: readonly FalcoException[],
  place: Place,
): readonly FalcoException[] => {
  const exceptions = [...kept];
  const own = new Map<string, Position>();
  for (const [index, draft] of (entry.exceptions ?? []).entries()) {
    if (draft?.name === undefined) continue;
    const written = { ...draft, name: draft.name } as FalcoExceptionEntry;
    const path: Path = [...place.path, 'exceptions', index];
    const position = place.source.document.valueAt(path);
    const twin = own.get(written.name);
    if (twin !== undefined) {
      const detail = { rule: entry.rule, exception: written.name, line: twin.line };
      reader.report(diagnostic('duplicate-exception', position, formatPath(path), detail));
      continue;
    }
    own.set(written.name, position);
    const known = exceptions.findIndex((exception) => exception.name === written.name);
    const found = exceptions[known];
    const made =
      found !== undefined && written.fields === undefined
        ? withValues(found, written.values ?? [])
        : newException(written, position);
    if (typeof made === 'string') {
      const detail = { rule: entry.rule, exception: written.name, reason: made };
      reader.report(diagnostic('bad-exception', position, formatPath(path), detail));
    } else if (found === undefined) exceptions.push(made);
    else exceptions[known] = made;
  }
  return exceptions;
};

const readRule = (reader: Reader, entry: Written<FalcoRuleEntry, 'rule'>, place: Place, broken: boolean): void => {
  if (!checkChange(reader, entry, place)) return;
  const earlier = reader.rules.get(entry.rule);
  const onlySwitches = entry.enabled !== undefined && REQUIRED.every((key) => entry[key] === undefined);
  const changes = isChange(entry) || onlySwitches;
  if (changes && earlier === undefined) {
    nothingToChange(reader, 'rule', entry.rule, place);
    return;
  }
  const { document } = place.source;
  const base = changes ? earlier : undefined;
  if (base === undefined) {
    const missing = REQUIRED.filter((key) => entry[key] === undefined);
    const position = document.valueAt(place.path);
    for (const key of missing) {
      if (document.has([...place.path, key])) continue;
      const detail = { key, where: `The rule "${entry.rule}"`, expected: WANTED[key] };
      reader.report(diagnostic('missing-key', position, formatPath([...place.path, key]), detail));
    }
  }
  const textOf = (key: 'condition' | 'output' | 'priority', before: SourceText | undefined): SourceText | undefined => {
    const written = document.textAt([...place.path, key]);
    if (written === undefined || before === undefined) return written ?? before;
    return changeOf(entry, key) === 'append' ? joinTexts([before, written]) : written;
  };
  const condition = textOf('condition', base?.condition);
  const output = textOf('output', base?.output);
  const priority = textOf('priority', base?.priority);
  if (condition === undefined || output === undefined || priority === undefined) return;
  const describes = [
    changeOf(entry, 'desc') === 'append' ? base?.description : undefined,
    entry.desc ?? base?.description,
  ];
  const keptTags = entry.tags === undefined || changeOf(entry, 'tags') === 'append' ? (base?.tags ?? []) : [];
  const keptExceptions =
    entry.exceptions == null || changeOf(entry, 'exceptions') === 'append' ? (base?.exceptions ?? []) : [];
  reader.rules.set(entry.rule, {
    ...definedAt(entry.rule, place, earlier),
    ...(base === undefined ? {} : { source: base.source, path: base.path }),
    position: base?.position ?? document.valueAt(place.path),
    description: describes
      .filter((text) => text !== undefined)
      .join(' ')
      .trim(),
    condition,
    output,
    priority,
    tags: [...new Set([...keptTags, ...(entry.tags ?? [])])].filter((tag) => tag !== undefined),
    broken: broken || (base === undefined ? REQUIRED.some((key) => entry[key] === undefined) : base.broken),
    enabled: entry.enabled ?? base?.enabled ?? true,
    eventSource: entry.source ?? base?.eventSource ?? 'syscall',
    exceptions: readExceptions(reader, entry, keptExceptions, place),
    anyEvent: entry.warn_evttypes === undefined ? (base?.anyEvent ?? false) : !entry.warn_evttypes,
    skipUnknown: entry['skip-if-unknown-filter'] ?? base?.skipUnknown ?? false,
  });
  noteCapture(reader, entry, place);
};

/** Captures are Falco's: they are accepted and noted. */
const noteCapture = (reader: Reader, entry: Draft<FalcoRuleEntry>, { source: { document }, path }: Place): void => {
  const key =
    entry.capture === true ? 'capture' : entry.capture_duration !== undefined ? 'capture_duration' : undefined;
  if (key === undefined || entry.capture === false) return;
  const place: Path = [...path, key];
  const detail = { key, reason: 'system calls are not captured into files' };
  reader.report(diagnostic('no-effect', document.keyAt(place), formatPath(place), detail));
};

/** An entry without its parts that are wrong, which are told; unknown keys are told and passed over. */
const checked = <T extends object>(
  reader: Reader,
  schema: z.ZodType<T>,
  data: unknown,
  place: Place,
): { readonly entry: Draft<T>; readonly broken: boolean } => {
  const result = schema.safeParse(data);
  if (result.success) return { entry: result.data as Draft<T>, broken: false };
  const { document } = place.source;
  const { issues } = result.error;
  reader.report(...schemaDiagnostics(issues, { document, schema, base: place.path, unknownKeys: 'warning' }));
  return { entry: salvage<T>(data, issues), broken: issues.some((issue) => issue.code !== 'unrecognized_keys') };
};

const KINDS = ['rule', 'macro', 'list', 'required_engine_version', 'required_plugin_versions'] as const;

const readEntry = (reader: Reader, data: unknown, place: Place): void => {
  const { document } = place.source;
  const position = document.valueAt(place.path);
  const field = formatPath(place.path);
  const expected = `an entry with one of the keys ${KINDS.join(', ')}`;
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    reader.report(
      diagnostic('wrong-type', position, field, { where: `The entry ${field}`, found: describe(data), expected }),
    );
    return;
  }
  const kind = KINDS.find((key) => Object.hasOwn(data, key));
  if (kind === undefined) {
    const [key = ''] = Object.keys(data);
    const close = near(nearest(key, KINDS));
    const detail = { key, where: `The entry ${field}`, expected, ...close };
    reader.report(
      diagnostic('unknown-key', position, field, detail, close.nearest === undefined ? 'warning' : 'error'),
    );
  } else if (kind === 'rule') {
    const { entry, broken } = checked(reader, FalcoRuleSchema, data, place);
    if (entry.rule !== undefined) readRule(reader, { ...entry, rule: entry.rule }, place, broken);
  } else if (kind === 'macro') {
    const { entry } = checked(reader, FalcoMacroSchema, data, place);
    if (entry.macro !== undefined) readMacro(reader, { ...entry, macro: entry.macro }, place);
  } else if (kind === 'list') {
    const { entry } = checked(reader, FalcoListSchema, data, place);
    if (entry.list !== undefined) readList(reader, { ...entry, list: entry.list }, place);
  } else if (kind === 'required_engine_version') {
    if (!checkEngine(document, place.path, reader.report)) reader.tooNew.add(document.file);
  } else checkPlugins(document, data, place.path, reader.report);
};

/** Reads the entries of Falco rules files in their order, with appends, overrides and redefinitions done. */
export const readFalcoEntries = (sources: readonly FalcoSource[]): FalcoEntries => {
  const diagnostics: Diagnostic[] = [];
  const reader: Reader = {
    lists: new Map(),
    macros: new Map(),
    rules: new Map(),
    tooNew: new Set(),
    report: (...found) => void diagnostics.push(...found),
  };
  let index = 0;
  for (const source of sources) {
    const { data } = source.document;
    for (const [at, entry] of (Array.isArray(data) ? data : []).entries()) {
      readEntry(reader, entry, { source, path: [at], index: index++ });
    }
  }
  return { lists: reader.lists, macros: reader.macros, rules: reader.rules, tooNew: reader.tooNew, diagnostics };
};
