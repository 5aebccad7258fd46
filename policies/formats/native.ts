import { dirname, isAbsolute, join } from 'node:path';
import {
  type Diagnostic,
  EVENT_TYPES,
  expandList,
  isNarrow,
  type Names,
  nearest,
  type ParsedCondition,
  type Position,
  parseCondition,
  parseTemplate,
  type Rule,
  resolveCondition,
  type Scope,
} from '../../rules/index.ts';
import { formatPath, type Path, placesBelow, type SourceDocument } from '../document.ts';
import { ExpectedEnforcementSchema, expectedEnforcement } from '../expected-enforcement.ts';
import { diagnostic, fromProblem, near } from '../messages.ts';
import type { Policy, PolicyTest } from '../policy.ts';
import { type PolicyDocument, PolicySchema } from '../schema.ts';
import { type Draft, describe, salvage, schemaDiagnostics } from '../schema-issues.ts';
import type { SourceText } from '../source-text.ts';
import { readAggregates } from './native-aggregate.ts';
import { checkTogether, readSequence, readThreshold } from './native-correlation.ts';
import { readLimit, readScope } from './native-scope.ts';

/** What reading one native document came to; the policy is there when no diagnostic is an error. */
export interface NativeResult {
  readonly policy: Policy | undefined;
  /** Where the policy's name stands. */
  readonly namePosition: Position;
  readonly diagnostics: readonly Diagnostic[];
}

type DraftSpec = NonNullable<Draft<PolicyDocument>['spec']>;
type DraftScenario = NonNullable<NonNullable<DraftSpec['tests']>[number]>['scenario'];
type DraftRule = NonNullable<NonNullable<DraftSpec['rules']>[number]>;

/** Stands for a macro that could not be read; what was wrong is told at the macro. */
const BROKEN: ParsedCondition = Object.freeze({ kind: 'error', span: { start: 0, end: 0 } });
const EMPTY: SourceText = { value: '', at: () => ({ file: '', line: 1, column: 1 }) };

/** The lists and macros of a document, by name; what is wrong with a macro is reported once, here. */
const readNames = (
  spec: DraftSpec,
  document: SourceDocument,
  report: (...found: readonly Diagnostic[]) => void,
): { readonly names: Names; readonly unused: () => readonly Diagnostic[] } => {
  const lists = new Map<string, readonly SourceText[]>();
  for (const [name, items] of Object.entries(spec.lists ?? {})) {
    const values = Array.isArray(items) ? items : [];
    lists.set(
      name,
      values.map((_, index) => document.textAt(['spec', 'lists', name, index]) ?? EMPTY),
    );
  }
  const macros = new Map<string, ParsedCondition>();
  const texts = new Map<string, SourceText>();
  for (const name of Object.keys(spec.macros ?? {})) {
    const path: Path = ['spec', 'macros', name];
    const text = document.textAt(path) ?? EMPTY;
    const { condition, problems } = parseCondition(text.value);
    texts.set(name, text);
    report(...problems.map((problem) => fromProblem(problem, text.at(problem.span.start), formatPath(path))));
    macros.set(name, condition ?? BROKEN);
  }
  const names: Names = {
    list: (name) => lists.get(name)?.map((item) => item.value),
    macro: (name) => macros.get(name),
    knownLists: () => [...lists.keys()],
    knownMacros: () => [...texts.keys()],
  };
  for (const [name, items] of lists) {
    for (const problem of expandList(
      items.map((item) => item.value),
      names,
      name,
    ).problems) {
      const position = (items[problem.item] ?? EMPTY).at(problem.span.start);
      report(fromProblem(problem, position, formatPath(['spec', 'lists', name, problem.item])));
    }
  }
  for (const [name, macro] of macros) {
    const text = texts.get(name) ?? EMPTY;
    const { problems } = resolveCondition(macro, names, name);
    const own = problems.filter((problem) => problem.macro === undefined);
    const field = formatPath(['spec', 'macros', name]);
    report(...own.map((problem) => fromProblem(problem, text.at(problem.span.start), field)));
    if (own.some(({ code }) => code === 'too-large' || code === 'too-deep')) macros.set(name, BROKEN);
  }
  const used = new Set<object>();
  const seen: Names = {
    ...names,
    list: (name) => {
      const list = lists.get(name);
      if (list !== undefined) used.add(list);
      return list?.map((item) => item.value);
    },
    macro: (name) => {
      const macro = macros.get(name);
      if (macro !== undefined) used.add(macro);
      return macro;
    },
  };
  const unused = (): readonly Diagnostic[] => [
    ...[...lists].flatMap(([list, items]) =>
      used.has(items) ? [] : [unusedName('unused-list', document, ['spec', 'lists', list], { list })],
    ),
    ...[...macros].flatMap(([macro, condition]) =>
      used.has(condition) ? [] : [unusedName('unused-macro', document, ['spec', 'macros', macro], { macro })],
    ),
  ];
  return { names: seen, unused };
};

