import { describe, formatPath, near, type Path, type SourcePlaces } from '../../../policies/index.ts';
import { type Abi, type Diagnostic, EVENT_TYPES, nearest, requestTypeOf } from '../../../rules/index.ts';
import type { Via } from '../sim-host.ts';
import { type AgentState, checkAgentStep } from './agent-state.ts';
import { buildAction } from './build-action.ts';
import {
  ACCEPT_MEMBERS,
  AGENT_MEMBERS,
  CALLS,
  EXEC_MEMBERS,
  FORKS,
  type Member,
  membersOf,
  OWN_WORDS,
  SWITCH_MEMBERS,
  WAIT_MEMBERS,
} from './forms.ts';
import { KINDS, type Kind } from './kinds.ts';
import type { KnownNames } from './known-names.ts';
import { scenarioDiagnostic } from './messages.ts';
import type { Round, Step, StepArgument } from './scenario.ts';
import { ERRNO_CHOICES, parseExpectation } from './values.ts';

/** A key of a step, wherever in it it was written. */
interface Given {
  readonly value: unknown;
  readonly path: Path;
}

/** What the reader of a step needs beside the step. */
export interface StepContext {
  readonly places: SourcePlaces;
  readonly names: KnownNames;
  readonly agent: AgentState;
  report(found: Diagnostic): void;
}

const WORDS: ReadonlySet<string> = new Set([...OWN_WORDS, ...CALLS]);

/** Keys that every step may have, whatever it does; expect_errno is another name of expect. */
const MODIFIERS = ['by', 'as', 'abi', 'via', 'expect', 'expect_errno', 'id', 'note'];

const EXAMPLE = 'a call such as exec, openat or connect';

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const formOf = (call: string): readonly Member[] => {
  if (call === 'exec') return EXEC_MEMBERS;
  if (call === 'wait') return WAIT_MEMBERS;
  if (call === 'enforcement') return SWITCH_MEMBERS;
  if (call === 'agent') return AGENT_MEMBERS;
  return call === 'accept' || call === 'accept4' ? ACCEPT_MEMBERS : membersOf(call);
};

/** The word of a step that says what happens. */
const callOf = (step: Readonly<Record<string, unknown>>, path: Path, context: StepContext): string | undefined => {
  const { places, report } = context;
  const keys = Object.keys(step);
  const calls = keys.filter((key) => WORDS.has(key));
  const [call] = calls;
  if (calls.length === 1) return call;
  const where = formatPath(path);
  if (calls.length > 1) {
    const at = [...path, calls[1] ?? ''];
    report(scenarioDiagnostic('several-calls', places.keyAt(at), where, { where, calls, expected: 'one call a step' }));
    return undefined;
  }
  const odd = keys.find((key) => !MODIFIERS.includes(key));
  if (odd === undefined) {
    report(scenarioDiagnostic('no-call', places.valueAt(path), where, { where, expected: EXAMPLE }));
    return undefined;
  }
  const at = [...path, odd];
  const detail = { call: odd, expected: EXAMPLE, ...near(nearest(odd, WORDS)) };
  report(scenarioDiagnostic('unknown-call', places.keyAt(at), formatPath(at), detail));
  return undefined;
};

/** Gives a list's items to a call's members in their order; a directory's descriptor only where it is written as one. */
const spread = (
  items: readonly unknown[],
  members: readonly Member[],
  path: Path,
  context: StepContext,
): readonly (readonly [string, Given])[] => {
  const given: [string, Given][] = [];
  let at = 0;
  for (const { key, kind } of members) {
    if (at >= items.length) break;
    const value = items[at];
    if (kind === 'dirfd' && typeof value !== 'number' && value !== 'AT_FDCWD') continue;
    given.push([key, { value, path: [...path, at] }]);
    at++;
  }
  if (at < items.length) {
    const where = formatPath(path);
    const expected = `at most ${members.length}: ${members.map(({ key }) => key).join(', ')}`;
    const detail = { where, found: items.length, expected };
    context.report(scenarioDiagnostic('too-many-arguments', context.places.valueAt([...path, at]), where, detail));
  }
  return given;
};

