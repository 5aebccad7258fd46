import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  type Constant,
  EVENT_TYPES,
  FIELDS,
  type Field,
  type Predicate,
  placePredicate,
  REFUSED_FIELDS,
  requestTypeOf,
  Truth,
  truthByType,
} from '../../rules/index.ts';
import { expectedTrust } from '../../sensors/index.ts';

interface Generator {
  fieldsDocument(language: object): string;
}

const script = new URL('../../scripts/make-fields-doc.mjs', import.meta.url);
const { fieldsDocument } = (await import(script.href)) as Generator;
const written = readFileSync(new URL('../../docs/fields.md', import.meta.url), 'utf8');

it('docs/fields.md is what npm run docs makes of the catalogue', () => {
  const language = { FIELDS, EVENT_TYPES, REFUSED_FIELDS, requestTypeOf, truthByType, expectedTrust };
  const fresh = fieldsDocument({ ...language, UNKNOWN: Truth.UNKNOWN });
  expect(written).toBe(fresh);
});

it('has a row for each field and each event type', () => {
  const rows = written.split('\n').flatMap((line) => /^\| `([\w.]+)(?:\[\w+\])?` \|/.exec(line)?.[1] ?? []);
  const named = new Set(rows);
  for (const { name } of FIELDS) expect(named, name).toContain(name);
  for (const { type } of EVENT_TYPES.values()) expect(written, type).toContain(`\`${type}\``);
});

it('says of every field of Falco that there will not be, why', () => {
  for (const [name, reason] of REFUSED_FIELDS) {
    expect(FIELDS.map((field) => field.name)).not.toContain(name);
    expect(written).toContain(`\`${name}\``);
    expect(written).toContain(`${reason.slice(1)}.`);
  }
});

it('says at which hooks a field has a value', () => {
  const hooksOf = (name: string): string =>
    written
      .split('\n')
      .find((line) => line.startsWith(`| \`${name}`))
      ?.split(' | ')[3] ?? '';
  expect(hooksOf('proc.name')).toBe('all');
  expect(hooksOf('evt.rawres')).toBe('sys_exit exec');
  expect(hooksOf('fd.nameraw')).toBe('sys_exit io_uring');
  expect(hooksOf('fd.name_changed')).toBe('none');
});

it('says of a value how far it can be trusted, also where that depends on the hook', () => {
  const rowOf = (name: string): string => written.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? '';
  expect(rowOf('fd.name')).toContain('| resolved or contestable or as passed; resolved at LSM hooks |');
  expect(rowOf('fs.path.name')).toContain('| as passed; resolved at LSM hooks |');
  expect(rowOf('proc.exepath')).toContain('| resolved |');
});

/** A value of each type, as a condition would compare the field with it. */
const CONSTANTS: Readonly<Record<Field['type'], Constant>> = {
  string: { type: 'string', value: '7' },
  list: { type: 'string', value: '7' },
  number: { type: 'number', value: 7n },
  boolean: { type: 'boolean', value: true },
  address: { type: 'network', value: '192.0.2.7', bytes: Uint8Array.of(192, 0, 2, 7), prefix: 32 },
};

it.each(FIELDS)('$name is evaluated where the catalogue says', (field: Field) => {
  const span = { start: 0, end: 0 };
  const argument = field.argument === 'name' ? { argument: 'uid' } : {};
  const predicate: Predicate = {
    kind: 'predicate',
    field: { name: field.name, ...argument, span },
    operator: '=',
    constants: [CONSTANTS[field.type]],
    span,
  };
  const sites = [...EVENT_TYPES.values()]
    .filter((event) => field.name === 'evt.type' || truthByType(predicate, event) === Truth.UNKNOWN)
    .map((event) => placePredicate(predicate, { hook: 'tp_btf/sys_exit', event }));
  const inKernel = sites.some(({ kind }) => kind === 'kernel') || sites.every(({ kind }) => kind === 'constant');
  expect(sites.length).toBeGreaterThan(0);
  expect(inKernel ? 'kernel' : 'user').toBe(field.place);
});
