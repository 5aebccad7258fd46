import type { Diagnostic, Position, Problem, ProblemCode } from '../rules/index.ts';

/** What a kind of mistake needs to know to be put in words. */
interface Details {
  readonly 'file-not-found': { readonly path: string };
  readonly 'file-unreadable': { readonly path: string; readonly reason: string };
  readonly 'no-policies': { readonly path: string };
  readonly 'file-too-large': { readonly bytes: number; readonly limit: number; readonly noun: string };
  readonly 'not-utf8': Record<never, never>;
  readonly 'nul-byte': Record<never, never>;
  readonly 'nested-too-deeply': { readonly limit: number; readonly noun: string };
  readonly 'yaml-syntax': { readonly reason: string };
  readonly 'alias-not-allowed': { readonly alias: string; readonly noun: string; readonly insteadOfAlias: string };
  readonly 'empty-file': { readonly expected: string };
  readonly 'not-a-policy': { readonly found: string; readonly expected: string };
  readonly 'unknown-key': {
    readonly key: string;
    readonly where: string;
    readonly expected: string;
    readonly nearest?: string;
  };
  readonly 'missing-key': { readonly key: string; readonly where: string; readonly expected: string };
  readonly 'wrong-type': { readonly where: string; readonly found: string; readonly expected: string };
  readonly 'wrong-value': {
    readonly where: string;
    readonly found: string;
    readonly expected: string;
    readonly nearest?: string;
  };
  readonly 'unknown-priority': { readonly priority: string; readonly expected: string; readonly nearest?: string };
  readonly 'unknown-event': { readonly event: string; readonly expected: string; readonly nearest?: string };
  readonly 'duplicate-rule': { readonly rule: string; readonly line: number; readonly expected: string };
  readonly 'duplicate-policy': { readonly policy: string; readonly file: string; readonly line: number };
  readonly 'unknown-rule': {
    readonly test: string;
    readonly rule: string;
    readonly expected: string;
    readonly nearest?: string;
  };
  readonly 'unused-list': { readonly list: string };
  readonly 'unused-macro': { readonly macro: string };
  readonly 'unused-ignore': { readonly reason: string; readonly nearest?: string };
  readonly 'scope-is-everything': { readonly policy: string; readonly expected: string };
  readonly 'version-too-new': { readonly version: string; readonly supported: string; readonly expected: string };
  readonly 'plugin-not-there': { readonly plugin: string; readonly alternatives: readonly string[] };
  readonly 'no-effect': { readonly key: string; readonly reason: string };
  readonly 'bad-override': { readonly reason: string; readonly expected: string };
  readonly 'deprecated-append': { readonly expected: string };
  readonly 'duplicate-exception': { readonly rule: string; readonly exception: string; readonly line: number };
  readonly 'scope-missing': { readonly policy: string; readonly expected: string };
  readonly 'rule-left-out': { readonly rule: string; readonly reasons: readonly string[] };
  readonly 'other-source': { readonly rule: string; readonly source: string };
  readonly 'nothing-to-append-to': { readonly kind: string; readonly name: string; readonly nearest?: string };
  readonly 'bad-exception': { readonly rule: string; readonly exception: string; readonly reason: string };
  readonly 'beside-sequence': { readonly rule: string; readonly key: string; readonly reason: string };
  readonly 'prints-nothing': { readonly field: string; readonly rules: number };
}

const meant = (nearest: string | undefined): string => (nearest === undefined ? '.' : `; did you mean "${nearest}"?`);
const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