const unusedName = (
  code: 'unused-list' | 'unused-macro',
  document: SourceDocument,
  path: Path,
  detail: { readonly list: string } | { readonly macro: string },
): Diagnostic => diagnostic(code, document.keyAt(path), formatPath(path), { list: '', macro: '', ...detail });

/** The rule names of a document, each with the line of its first definition. */
const readRuleNames = (
  rules: DraftSpec['rules'],
  document: SourceDocument,
  report: (...found: readonly Diagnostic[]) => void,
): ReadonlyMap<string, number> => {
  const lines = new Map<string, number>();
  for (const [index, rule] of (rules ?? []).entries()) {
    const path: Path = ['spec', 'rules', index, 'rule'];
    if (rule?.rule === undefined) continue;
    const position = document.valueAt(path);
    const line = lines.get(rule.rule);
    if (line === undefined) lines.set(rule.rule, position.line);
    else
      report(
        diagnostic('duplicate-rule', position, formatPath(path), { rule: rule.rule, line, expected: 'another name' }),
      );
  }
  return lines;
};

/** Where a condition and its event types are written. */
interface Matcher {
  readonly on?: readonly (string | undefined)[] | undefined;
  readonly condition?: string | undefined;
}

/** Checks a condition and its event types. */
const readMatcher = (
  draft: Matcher,
  path: Path,
  document: SourceDocument,
  names: Names,
  report: (...found: readonly Diagnostic[]) => void,
): Pick<Rule, 'condition' | 'conditionText' | 'on' | 'conditionAt' | 'position'> | undefined => {
  const place = (key: string): Path => [...path, key];
  for (const [index, event] of (draft.on ?? []).entries()) {
    if (event === undefined || EVENT_TYPES.has(event)) continue;
    const at: Path = [...place('on'), index];
    const detail = { event, expected: 'the name of a system call', ...near(nearest(event, EVENT_TYPES.keys())) };
    report(diagnostic('unknown-event', document.valueAt(at), formatPath(at), detail));
  }
  const text = draft.condition === undefined ? undefined : document.textAt(place('condition'));
  const parsed = text === undefined ? undefined : parseCondition(text.value);
  const resolved = parsed?.condition === undefined ? undefined : resolveCondition(parsed.condition, names);
  for (const problem of [...(parsed?.problems ?? []), ...(resolved?.problems ?? [])]) {
    if (problem.macro !== undefined) continue;
    report(fromProblem(problem, (text ?? EMPTY).at(problem.span.start), formatPath(place('condition'))));
  }
  if (text === undefined || resolved?.condition === undefined) return undefined;
  return {
    condition: resolved.condition,
    conditionText: text.value,
    on: (draft.on ?? []).filter((event) => event !== undefined),
    position: document.valueAt(path),
    conditionAt: (span) => text.at(span.start),
  };
};

/** Checks one rule and makes it, without what it gets from its policy: several with one name, where it is a sequence. */
const readRule = (
  draft: DraftRule,
  path: Path,
  document: SourceDocument,
  names: Names,
  report: (...found: readonly Diagnostic[]) => void,
): readonly Omit<Rule, 'policy' | 'mode' | 'scope'>[] => {
  checkTogether(draft, path, document, report);
  const threshold = readThreshold(draft, path, document, report);
  const sequence = readSequence(draft, path, document, report);
  const matchers =
    sequence === undefined
      ? [{ at: readMatcher(draft, path, document, names, report), correlation: threshold }]
      : (draft.sequence?.steps ?? []).map((step, index) => ({
          at: step && readMatcher(step, [...path, 'sequence', 'steps', index], document, names, report),
          correlation: { ...sequence, step: index + 1 },
        }));
  const output = draft.output === undefined ? undefined : document.textAt([...path, 'output']);
  const template = output === undefined ? undefined : parseTemplate(output.value, sequence?.steps);
  for (const problem of template?.problems ?? []) {
    report(fromProblem(problem, (output ?? EMPTY).at(problem.span.start), formatPath([...path, 'output'])));
  }
  if (template === undefined) return [];
  return matchers.flatMap(({ at, correlation }) =>
    at === undefined
      ? []
      : {
          name: draft.rule ?? '',
          description: draft.desc ?? '',
          ...at,
          priority: draft.priority ?? 'notice',
          output: template.template,
          tags: (draft.tags ?? []).filter((tag) => tag !== undefined),
          action: draft.action === 'kill-tree' ? 'kill' : (draft.action ?? 'alert'),
          ...(draft.action === 'kill-tree' && { tree: true as const }),
          ...(correlation !== undefined && { correlation }),
        },
  );
};

/** What a test plays; a recording lies beside the policy unless its path says otherwise. */
const scenarioOf = (draft: DraftScenario, document: SourceDocument, path: Path): PolicyTest['scenario'] => {
  if (draft?.name !== undefined) return { name: draft.name };
  if (draft?.recording !== undefined)
    return { recording: isAbsolute(draft.recording) ? draft.recording : join(dirname(document.file), draft.recording) };
  return { inline: draft?.inline, places: placesBelow(document, [...path, 'scenario', 'inline']) };
};