/** What a call's own value gives, by key. */
const givenByValue = (
  call: string,
  value: unknown,
  path: Path,
  context: StepContext,
): readonly (readonly [string, Given])[] => {
  const members = formOf(call);
  if (value === null || value === undefined) return [];
  if (isMapping(value))
    return Object.entries(value).map(([key, inner]) => [key, { value: inner, path: [...path, key] }]);
  if (call === 'exec') return [['argv', { value: Array.isArray(value) ? value : [value], path }]];
  if (FORKS.has(call) && !Array.isArray(value)) return [['as', { value, path }]];
  const [first] = members.filter(({ kind }) => kind !== 'dirfd');
  if (Array.isArray(value)) {
    return first?.kind === 'texts' ? [[first.key, { value, path }]] : spread(value, members, path, context);
  }
  if (first !== undefined) return [[first.key, { value, path }]];
  const where = formatPath(path);
  const detail = { where, found: describe(value), expected: 'nothing: it has no arguments' };
  context.report(scenarioDiagnostic('wrong-value', context.places.valueAt(path), where, detail));
  return [];
};

/** Everything a step says beside its call, by key. */
const collect = (
  step: Readonly<Record<string, unknown>>,
  call: string,
  path: Path,
  context: StepContext,
): ReadonlyMap<string, Given> => {
  const { places, report } = context;
  const inside = givenByValue(call, step[call], [...path, call], context);
  const beside = Object.entries(step)
    .filter(([key]) => key !== call)
    .map(([key, value]): [string, Given] => [key, { value, path: [...path, key] }]);
  const known = [...formOf(call).map(({ key }) => key), ...MODIFIERS];
  const found = new Map<string, Given>();
  for (const [key, given] of [...inside, ...beside]) {
    const where = formatPath(given.path.slice(0, -1));
    const position = places.keyAt(given.path);
    if (!known.includes(key)) {
      const detail = { key, where, expected: `one of ${known.join(', ')}`, ...near(nearest(key, known)) };
      report(scenarioDiagnostic('unknown-key', position, formatPath(given.path), detail));
    } else if (found.has(key)) {
      report(scenarioDiagnostic('key-twice', position, formatPath(given.path), { key, where, expected: 'it once' }));
    } else {
      found.set(key, given);
    }
  }
  return found;
};

const readValue = (given: Given, { expected, choices, read }: Kind, context: StepContext): StepArgument | undefined => {
  const argument = read(given.value);
  if (argument !== undefined) return argument;
  const where = formatPath(given.path);
  const wrong = wrongName(given.value, read);
  const suggestion = wrong === undefined || choices === undefined ? undefined : nearest(wrong, choices);
  const detail = { where, found: describe(wrong ?? given.value), expected, ...near(suggestion) };
  context.report(scenarioDiagnostic('wrong-value', context.places.valueAt(given.path), where, detail));
  return undefined;
};

/** Of a value that is no constant: the name that isn't one. */
const wrongName = (value: unknown, read: Kind['read']): string | undefined => {
  if (typeof value === 'string') return value.split('|').find((name) => read(name) === undefined);
  if (!Array.isArray(value)) return undefined;
  return value.find((name): name is string => typeof name === 'string' && read(name) === undefined);
};

/** The members that a step gives, as the call takes them; those left out have their fallbacks. */
const readMembers = (
  call: string,
  given: ReadonlyMap<string, Given>,
  path: Path,
  context: StepContext,
): ReadonlyMap<string, StepArgument> | undefined => {
  const read = new Map<string, StepArgument>();
  let right = true;
  for (const { key, kind, required, fallback } of formOf(call)) {
    const written = given.get(key);
    if (written === undefined) {
      if (fallback !== undefined) read.set(key, fallback);
      if (!required) continue;
      const at = [...path, call];
      const detail = { where: formatPath(at), key, expected: KINDS[kind].expected };
      context.report(scenarioDiagnostic('missing-key', context.places.valueAt(at), formatPath(at), detail));
      right = false;
      continue;
    }
    const argument = readValue(written, KINDS[kind], context);
    if (argument === undefined) right = false;
    else read.set(key, argument);
  }
  return right ? read : undefined;
};