// biome-ignore format: one message a line or two reads as a table
const WORDS: { readonly [Code in keyof Details]: (detail: Details[Code]) => string } = {
  'file-not-found': ({ path }) => `There is no file or folder "${path}".`,
  'file-unreadable': ({ path, reason }) => `"${path}" could not be read: ${reason}.`,
  'no-policies': ({ path }) => `The folder "${path}" has no .yaml or .yml file.`,
  'file-too-large': ({ bytes, limit, noun }) => `The file has ${bytes} bytes; a ${noun} file may have ${limit}. Split it into several files.`,
  'not-utf8': () => 'The file is not UTF-8 from here on; save it as UTF-8.',
  'nul-byte': () => 'There is a NUL byte here, so that this is no text file; remove it, or write "\\0" in double quotes.',
  'nested-too-deeply': ({ limit, noun }) => `This is nested more than ${limit} levels deep; no ${noun} needs that.`,
  'yaml-syntax': ({ reason }) => `This is not valid YAML: ${reason}.`,
  'alias-not-allowed': ({ alias, noun, insteadOfAlias }) => `The YAML alias "*${alias}" is not allowed in a ${noun}; ${insteadOfAlias}.`,
  'empty-file': ({ expected }) => `There is nothing in this file; expected ${expected}.`,
  'not-a-policy': ({ found, expected }) => `Expected ${expected}, but found ${found}.`,
  'unknown-key': ({ key, where, nearest }) => `${where} has no key "${key}"${meant(nearest)}`,
  'missing-key': ({ key, where, expected }) => `${where} lacks the key "${key}"; expected ${expected}.`,
  'wrong-type': ({ where, found, expected }) => `${where} is ${found}; expected ${expected}.`,
  'wrong-value': ({ where, found, expected, nearest }) => `${where} is ${found}; expected ${expected}${meant(nearest)}`,
  'unknown-priority': ({ priority, expected, nearest }) => `"${priority}" is not a priority; expected ${expected}${meant(nearest)}`,
  'unknown-event': ({ event, nearest }) => `There is no event type "${event}"${meant(nearest)}`,
  'duplicate-rule': ({ rule, line }) => `The rule "${rule}" is already defined in line ${line}; give one of them another name.`,
  'duplicate-policy': ({ policy, file, line }) => `The policy "${policy}" is already defined in ${file}, line ${line}; give one of them another name.`,
  'unknown-rule': ({ test, rule, nearest }) => `The test "${test}" expects the rule "${rule}", which this policy does not have${meant(nearest)}`,
  'unused-list': ({ list }) => `Nothing uses the list "${list}"; remove it, or name it in a rule.`,
  'unused-macro': ({ macro }) => `Nothing uses the macro "${macro}"; remove it, or name it in a rule.`,
  'unused-ignore': ({ reason }) => reason,
  'scope-is-everything': ({ policy, expected }) => `The policy "${policy}" enforces in the root cgroup, which is every process of the host; expected ${expected}.`,
  'version-too-new': ({ version, supported }) => `These rules require Falco's engine ${version}; ${supported} is the newest that is understood here.`,
  'plugin-not-there': ({ plugin, alternatives }) => `The plugin "${plugin}" has no counterpart here${alternatives.length === 0 ? '' : `, nor have its alternatives ${alternatives.map((name) => `"${name}"`).join(', ')}`}; rules that need its events are left out.`,
  'no-effect': ({ key, reason }) => `"${key}" has no effect here: ${reason}.`,
  'bad-override': ({ reason }) => reason,
  'deprecated-append': ({ expected }) => `"append" is deprecated by Falco; write ${expected}.`,
  'duplicate-exception': ({ rule, exception, line }) => `The exception "${exception}" of the rule "${rule}" is already defined in line ${line}; give one of them another name.`,
  'scope-missing': ({ policy, expected }) => `The policy "${policy}" has mode enforce but no scope, so it would act on every process; expected ${expected}.`,
  'rule-left-out': ({ rule, reasons }) => `The rule "${rule}" is left out. ${reasons.join(' ')}`,
  'other-source': ({ rule, source }) => `The rule "${rule}" is left out: its source is "${source}", and only syscall events are seen here.`,
  'nothing-to-append-to': ({ kind, name, nearest }) => `There is no ${kind} "${name}" before this one that it could change${meant(nearest)}`,
  'bad-exception': ({ rule, exception, reason }) => `The exception "${exception}" of the rule "${rule}" ${reason}.`,
  'beside-sequence': ({ rule, key, reason }) => `The rule "${rule}" has a sequence, so that it can't have the key "${key}" too; ${reason}.`,
  'prints-nothing': ({ field, rules }) => `The field "${field}" is known to Falco but not supported yet; ${plural(rules, 'rule')} will print it as <NA>.`,
};

const WARNINGS: ReadonlySet<keyof Details> = new Set([
  'no-policies',
  'rule-left-out',
  'other-source',
  'unused-list',
  'unused-macro',
  'unused-ignore',
  'scope-is-everything',
  'plugin-not-there',
  'no-effect',
  'deprecated-append',
  'prints-nothing',
]);

