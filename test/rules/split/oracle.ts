import { BlockList, isIPv6 } from 'node:net';

/** What an event has for a field: a value, none (`absent`), or one that can't be had (`unknown`). */
export type Fact = { readonly is: string | bigint | boolean | readonly string[] } | 'absent' | 'unknown';

/** An event as the test itself knows it; fields that are missing here are absent. */
export interface Happened {
  readonly type: string;
  /** The process it is an event of. */
  readonly pid: number;
  readonly facts: ReadonlyMap<string, Fact>;
}

/** A condition of the test's own making. */
export type Tree =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Tree[] }
  | { readonly kind: 'not'; readonly of: Tree }
  | { readonly kind: 'atom'; readonly field: string; readonly operator: string; readonly values: readonly string[] };

/** A glob by recursion over pattern and text. */
export const fnmatch = (pattern: string, text: string): boolean => {
  const [head] = pattern;
  if (head === undefined) return text === '';
  if (head === '*') return fnmatch(pattern.slice(1), text) || (text !== '' && fnmatch(pattern, text.slice(1)));
  if (text === '') return false;
  if (head === '[') {
    const end = pattern.indexOf(']', 2);
    if (end > 0) {
      const inside = pattern.slice(1, end);
      const negated = inside.startsWith('!');
      const set = negated ? inside.slice(1) : inside;
      let found = false;
      for (let at = 0; at < set.length; at++) {
        if (set[at + 1] === '-' && at + 2 < set.length) {
          found ||= text[0]! >= set[at]! && text[0]! <= set[at + 2]!;
          at += 2;
        } else found ||= set[at] === text[0];
      }
      return found !== negated && fnmatch(pattern.slice(end + 1), text.slice(1));
    }
  }
  return (head === '?' || head === text[0]) && fnmatch(pattern.slice(1), text.slice(1));
};

const family = (text: string) => (isIPv6(text) ? 'ipv6' : 'ipv4');

const inNetwork = (address: string, network: string): boolean => {
  const [base = '', prefix] = network.split('/');
  const list = new BlockList();
  if (prefix === undefined) list.addAddress(base, family(base));
  else list.addSubnet(base, Number(prefix), family(base));
  return list.check(address, family(address));
};

const under = (path: string, folder: string): boolean => {
  if (!path.startsWith('/')) return false;
  const parts = folder.split('/').filter(Boolean);
  return parts.every((part, index) => path.split('/').filter(Boolean)[index] === part);
};

const text = (value: unknown): string => String(value);

/** Whether one value and one constant satisfy an operator. */
const holds = (field: string, operator: string, value: string | bigint | boolean, constant: string): boolean => {
  const isAddress = /^fd\.[csrl]?(ip|net)$/.test(field);
  switch (operator) {
    case '=':
    case 'in':
    case 'intersects':
      if (isAddress) return inNetwork(text(value), constant);
      return typeof value === 'bigint' ? value === BigInt(constant) : text(value) === constant;
    case '!=':
      return !holds(field, '=', value, constant);
    case '<':
      return BigInt(text(value)) < BigInt(constant);
    case '<=':
      return BigInt(text(value)) <= BigInt(constant);
    case '>':
      return BigInt(text(value)) > BigInt(constant);
    case '>=':
      return BigInt(text(value)) >= BigInt(constant);
    case 'contains':
      return text(value).includes(constant);
    case 'icontains':
      return text(value).toLowerCase().includes(constant.toLowerCase());
    case 'startswith':
      return text(value).startsWith(constant);
    case 'endswith':
      return text(value).endsWith(constant);
    case 'glob':
      return fnmatch(constant, text(value));
    case 'iglob':
      return fnmatch(constant.toLowerCase(), text(value).toLowerCase());
    case 'pmatch':
      return under(text(value), constant);
    default:
      throw new Error(`the test knows no operator ${operator}`);
  }
};

const atomHolds = (tree: Tree & { kind: 'atom' }, value: string | bigint | boolean | readonly string[]): boolean => {
  const { field, operator, values } = tree;
  if (operator === 'exists') return true;
  const one = (item: string | bigint | boolean): boolean => values.some((each) => holds(field, operator, item, each));
  if (typeof value !== 'object') return one(value);
  const bothEnds = operator === '!=' && ['fd.ip', 'fd.net', 'fd.port'].includes(field);
  return bothEnds ? value.every(one) : value.some(one);
};

/** Whether a condition may be true and whether it may be false, as its events are known. Absent fields make an atom false. */
export const outcomes = (tree: Tree, event: Happened): { readonly yes: boolean; readonly no: boolean } => {
  switch (tree.kind) {
    case 'and': {
      const parts = tree.of.map((part) => outcomes(part, event));
      return { yes: parts.every((part) => part.yes), no: parts.some((part) => part.no) };
    }
    case 'or': {
      const parts = tree.of.map((part) => outcomes(part, event));
      return { yes: parts.some((part) => part.yes), no: parts.every((part) => part.no) };
    }
    case 'not': {
      const { yes, no } = outcomes(tree.of, event);
      return { yes: no, no: yes };
    }
    case 'atom': {
      const fact = event.facts.get(tree.field) ?? 'absent';
      if (fact === 'unknown') return { yes: true, no: true };
      const empty = fact === 'absent' || (Array.isArray(fact.is) && fact.is.length === 0);
      const yes = !empty && atomHolds(tree, fact.is);
      return { yes, no: !yes };
    }
  }
};

const quoted = (value: string): string =>
  /^[A-Za-z0-9_./:-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;

/** A condition in the policies' language. */
export const print = (tree: Tree): string => {
  switch (tree.kind) {
    case 'and':
    case 'or':
      return `(${tree.of.map(print).join(` ${tree.kind} `)})`;
    case 'not':
      return `not ${print(tree.of)}`;
    case 'atom': {
      const { field, operator, values } = tree;
      if (operator === 'exists') return `${field} exists`;
      const list = ['in', 'intersects', 'pmatch'].includes(operator);
      const constants = values.map(quoted).join(', ');
      return `${field} ${operator} ${list ? `(${constants})` : constants}`;
    }
  }
};

/** Whether a condition names a field. */
export const mentions = (tree: Tree, field: string): boolean =>
  tree.kind === 'atom'
    ? tree.field === field
    : tree.kind === 'not'
      ? mentions(tree.of, field)
      : tree.of.some((part) => mentions(part, field));