const textKind = (expected: string, choices?: readonly string[]): Kind => ({
  expected,
  ...(choices === undefined ? {} : { choices }),
  read: (value) =>
    typeof value === 'string' && value !== '' && (choices === undefined || choices.includes(value))
      ? { kind: 'literal', value }
      : undefined,
});

const NAME = textKind("a process's name");
const ID = textKind('a name for variants to mean the step by');
const NOTE = textKind('a sentence that says what begins here');
const ABI = textKind('one of x86-64, ia32, x32', ['x86-64', 'ia32', 'x32']);
const VIA = textKind('one of io_uring, io_uring_sqpoll', ['io_uring', 'io_uring_sqpoll']);

const EXPECTATION: Kind = {
  expected: 'a result such as 0, an errno such as EACCES, or a comparison such as ">= 0"',
  choices: ERRNO_CHOICES,
  read: (value) => (parseExpectation(value) === undefined ? undefined : { kind: 'literal', value: value as string }),
};

/** A modifier's text, undefined where it is left out or wrong. */
const modifier = (key: string, kind: Kind, given: ReadonlyMap<string, Given>, context: StepContext): unknown => {
  const written = given.get(key);
  const argument = written === undefined ? undefined : readValue(written, kind, context);
  return argument?.kind === 'literal' ? argument.value : undefined;
};

const short = (value: unknown, joint: string): string => {
  const text = Array.isArray(value) ? value.map(String).join(joint) : String(value);
  const line = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
};

/** A step as people read it. */
const textOf = (call: string, given: ReadonlyMap<string, Given>): string => {
  if (call === 'exec') {
    const argv = given.get('argv')?.value;
    const program = given.get('path')?.value ?? given.get('memfd')?.value ?? given.get('fd')?.value;
    const words = Array.isArray(argv) ? argv : [];
    return `exec ${short(program === undefined ? words : [program, ...words.slice(1)], ' ')}`;
  }
  const values = formOf(call).flatMap(({ key, kind }) => {
    const written = given.get(key);
    return written === undefined ? [] : [short(written.value, kind === 'texts' ? ' ' : '|')];
  });
  return [call, ...values].join(' ');
};

/** How often a step is played, and at what intervals; once where it doesn't say. */
const roundsOf = (
  members: ReadonlyMap<string, StepArgument>,
  given: ReadonlyMap<string, Given>,
  context: StepContext,
): readonly (Round | undefined)[] => {
  const numberOf = (key: string): number | undefined => {
    const argument = members.get(key);
    return argument?.kind === 'literal' && typeof argument.value === 'number' ? argument.value : undefined;
  };
  const [times, everyNs] = [numberOf('times'), numberOf('every')];
  const alone =
    (times === undefined) === (everyNs === undefined) ? undefined : given.get(times === undefined ? 'every' : 'times');
  if (alone !== undefined) {
    const where = formatPath(alone.path.slice(0, -1));
    const key = times === undefined ? 'times' : 'every';
    const detail = { where, key, expected: KINDS[key === 'times' ? 'times' : 'duration'].expected };
    context.report(scenarioDiagnostic('missing-key', context.places.keyAt(alone.path), where, detail));
  }
  if (times === undefined || everyNs === undefined) return [undefined];
  return Array.from({ length: times }, (_, index) => ({ index: index + 1, times, everyNs }));
};