/** Checks what the tests expect, and makes them. */
const readTests = (
  spec: DraftSpec,
  policy: { readonly name: string; readonly scope: Scope },
  document: SourceDocument,
  rules: ReadonlyMap<string, number>,
  report: (...found: readonly Diagnostic[]) => void,
): readonly PolicyTest[] =>
  (spec.tests ?? []).flatMap((draft, index) => {
    const path: Path = ['spec', 'tests', index];
    if (draft === undefined) return [];
    const name = draft.name ?? String(index + 1);
    const enforced = draft.enforced && ExpectedEnforcementSchema.safeParse(draft.enforced);
    for (const [at, rule] of (draft.expect ?? []).entries()) {
      if (rule === undefined || rules.has(rule)) continue;
      const place: Path = [...path, 'expect', at];
      const expected = `one of ${[...rules.keys()].map((known) => `"${known}"`).join(', ')}`;
      const detail = { test: name, rule, expected, ...near(nearest(rule, rules.keys())) };
      report(diagnostic('unknown-rule', document.valueAt(place), formatPath(place), detail));
    }
    return {
      name,
      policy: policy.name,
      scope: policy.scope,
      scenario: scenarioOf(draft.scenario, document, path),
      expect: (draft.expect ?? []).filter((rule) => rule !== undefined),
      enforce: draft.enforce ?? false,
      ...(enforced?.success === true && { enforced: expectedEnforcement(enforced.data) }),
      position: document.valueAt(path),
    };
  });

/** Reads one native policy document (apiVersion shrike/v1); `hash` is that of the file's bytes. */
export const readNative = (document: SourceDocument, hash: string): NativeResult => {
  const namePosition = document.valueAt(['metadata', 'name']);
  const diagnostics: Diagnostic[] = [];
  const report = (...found: readonly Diagnostic[]): void => void diagnostics.push(...found);
  const { data } = document;
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    const expected = 'a policy: a mapping with apiVersion, kind, metadata and spec';
    report(diagnostic('not-a-policy', document.valueAt([]), undefined, { found: describe(data), expected }));
    return { policy: undefined, namePosition, diagnostics };
  }
  const checked = PolicySchema.safeParse(data);
  const draft: Draft<PolicyDocument> = checked.success ? checked.data : salvage(data, checked.error.issues);
  if (!checked.success) {
    report(
      ...schemaDiagnostics(checked.error.issues, { document, schema: PolicySchema, base: [], unknownKeys: 'error' }),
    );
  }
  const spec = draft.spec ?? {};
  const policy = draft.metadata?.name ?? '';
  const mode = spec.mode ?? 'monitor';
  const scope = readScope(spec.scope, document, report);
  if (mode === 'enforce' && !isNarrow(scope) && !(document.has(['spec', 'scope']) && !checked.success)) {
    const expected = 'a scope such as {cgroup: /system.slice}';
    const path: Path = document.has(['spec', 'scope']) ? ['spec', 'scope'] : ['spec', 'mode'];
    report(diagnostic('scope-missing', document.valueAt(path), 'spec.scope', { policy, expected }));
  }
  const { names, unused } = readNames(spec, document, report);
  const ruleNames = readRuleNames(spec.rules, document, report);
  const aggregateOf = readAggregates(spec.aggregate, document, report);
  const rules = (spec.rules ?? []).flatMap((rule, index) => {
    const made = rule === undefined ? [] : readRule(rule, ['spec', 'rules', index], document, names, report);
    const limit = readLimit(rule?.limits ?? spec.limits);
    const [first] = made;
    const aggregate = first && aggregateOf(first, rule?.aggregate, ['spec', 'rules', index, 'aggregate']);
    if (rule?.enabled === false) return [];
    return made.map((each) => ({
      ...each,
      policy,
      mode,
      scope,
      ...(limit && { limit }),
      ...(aggregate && { aggregate }),
    }));
  });
  const tests = readTests(spec, { name: policy, scope }, document, ruleNames, report);
  const wrong = diagnostics.some((found) => found.severity === 'error');
  if (!wrong && document.sound) report(...unused());
  if (
    mode === 'enforce' &&
    Object.keys(scope).every((key) => key === 'cgroup' || key === 'position') &&
    scope.cgroup === '/'
  ) {
    const path: Path = ['spec', 'scope', 'cgroup'];
    const detail = { policy, expected: 'a cgroup such as /system.slice' };
    report(diagnostic('scope-is-everything', document.valueAt(path), formatPath(path), detail));
  }
  const { description = '' } = draft.metadata ?? {};
  return {
    policy: wrong
      ? undefined
      : { name: policy, description, format: 'shrike', file: document.file, hash, mode, scope, rules, tests },
    namePosition,
    diagnostics,
  };
};
