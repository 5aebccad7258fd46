import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { scenarioJsonSchema } from '../../../../sensors/index.ts';

const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true }).compile(
  scenarioJsonSchema(),
);

/** What the schema says of a scenario: paths with what is wrong there; of alternatives only that none fits. */
const wrongIn = (data: unknown): readonly string[] =>
  validate(data) ? [] : (validate.errors ?? []).map((found) => `${found.instancePath} ${found.message}`);

const folder = new URL('../../../../sensors/sim/scenarios/', import.meta.url);
const shipped = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.yaml') && !name.includes('policies/'),
);

describe('the JSON Schema of scenario files', () => {
  it('takes all that ship', () => {
    expect(shipped.length).toBeGreaterThan(60);
    for (const name of shipped)
      expect({ name, wrong: wrongIn(parse(readFileSync(new URL(name, folder), 'utf8'))) }).toEqual({ name, wrong: [] });
  });

  const whole = { name: 's', steps: ['exit'] };

  it.each([
    ['an unknown key', { ...whole, descripton: 'x' }, ' must NOT have additional properties'],
    ['no steps', { name: 's' }, " must have required property 'steps'"],
    ['a name with blanks', { ...whole, name: 'a b' }, '/name must match pattern "^[\\w.-]+$"'],
    ['a misspelt call', { ...whole, steps: [{ opnat: '/x' }] }, '/steps/0 must NOT have additional properties'],
    [
      'a misspelt errno',
      { ...whole, steps: [{ openat: '/x', expect: 'EACESS' }] },
      '/steps/0 must match a schema in anyOf',
    ],
    [
      'a file that is no text',
      { ...whole, host: { files: { '/a': 7 } } },
      '/host/files/~1a must match a schema in anyOf',
    ],
    ['rules that are no list', { ...whole, expect: 'R' }, '/expect must be array'],
    [
      'a variant without expectation',
      { ...whole, but: [{ name: 'v', without: 'x' }] },
      "/but/0 must have required property 'expect'",
    ],
    [
      'a variant with an unknown key',
      { ...whole, but: [{ name: 'v', withot: 'x', expect: [] }] },
      '/but/0 must NOT have additional properties',
    ],
    [
      'a wrong step that is added',
      { ...whole, but: [{ name: 'v', add: { opnat: '/x' }, expect: [] }] },
      '/but/0/add must match a schema in anyOf',
    ],
  ])('refuses %s', (_, data, wrong) => {
    expect(wrongIn(data)).toContain(wrong);
  });
});