const textOf = (detail: object, key: string): string | undefined => {
  const value: unknown = (detail as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'string' ? value : undefined;
};

/**
 * What makes diagnostics of the kinds that `words` has a text for; `field` is a path such as `spec.rules[2].priority`. What a
 * detail says under `expected` and `nearest` goes into the diagnostic too.
 */
export const diagnosticsOf =
  <AllDetails extends object>(
    words: { readonly [Code in keyof AllDetails]: (detail: AllDetails[Code]) => string },
    warnings: ReadonlySet<keyof AllDetails> = new Set(),
  ) =>
  <Code extends keyof AllDetails & string>(
    code: Code,
    position: Position,
    field: string | undefined,
    detail: AllDetails[Code] & object,
    severity: Diagnostic['severity'] = warnings.has(code) ? 'warning' : 'error',
  ): Diagnostic => {
    const expected = textOf(detail, 'expected');
    const nearest = textOf(detail, 'nearest');
    return Object.freeze({
      severity,
      code,
      file: position.file,
      line: position.line,
      column: position.column,
      ...(field === undefined || field === '' ? {} : { field }),
      ...(expected === undefined ? {} : { expected }),
      ...(nearest === undefined ? {} : { nearest }),
      message: words[code](detail),
    });
  };

/** Makes a diagnostic of a policy and its words. */
export const diagnostic = diagnosticsOf<Details>(WORDS, WARNINGS);

/** What the language's problems expect where their words don't name it apart. */
const EXPECTED: { readonly [Code in ProblemCode]?: string } = {
  'unknown-field': "a field's name",
  'unknown-operator': 'an operator',
  'unknown-macro': "a macro's name",
  'unknown-list': "a list's name",
  'unknown-event': "an event type's name",
  'unknown-argument': "an argument's name",
  'unknown-transformer': "a transformer's name",
  'unclosed-parenthesis': 'a ")"',
  'unopened-parenthesis': 'no ")"',
  'unclosed-quote': 'a quote at the end',
  'missing-operator': 'an operator such as = or in',
  'bad-number': 'a decimal or 0x number',
  'bad-boolean': 'true or false',
  'bad-address': 'an IPv4 or IPv6 address',
};

/** A problem of a condition, list or template, at its place in a file; `field` is the path of the text it is in. */
export const fromProblem = (problem: Problem, position: Position, field: string): Diagnostic => {
  const expected = problem.expected ?? EXPECTED[problem.code];
  return Object.freeze({
    severity: problem.severity,
    code: problem.code,
    file: position.file,
    line: position.line,
    column: position.column,
    field,
    ...(expected === undefined ? {} : { expected }),
    ...(problem.nearest === undefined ? {} : { nearest: problem.nearest }),
    message: problem.message,
  });
};

/** Spreads an optional nearest name: `{}` where there is none. */
export const near = (nearest: string | undefined): { readonly nearest?: string } =>
  nearest === undefined ? {} : { nearest };

/** Causes that the YAML reader names in its own jargon, in ours. */
const YAML_REASONS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands twice in the same mapping',
  TAB_AS_INDENT: 'lines are indented with blanks, not with tabs',
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping starts in the middle of a line; put quotes around a text with ": " in it, or check the indentation',
  MULTILINE_IMPLICIT_KEY: 'a key has to be on one line; check the indentation and the quotes before it',
};

/** A problem of the YAML reader; `code` and `reason` are the reader's. */
export const yamlProblem = (position: Position, code: string, reason: string): Diagnostic => {
  const quote = /^Missing closing (['"])quote$/.exec(reason)?.[1];
  if (quote !== undefined) {
    return diagnostic('yaml-syntax', position, undefined, { reason: `a text in ${quote} is never closed` });
  }
  const unclosed = /^Flow (map|sequence) in block collection must be/.exec(reason)?.[1];
  if (unclosed !== undefined) {
    const [open, close] = unclosed === 'map' ? ['{', '}'] : ['[', ']'];
    const own = `a "${open}" above is not closed; add a "${close}", or indent the lines up to it`;
    return diagnostic('yaml-syntax', position, undefined, { reason: own });
  }
  if (reason.startsWith('Implicit map keys need to be followed by map values'))
    return diagnostic('yaml-syntax', position, undefined, { reason: 'a key stands here without ":" and a value' });
  const own = `${reason.charAt(0).toLowerCase()}${reason.slice(1)}`;
  return diagnostic('yaml-syntax', position, undefined, { reason: YAML_REASONS[code] ?? own.replace(/\.$/, '') });
};