/** Reads one step, which is several where it is played several times; what is wrong is reported, and there is no step then. */
export const readStep = (value: unknown, number: number, path: Path, context: StepContext): readonly Step[] => {
  const { places, names, report } = context;
  const position = places.valueAt(path);
  const step = typeof value === 'string' ? { [value]: null } : value;
  if (!isMapping(step)) {
    const where = formatPath(path);
    const detail = { where, found: describe(value), expected: 'a step such as {openat: /etc/shadow, by: cat}' };
    report(scenarioDiagnostic('wrong-value', position, where, detail));
    return [];
  }
  const call = callOf(step, path, context);
  if (call === undefined) return [];
  const given = collect(step, call, path, context);
  const members = readMembers(call, given, path, context);
  const abi = (modifier('abi', ABI, given, context) ?? 'x86-64') as Abi;
  const via = modifier('via', VIA, given, context) as Via | undefined;
  const expected =
    modifier('expect', EXPECTATION, given, context) ?? modifier('expect_errno', EXPECTATION, given, context);
  const as = modifier('as', NAME, given, context);
  modifier('id', ID, given, context);
  const note = modifier('note', NOTE, given, context);
  const by = modifier('by', NAME, given, context);
  const event = EVENT_TYPES.get(call);
  if (abi === 'ia32' && event !== undefined && event.nr32 < 0) {
    const at = [...path, call];
    const detail = { call, expected: 'another call, or abi: x86-64' };
    report(scenarioDiagnostic('not-in-ia32', places.keyAt(at), formatPath(at), detail));
  }
  if (via !== undefined && requestTypeOf(call) === undefined) {
    const at = [...path, call];
    const detail = { call, expected: 'another call, or a step without via' };
    report(scenarioDiagnostic('not-in-io-uring', places.keyAt(at), formatPath(at), detail));
  }
  const actor = typeof by === 'string' ? by : names.actor(call === 'exec');
  const checkProcess = (name: string, at: Path): void => {
    if (names.hasProcess(name)) return;
    const known = names.processes();
    const detail = { process: name, expected: `one of ${known.join(', ')}`, ...near(nearest(name, known)) };
    report(scenarioDiagnostic('unknown-process', places.valueAt(at), formatPath(at), detail));
  };
  if (typeof by === 'string') checkProcess(by, given.get('by')?.path ?? path);
  for (const [key, argument] of members ?? []) {
    const at = given.get(key)?.path ?? path;
    if (argument.kind === 'process') checkProcess(argument.name, at);
    if (argument.kind !== 'descriptor' || !given.has(key) || names.hasDescriptor(argument.name)) continue;
    const known = names.descriptors();
    const detail = {
      name: argument.name,
      expected: `one of ${known.join(', ')}`,
      ...near(nearest(argument.name, known)),
    };
    report(scenarioDiagnostic('unknown-descriptor', places.valueAt(at), formatPath(at), detail));
  }
  const action = members === undefined ? undefined : buildAction(call, members);
  const started = names.start(call, action, typeof as === 'string' ? as : undefined);
  if (action === undefined) return [];
  if (action === 'nothing-to-execute') {
    const at = [...path, call];
    const detail = { where: formatPath(at), key: 'argv', expected: 'a list such as [cat, /etc/shadow], or a path' };
    report(scenarioDiagnostic('missing-key', places.valueAt(at), formatPath(at), detail));
    return [];
  }
  checkAgentStep(action, path, call, context);
  const acts = action.kind !== 'wait' && action.kind !== 'switch' && action.kind !== 'agent';
  const read: Omit<Step, 'round' | 'note'> = {
    number,
    text: textOf(call, given),
    action,
    by: acts ? actor : undefined,
    as: started,
    abi,
    via,
    expect: expected === undefined ? undefined : parseExpectation(expected),
    position,
  };
  return roundsOf(members ?? new Map(), given, context).map((round) => ({
    ...read,
    note: typeof note === 'string' && (round?.index ?? 1) === 1 ? note : undefined,
    round,
  }));
};
