import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CODES } from '../../policies/index.ts';

it('docs/policies.md lists every code of a diagnostic, with what it is and means', () => {
  const document = readFileSync(new URL('../../docs/policies.md', import.meta.url), 'utf8');
  const rows = [...document.matchAll(/^\| `([a-z0-9-]+)` \| (error|warning|either) \| (.+) \|$/gm)];
  const listed = rows.map(([, code, kind, meaning]) => [code, { kind, meaning }]);
  expect(listed).toEqual(Object.entries(CODES));
});
