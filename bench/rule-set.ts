import { loadPolicyText } from '../policies/index.ts';
import type { Rule } from '../rules/index.ts';

/** Something that a workload does once. */
export type BenchEvent =
  | { readonly call: 'openat' | 'unlinkat' | 'fchmodat'; readonly path: string }
  | { readonly call: 'connect'; readonly address: string; readonly port: number }
  | { readonly call: 'kill'; readonly pid: number }
  | { readonly call: 'getppid' };

/** Rules of the set. */
export const MOST_RULES = 1000;
/** Events of a round, and how many of them match some rule of the whole set. */
const EVENTS = 1000;
export const MATCHES = 5;
/** Pids that no process has: the calls fail, and change nothing. */
const NOBODY = 1 << 23;

const address = (number: number): string => `127.${1 + (number >> 8)}.${number & 255}.1`;

/** Conditions by a rule's number: 400 of 1,000 are on opens, 200 on connections, 200 on removals, 100 each on signals and modes. */
const KINDS: readonly ((folder: string, number: number) => string)[] = [
  (folder, number) =>
    `evt.type in (open, openat, openat2) and fd.name = ${folder}/secret-${number} and not proc.name = prog-${number}`,
  (folder, number) =>
    `evt.type in (open, openat, openat2) and fd.name startswith ${folder}/dir-${number}- and evt.is_open_write = true`,
  (_, number) => `evt.type in (open, openat, openat2) and fd.name endswith .ext-${number}`,
  (folder, number) =>
    `evt.type in (open, openat, openat2) and fd.directory = ${folder} and fd.filename in (one-${number}, two-${number})`,
  (_, number) => `evt.type = connect and fd.sip = ${address(number)} and fd.sport = ${2000 + number}`,
  (_, number) => `evt.type = connect and fd.snet = ${address(number)}/31 and not proc.name in (prog-${number}, ssh)`,
  (folder, number) => `evt.type in (unlink, unlinkat) and fs.path.name startswith ${folder}/gone-${number}-`,
  (folder, number) =>
    `evt.type in (unlink, unlinkat) and fs.path.name = ${folder}/away-${number} and proc.name != prog-${number}`,
  (_, number) => `evt.type = kill and evt.arg[pid] = ${NOBODY + number} and user.uid < 60000`,
  (folder, number) => `evt.type in (chmod, fchmodat) and fs.path.name = ${folder}/mode-${number}`,
];

/** An event that rule `number` matches, or one that it just doesn't. */
const eventAt = (folder: string, number: number, isMiss: boolean): BenchEvent => {
  const end = isMiss ? 'x' : '';
  switch (number % KINDS.length) {
    case 0:
      return { call: 'openat', path: `${folder}/secret-${number}${end}` };
    case 1:
      return { call: 'openat', path: `${folder}/dir-${number}-file` };
    case 2:
      return { call: 'openat', path: `${folder}/file.ext-${number}${end}` };
    case 3:
      return { call: 'openat', path: `${folder}/two-${number}${end}` };
    case 4:
      return { call: 'connect', address: address(number), port: 2000 + number + (isMiss ? 1 : 0) };
    case 5:
      return { call: 'connect', address: address(number + (isMiss ? 2 : 0)), port: 9 };
    case 6:
      return { call: 'unlinkat', path: `${folder}/gone-${number}${isMiss ? '' : '-1'}` };
    case 7:
      return { call: 'unlinkat', path: `${folder}/away-${number}${end}` };
    case 8:
      return { call: 'kill', pid: NOBODY + number + (isMiss ? MOST_RULES : 0) };
    default:
      return { call: 'fchmodat', path: `${folder}/mode-${number}${end}` };
  }
};

/** Events that no rule is near: of each four, calls that rules name and one that none does. */
const plainEvents = (folder: string, number: number): BenchEvent => {
  switch (number % 5) {
    case 0:
      return { call: 'openat', path: `${folder}/plain-${number % 50}` };
    case 1:
      return { call: 'connect', address: '127.200.0.1', port: 9 };
    case 2:
      return { call: 'unlinkat', path: `${folder}/nothing-${number}` };
    default:
      return { call: 'getppid' };
  }
};

/** The first `count` rules of the set, about files in a folder. */
export const ruleSet = (folder: string, count: number): readonly Rule[] => {
  const rules = Array.from({ length: count }, (_, number) => {
    const condition = KINDS[number % KINDS.length]?.(folder, number) ?? '';
    return `    - {rule: r${number}, condition: "${condition}", priority: notice, output: "%proc.name"}`;
  });
  const text = `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: bench}\nspec:\n  rules:\n${rules.join('\n')}\n`;
  const { policies, diagnostics } = loadPolicyText('bench.yaml', text);
  const wrong = diagnostics.find(({ severity }) => severity === 'error');
  if (wrong !== undefined) throw new Error(`bench.yaml:${wrong.line}: ${wrong.message}`);
  return policies.flatMap((policy) => policy.rules);
};

/**
 * A round of events: half of them just miss a rule of the set, 0.5 % match one, four of five are of calls that at least 100 of its 1,000
 * rules name. The order is the same each time.
 */
export const roundOfEvents = (folder: string): readonly BenchEvent[] =>
  Array.from({ length: EVENTS }, (_, index): BenchEvent => {
    const half = index >> 1;
    const every = EVENTS / MATCHES;
    if (index % every === 0) return eventAt(folder, (3 + (index / every) * 211) % MOST_RULES, false);
    return index % 2 === 0 ? eventAt(folder, (half * 617) % MOST_RULES, true) : plainEvents(folder, half);
  });
