import { basename } from 'node:path';
import {
  type Diagnostic,
  expandList,
  type Names,
  nearest,
  type OutputTemplate,
  type ParsedCondition,
  PRIORITIES,
  type Priority,
  type Problem,
  type ProblemCode,
  parseCondition,
  parseTemplate,
  type Rule,
  resolveCondition,
} from '../../rules/index.ts';
import { formatPath } from '../document.ts';
import { diagnostic, fromProblem, near } from '../messages.ts';
import type { LoadResult, Policy } from '../policy.ts';
import {
  type FalcoEntries,
  type FalcoMacro,
  type FalcoRule,
  type FalcoSource,
  readFalcoEntries,
} from './falco-entries.ts';
import { withExceptions } from './falco-exceptions.ts';

export type { FalcoSource } from './falco-entries.ts';

/** Problems of a file that is right, with an engine that isn't there yet. */
const NOT_YET: ReadonlySet<ProblemCode> = new Set(['unsupported-field', 'unknown-argument']);

/** Rules see every macro, wherever it is defined; macros see those before them. */
const RULE_VISIBILITY = Infinity;

/** What a rule needs and isn't there, each once: fields by their names, anything else as the problem says it. */
const reasonsOf = (errors: readonly Problem[]): readonly string[] => {
  const fields = errors.flatMap((error) => (error.code === 'unsupported-field' ? (error.field ?? []) : []));
  const others = errors.flatMap((error) => (error.code === 'unsupported-field' ? [] : error.message));
  const named = [...new Set(fields)].map((field) => `"${field}"`).join(', ');
  return [...(named === '' ? [] : [`It names what is not supported yet: ${named}.`]), ...new Set(others)];
};

type Report = (...found: readonly Diagnostic[]) => void;

/** `WARNING`, `Info`: Falco doesn't mind the case, and has a short name for informational. */
const priorityOf = (text: string): Priority | undefined => {
  const wanted = text.trim().toLowerCase();
  return PRIORITIES.find((priority) => priority === (wanted === 'info' ? 'informational' : wanted));
};

