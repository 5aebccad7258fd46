import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { policyJsonSchema } from '../../policies/index.ts';
import { casesFolder } from '../support/cases.ts';

const schema = policyJsonSchema();
const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true }).compile(
  schema,
);

/** What the schema says of each document of a YAML text: paths with what is wrong there. */
const wrongIn = (text: string): readonly string[] =>
  parseAllDocuments(text).flatMap((document) =>
    validate(document.toJS()) ? [] : (validate.errors ?? []).map((found) => `${found.instancePath} ${found.message}`),
  );

const library = fileURLToPath(new URL('../../policies/library/', import.meta.url));
const shipped = readdirSync(library, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));

describe('the JSON Schema of policy files', () => {
  it.each(shipped)('takes the shipped policy %s', (name) => {
    expect(wrongIn(readFileSync(library + name, 'utf8'))).toEqual([]);
  });

  it.skipIf(casesFolder('falco') === undefined)('takes the public rules of Falco', () => {
    const folder = casesFolder('falco') ?? '';
    const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) expect(wrongIn(readFileSync(`${folder}/${name}`, 'utf8'))).toEqual([]);
  });

  const policy = (spec: string): string => `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n${spec}`;
  const rule = (more: string): string =>
    policy(`  rules:\n    - {rule: R, condition: evt.type = openat, output: x, ${more}}\n`);

  it.each([
    [
      'a key that does not exist',
      rule('priority: notice, colour: red'),
      '/spec/rules/0 must NOT have additional properties',
    ],
    ['a required key that is not there', rule('desc: d'), "/spec/rules/0 must have required property 'priority'"],
    [
      'an action that does not exist',
      rule('priority: notice, action: block'),
      '/spec/rules/0/action must be equal to one of the allowed values',
    ],
    ['a priority that does not exist', rule('priority: high'), '/spec/rules/0/priority must match a schema in anyOf'],
    [
      'a scope that is no path',
      policy('  scope: {cgroup: a}\n  rules: []\n'),
      '/spec/scope/cgroup must match pattern "^\\/(?:[^/\\0]+(?:\\/[^/\\0]+)*)?$"',
    ],
    ['a list that is a text', policy('  lists: {a: x}\n  rules: []\n'), '/spec/lists/a must be array'],
    ['no rules', policy('  rules: []\n'), '/spec/rules must NOT have fewer than 1 items'],
    [
      'a rate that is none',
      rule('priority: notice, limits: {rate: often}'),
      '/spec/rules/0/limits/rate must match pattern "^([1-9]\\d{0,8})\\/(s|min|h|d)$"',
    ],
    [
      'a wrong override of Falco',
      '- {rule: R, priority: INFO, override: {priority: append}}\n',
      '/0/override/priority must be equal to constant',
    ],
    ['a wrong priority of Falco', '- {rule: R, priority: high}\n', '/0/priority must match a schema in anyOf'],
    ['a list of Falco without items', '- list: l\n', "/0 must have required property 'items'"],
  ])('refuses %s', (_, text, found) => {
    expect(wrongIn(text)).toContain(found);
  });

  it.each(['Notice', 'WARNING', 'informational'])('takes the priority %s', (priority) => {
    expect(wrongIn(rule(`priority: ${priority}`))).toEqual([]);
    expect(wrongIn(`- {rule: R, priority: ${priority}}\n- {rule: S, priority: Info}\n`)).toEqual([]);
  });

  it('says of every key what belongs there', () => {
    const silent: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { properties, items, additionalProperties } = node as Record<string, unknown>;
      for (const [key, property] of Object.entries((properties ?? {}) as Record<string, Record<string, unknown>>)) {
        const isPart = path.includes('scenario') || path.includes('override');
        if (!isPart && property.description === undefined) silent.push(`${path}.${key}`);
        visit(property, `${path}.${key}`);
      }
      visit(items, `${path}[]`);
      visit(additionalProperties, `${path}.*`);
    };
    visit(schema.else, '');
    expect(silent).toEqual([]);
  });
});
