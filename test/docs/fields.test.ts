import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EVENT_TYPES, FIELDS, Truth, truthByType } from '../../rules/index.ts';
import { expectedTrust } from '../../sensors/index.ts';

interface Generator {
  fieldsDocument(language: object): string;
}

const script = new URL('../../scripts/make-fields-doc.mjs', import.meta.url);
const { fieldsDocument } = (await import(script.href)) as Generator;
const written = readFileSync(new URL('../../docs/fields.md', import.meta.url), 'utf8');

it('docs/fields.md is what npm run docs makes of the catalogue', () => {
  const fresh = fieldsDocument({ FIELDS, EVENT_TYPES, truthByType, expectedTrust, UNKNOWN: Truth.UNKNOWN });
  expect(written).toBe(fresh);
});

it('has a row for each field and each event type', () => {
  const rows = written.split('\n').flatMap((line) => /^\| `([\w.]+)(?:\[\w+\])?` \|/.exec(line)?.[1] ?? []);
  const named = new Set(rows);
  for (const { name } of FIELDS) expect(named, name).toContain(name);
  for (const { type } of EVENT_TYPES.values()) expect(written, type).toContain(`\`${type}\``);
});

it('says of a value how far it can be trusted, also where that depends on the hook', () => {
  const rowOf = (name: string): string => written.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? '';
  expect(rowOf('fd.name')).toContain('| contestable or as passed; resolved at LSM hooks |');
  expect(rowOf('fs.path.name')).toContain('| as passed |');
  expect(rowOf('proc.exepath')).toContain('| resolved |');
});
