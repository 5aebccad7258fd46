import { expect, it } from 'vitest';
import { FIELDS } from '../../../rules/index.ts';
import { FALCO_FIELDS } from '../../../rules/language/falco-fields.ts';

it('has no field twice, nor as one that is not supported yet', () => {
  const names = FIELDS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => FALCO_FIELDS.has(name))).toEqual([]);
});
