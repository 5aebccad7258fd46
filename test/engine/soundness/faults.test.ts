import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { suiteSize } from '../../support/counts.ts';
import { FAULTS } from './faults.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SUITE = 'test/engine/soundness/programs.test.ts';
/** Milliseconds for one run of the suite, which ends at the first program that fails. */
const PATIENCE = 240_000;

const names = Object.keys(FAULTS);
/** The larger suites look whether each fault is noticed; npm test only whether it could be planted. */
const chosen = suiteSize === 'quick' ? [] : names;

/** The suite with a fault in the source: its exit code and what it says. */
function runWith(name: string): { readonly status: number | null; readonly output: string } {
  const { SHRIKE_TOTALS: _, ...environment } = process.env;
  const child = spawnSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', SUITE], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      ...environment,
      NO_COLOR: '1',
      SHRIKE_SUITE: 'ci',
      SHRIKE_SEED: '1',
      SHRIKE_FAULT: JSON.stringify(FAULTS[name]),
    },
  });
  return { status: child.status, output: child.stdout + child.stderr };
}

test.each(chosen)(
  'the suite fails with a fault planted: %s',
  (name) => {
    const { status, output } = runWith(name);
    expect(output).toMatch(/seed \d+, made smaller:/);
    expect(status).toBe(1);
  },
  PATIENCE,
);

test.each(names)('what is planted has its place in the source: %s', (name) => {
  const { file, find } = FAULTS[name]!;
  expect(readFileSync(join(ROOT, file), 'utf8').split(find)).toHaveLength(2);
});

test('there are ten faults at least, in the verifier and in the JIT', () => {
  expect(names.length).toBeGreaterThanOrEqual(10);
  expect(new Set(Object.values(FAULTS).map(({ file }) => file.replace(/\/[^/]*$/, '')))).toEqual(
    new Set(['engine/verifier', 'engine/vm/jit']),
  );
});
