import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadPolicyText } from '../../policies/index.ts';
import { count, seed } from '../support/counts.ts';

const folder = fileURLToPath(new URL('../../policies/library/', import.meta.url));
const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(folder + name, 'utf8'));

const DEBRIS =
  '[ { ] } : \n " \' *a &a !!int | > # \t % @ ? null ~ \0 😀 \r --- ... <<: __proto__: constructor 1e999 0x ( )'.split(
    ' ',
  );

const mutation = fc.record({
  at: fc.nat(),
  removed: fc.nat({ max: 30 }),
  added: fc.constantFrom('', ' ', '- ', '- - - ', ...DEBRIS.map((piece) => `${piece} `), ...DEBRIS),
});

it('whatever is done to a policy file, it loads or says in which places it does not', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...sources),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      (source, mutations) => {
        let text = source;
        for (const { at, removed, added } of mutations) {
          const start = at % text.length;
          text = text.slice(0, start) + added + text.slice(start + removed);
        }
        const { policies, diagnostics } = loadPolicyText('p.yaml', text);
        const lines = text.split('\n');
        for (const { line, column, message } of diagnostics) {
          expect(line).toBeLessThanOrEqual(lines.length);
          expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? 0) + 1);
          expect(message).not.toMatch(/undefined|\[object/);
        }
        expect(policies.length + diagnostics.length).toBeGreaterThan(0);
      },
    ),
    { numRuns: count(10_000), seed: seed('mutations of policy files') },
  );
}, 600_000);
