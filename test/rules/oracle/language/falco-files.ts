import { parse as parseYaml } from 'yaml';
import { substitute } from './names.ts';
import { listItem, parse } from './parser.ts';
import { type Item, LIST_OPERATORS, type Tree } from './syntax.ts';

interface ExceptionEntry {
  readonly name: string;
  readonly fields?: string | readonly string[];
  readonly comps?: string | readonly string[];
  readonly values?: readonly unknown[];
}

interface Entry {
  readonly rule?: string;
  readonly macro?: string;
  readonly list?: string;
  readonly condition?: string;
  readonly items?: readonly unknown[];
  readonly enabled?: boolean;
  readonly source?: string;
  readonly append?: boolean;
  readonly override?: Readonly<Record<string, 'append' | 'replace'>>;
  readonly exceptions?: readonly ExceptionEntry[];
}

/** A rule of Falco files, its condition with lists and macros in place. */
export interface FalcoRule {
  readonly name: string;
  readonly tree: Tree;
}

const exceptionTree = (exception: ExceptionEntry): Tree | undefined => {
  const { fields = [], comps, values = [] } = exception;
  const isOne = typeof fields === 'string';
  const names = isOne ? [fields] : fields;
  const operators = comps === undefined ? names.map(() => (isOne ? 'in' : '=')) : [comps].flat();
  const checkOf = (index: number, value: unknown): Tree => {
    const operator = operators[index] ?? '=';
    const shown = [value].flat().map((each) => `"${String(each).replace(/["\\]/g, '\\$&')}"`);
    return parse(`${names[index]} ${operator} ${LIST_OPERATORS.has(operator) ? `(${shown.join(', ')})` : shown[0]}`);
  };
  if (values.length === 0) return undefined;
  if (isOne) return checkOf(0, values);
  const rows = values.map((row): Tree => {
    const cells = [row].flat(1);
    return { kind: 'and', of: cells.map((cell, index) => checkOf(index, cell)) };
  });
  return { kind: 'or', of: rows };
};

/** The rules of Falco files that are loaded together; what is defined later under the same name counts for all of them. */
export const readFalcoFiles = (texts: readonly string[]): readonly FalcoRule[] => {
  const lists = new Map<string, readonly Item[]>();
  const macros = new Map<string, string>();
  const rules = new Map<string, { condition: string; enabled: boolean; exceptions: readonly ExceptionEntry[] }>();
  const appends = (entry: Entry, key: string): boolean => entry.append === true || entry.override?.[key] === 'append';
  for (const entry of texts.flatMap((text) => parseYaml(text) as readonly Entry[])) {
    if (entry.list !== undefined) {
      const items = (entry.items ?? []).map(listItem);
      lists.set(entry.list, appends(entry, 'items') ? [...(lists.get(entry.list) ?? []), ...items] : items);
    } else if (entry.macro !== undefined) {
      const { macro, condition = '' } = entry;
      macros.set(macro, appends(entry, 'condition') ? `${macros.get(macro)} ${condition}` : condition);
    } else if (entry.rule !== undefined && (entry.source ?? 'syscall') === 'syscall') {
      const { rule, condition, enabled, exceptions = [] } = entry;
      const before = rules.get(rule);
      rules.set(rule, {
        condition:
          before !== undefined && appends(entry, 'condition')
            ? `${before.condition} ${condition ?? ''}`
            : (condition ?? before?.condition ?? ''),
        enabled: enabled ?? before?.enabled ?? true,
        exceptions: [...(before?.exceptions ?? []), ...exceptions],
      });
    }
  }
  const names = { lists, macros: new Map([...macros].map(([name, text]) => [name, parse(text)])) };
  return [...rules]
    .filter(([, { enabled }]) => enabled)
    .map(([name, { condition, exceptions }]) => {
      const excluded = exceptions.flatMap((exception) => exceptionTree(exception) ?? []);
      const all = [parse(condition), ...excluded.map((of): Tree => ({ kind: 'not', of }))];
      return { name, tree: substitute({ kind: 'and', of: all }, names) };
    });
};