/** Each list with the lists it sees put in. The values are quoted, so that nothing is put in again later. */
const expandLists = ({ lists }: FalcoEntries, report: Report): ReadonlyMap<string, readonly string[]> => {
  const expanded = new Map<string, readonly string[]>();
  for (const list of lists.values()) {
    const sees = (name: string): boolean =>
      name !== list.name && (lists.get(name)?.index ?? Infinity) < list.visibility;
    const names = {
      list: (name: string) => (sees(name) ? lists.get(name)?.items.map((item) => item.value) : undefined),
      knownLists: () => [...lists.keys()].filter(sees),
    };
    const { values, problems } = expandList(
      list.items.map((item) => item.value),
      names,
      list.name,
    );
    for (const problem of problems) {
      const item = list.items[problem.item];
      const field = formatPath([...list.path, 'items', problem.item]);
      if (item !== undefined) report(fromProblem(problem, item.at(problem.span.start), field));
    }
    expanded.set(
      list.name,
      values.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`),
    );
  }
  return expanded;
};

/** A macro that is not seen since it is defined further down is told so. */
const laterMacro = (entries: FalcoEntries, user: FalcoMacro, problem: Problem, found: Diagnostic): Diagnostic => {
  const name = user.condition.value.slice(problem.span.start, problem.span.end);
  const later = problem.code === 'unknown-macro' ? entries.macros.get(name) : undefined;
  if (later === undefined || later.name === user.name) return found;
  const { file, line } = later.condition.at(0);
  const where = file === found.file ? `in line ${line}` : `in ${file}, line ${line}`;
  const { nearest: _nearest, ...rest } = found;
  const message = `The macro "${name}" is defined only after this one, ${where}; move it before.`;
  return { ...rest, expected: 'a macro that is defined before', message };
};

type NamesSeen = (visibility: number) => Names;

const isOwnError = (problem: Problem): boolean =>
  problem.severity === 'error' && problem.macro === undefined && !NOT_YET.has(problem.code);

/** The names that a definition sees, by its visibility; a macro's own mistakes are reported here, once. */
const namesSeen = (entries: FalcoEntries, report: Report): NamesSeen => {
  const lists = expandLists(entries, report);
  const parsed = new Map<string, ParsedCondition>();
  const seen: NamesSeen = (visibility) => {
    const sees = (name: string): boolean => (entries.macros.get(name)?.index ?? Infinity) < visibility;
    return {
      list: (name) => lists.get(name),
      knownLists: () => lists.keys(),
      macro: (name) => (sees(name) ? parsed.get(name) : undefined),
      knownMacros: () => [...entries.macros.keys()].filter(sees),
    };
  };
  const wrong: { macro: string; problem: Problem }[] = [];
  for (const macro of entries.macros.values()) {
    const { condition, problems } = parseCondition(macro.condition.value);
    parsed.set(macro.name, condition ?? { kind: 'error', span: { start: 0, end: 0 } });
    if (!macro.broken) wrong.push(...problems.map((problem) => ({ macro: macro.name, problem })));
  }
  for (const macro of entries.macros.values()) {
    const condition = parsed.get(macro.name);
    if (condition === undefined) continue;
    const { problems } = resolveCondition(condition, seen(macro.visibility), macro.name);
    wrong.push(...problems.map((problem) => ({ macro: macro.name, problem })));
    if (problems.some(({ code, macro: inner }) => inner === undefined && (code === 'too-large' || code === 'too-deep')))
      parsed.set(macro.name, { kind: 'error', span: { start: 0, end: 0 } });
  }
  for (const { macro: name, problem } of wrong) {
    const macro = entries.macros.get(name);
    if (macro === undefined || problem.macro !== undefined || NOT_YET.has(problem.code)) continue;
    const field = formatPath([...macro.path, 'condition']);
    const found = fromProblem(problem, macro.condition.at(problem.span.start), field);
    report(laterMacro(entries, macro, problem, found));
  }
  return seen;
};

/** Fields that an output names and that print as `<NA>`, with the place of the first and the number of rules. */
type Missing = Map<string, { readonly diagnostic: Diagnostic; readonly rules: Set<string> }>;

const readOutput = (rule: FalcoRule, missing: Missing, report: Report): OutputTemplate | undefined => {
  const { template, problems } = parseTemplate(rule.output.value);
  const path = formatPath([...rule.path, 'output']);
  let sound = true;
  for (const problem of problems) {
    const found = fromProblem(problem, rule.output.at(problem.span.start), path);
    if (problem.code === 'unavailable-field' && problem.field !== undefined) {
      const entry = missing.get(problem.field) ?? { diagnostic: found, rules: new Set() };
      missing.set(problem.field, entry);
      entry.rules.add(rule.name);
      continue;
    }
    if (problem.severity === 'error') sound = false;
    report(found);
  }
  return sound ? template : undefined;
};

const compileRule = (
  rule: FalcoRule,
  names: Names,
  policy: string,
  missing: Missing,
  report: Report,
): Rule | undefined => {
  const path = formatPath([...rule.path, 'condition']);
  const text = withExceptions(rule.condition, rule.exceptions);
  const parsed = parseCondition(text.value);
  const resolved = parsed.condition === undefined ? undefined : resolveCondition(parsed.condition, names);
  const problems = [...parsed.problems, ...(resolved?.problems ?? [])];
  const errors = problems.filter((problem) => problem.severity === 'error');
  const isTold = (problem: Problem): boolean =>
    isOwnError(problem) && !(rule.skipUnknown && problem.code === 'unknown-field');
  for (const problem of problems) {
    const told = problem.severity === 'warning' ? problem.macro === undefined : isTold(problem);
    if (told) report(fromProblem(problem, text.at(problem.span.start), path));
  }
  const [first] = errors;
  if (first !== undefined && !errors.some(isTold)) {
    const reasons = reasonsOf(errors);
    report(diagnostic('rule-left-out', text.at(first.span.start), path, { rule: rule.name, reasons }));
  }
  const priority = priorityOf(rule.priority.value);
  if (priority === undefined) {
    const wanted = rule.priority.value.trim();
    const detail = {
      priority: wanted,
      expected: `one of ${PRIORITIES.join(', ')}`,
      ...near(nearest(wanted, PRIORITIES)),
    };
    report(diagnostic('unknown-priority', rule.priority.at(0), formatPath([...rule.path, 'priority']), detail));
  }
  const output = readOutput(rule, missing, report);
  const condition = errors.length > 0 ? undefined : resolved?.condition;
  if (condition === undefined || rule.broken) return undefined;
  if (priority === undefined || output === undefined) return undefined;
  return {
    name: rule.name,
    policy,
    description: rule.description,
    condition,
    conditionText: text.value,
    on: [],
    priority,
    output,
    tags: rule.tags,
    action: 'alert',
    mode: 'monitor',
    scope: {},
    ...(rule.anyEvent && { anyEvent: true }),
    position: rule.position,
    conditionAt: (span) => text.at(span.start),
  };
};

/** The policy's name: the file's, without folders and ending. */
const policyName = (file: string): string => basename(file).replace(/\.ya?ml$/, '');

/**
 * Reads Falco rules files as one set, as Falco does: later files may change what earlier ones define. Each file is a policy with
 * the rules that were first defined in it. A rule that needs what isn't supported yet is left out with a warning.
 */
export const readFalco = (sources: readonly FalcoSource[]): Omit<LoadResult, 'ignores'> => {
  const certain: Diagnostic[] = [];
  const documents = new Map<string, FalcoSource[]>();
  for (const source of sources) {
    const { file } = source.document;
    documents.set(file, [...(documents.get(file) ?? []), source]);
  }
  const report: Report = (...found) =>
    void certain.push(
      ...found.filter((one) => (documents.get(one.file) ?? []).every(({ document }) => document.isCertain(one))),
    );
  const entries = readFalcoEntries(sources);
  report(...entries.diagnostics);
  const seen = namesSeen(entries, report);
  const missing: Missing = new Map();
  const rules = new Map<string, Rule[]>();
  for (const rule of entries.rules.values()) {
    const { file } = rule.source.document;
    if (rule.eventSource !== 'syscall') {
      const path = formatPath([...rule.path, 'source']);
      const detail = { rule: rule.name, source: rule.eventSource };
      report(diagnostic('other-source', rule.position, path, detail));
      continue;
    }
    const made = compileRule(rule, seen(RULE_VISIBILITY), policyName(file), missing, report);
    if (made !== undefined && rule.enabled) rules.set(file, [...(rules.get(file) ?? []), made]);
  }
  for (const [field, { diagnostic: found, rules: users }] of missing) {
    report(diagnostic('prints-nothing', found, found.field, { field, rules: users.size }));
  }
  const policies = [...documents].flatMap(([file, all]): Policy[] => {
    const [first] = all;
    if (first === undefined || entries.tooNew.has(file) || !all.every(({ document }) => document.sound)) return [];
    const name = policyName(file);
    const { hash } = first;
    const common = { name, description: '', format: 'falco', mode: 'monitor', scope: {}, tests: [] } as const;
    return [{ ...common, file, hash, rules: rules.get(file) ?? [] }];
  });
  return { policies, diagnostics: certain };
};
