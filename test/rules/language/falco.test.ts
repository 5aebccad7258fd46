import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  expandList,
  type Names,
  type ParsedCondition,
  parseCondition,
  parseTemplate,
  resolveCondition,
} from '../../../rules/index.ts';
import { casesFolder } from '../../support/cases.ts';

interface Entry {
  readonly list?: string;
  readonly items?: readonly (string | number)[];
  readonly macro?: string;
  readonly rule?: string;
  readonly condition?: string;
  readonly output?: string;
}

const folder = casesFolder('falco');
const FILES = ['falco_rules.yaml', 'falco-incubating_rules.yaml'];
const entries: readonly Entry[] =
  folder === undefined
    ? []
    : FILES.flatMap((file) => parse(readFileSync(join(folder, file), 'utf8')) as readonly Entry[]);

const lists = new Map<string, readonly string[]>();
const macros = new Map<string, ParsedCondition>();
for (const { list, items, macro, condition } of entries) {
  if (list !== undefined) lists.set(list, (items ?? []).map(String));
  const parsed = macro === undefined ? undefined : parseCondition(condition ?? '').condition;
  if (macro !== undefined && parsed !== undefined) macros.set(macro, parsed);
}
const names: Names = {
  list: (name) => lists.get(name),
  macro: (name) => macros.get(name),
  knownLists: () => lists.keys(),
  knownMacros: () => macros.keys(),
};

/** Kinds of problem that say "not yet" instead of "wrong". */
const NOT_YET: readonly string[] = ['unsupported-field', 'unavailable-field', 'event-never-seen'];

describe.skipIf(folder === undefined)('the public rule files', () => {
  it('have 56 rules', () => expect(entries.filter(({ rule }) => rule !== undefined)).toHaveLength(56));

  it('have only conditions that parse', () => {
    const problems = entries.flatMap(({ condition }) =>
      condition === undefined ? [] : parseCondition(condition).problems,
    );
    expect(problems).toEqual([]);
  });

  it('have only lists that expand to plain values', () => {
    for (const [name, items] of lists) {
      const { values, problems } = expandList(items, names, name);
      expect(problems).toEqual([]);
      expect(values.filter((value) => lists.has(value))).toEqual([]);
    }
  });

  it('have nothing wrong in their conditions but what is not supported yet', () => {
    const wrong = entries.flatMap(({ rule, macro, condition }) => {
      const parsed = condition === undefined ? undefined : parseCondition(condition).condition;
      const problems = parsed === undefined ? [] : resolveCondition(parsed, names, macro).problems;
      return problems
        .filter(({ code }) => !NOT_YET.includes(code))
        .map(({ message }) => `${rule ?? macro}: ${message}`);
    });
    expect(wrong).toEqual([]);
  });

  it('have nothing wrong in their outputs but what is not supported yet', () => {
    const wrong = entries.flatMap(({ output, rule }) =>
      parseTemplate(output ?? '')
        .problems.filter(({ code }) => !NOT_YET.includes(code))
        .map(({ message }) => `${rule}: ${message}`),
    );
    expect(wrong).toEqual([]);
  });

  it('have at least 44 rules that resolve', () => {
    const resolved = entries.filter(({ rule, condition }) => {
      const parsed = rule === undefined ? undefined : parseCondition(condition ?? '').condition;
      return parsed !== undefined && resolveCondition(parsed, names).condition !== undefined;
    });
    expect(resolved.length).toBeGreaterThanOrEqual(44);
  });
});
