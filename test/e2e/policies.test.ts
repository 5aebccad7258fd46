import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { at, jsonLines } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { suiteSize } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';

interface TestRecord {
  readonly type: 'test' | 'coverage' | 'mutation' | 'summary';
  readonly policy: string;
  readonly percent: number;
  readonly test: string;
  readonly passed: boolean;
}

const file = (name: string): string => `policies/library/${name}.yaml`;
/** npm test looks at some; larger sizes at all. */
const TESTED =
  suiteSize === 'quick'
    ? ['credential-files', 'log-tampering', 'reverse-shell', 'repeated-failures', 'enforce/credential-files'].map(file)
    : ['policies/library'];
const [LEAST_TESTS, LEAST_POLICIES] = suiteSize === 'quick' ? [12, TESTED.length] : [60, 25];

it(`all tests that shipped policies carry pass, and see every predicate true and false (${TESTED.join(', ')})`, async () => {
  const { code, stdout, stderr } = await shrike('test', ...TESTED, '--json', '--min-coverage', '100');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const records = jsonLines(stdout) as readonly TestRecord[];
  const tests = records.filter(({ type }) => type === 'test');
  expect(tests.length).toBeGreaterThanOrEqual(LEAST_TESTS);
  expect(tests.filter(({ passed }) => !passed)).toEqual([]);
  const coverage = records.filter(({ type }) => type === 'coverage');
  expect(coverage.length).toBeGreaterThanOrEqual(LEAST_POLICIES);
  expect(coverage.filter(({ percent }) => percent < 100)).toEqual([]);
}, 300_000);

const MUTATED = suiteSize === 'quick' ? ['network-tools'].map(file) : ['policies/library'];

it(`their tests would notice at least 80 % of the changes of each policy (${MUTATED.join(', ')})`, async () => {
  const { code, stdout } = await shrike('test', ...MUTATED, '--json', '--mutate', '--min-score', '80');
  const records = jsonLines(stdout) as readonly TestRecord[];
  const mutation = records.filter(({ type }) => type === 'mutation');
  expect(mutation.length).toBeGreaterThanOrEqual(suiteSize === 'quick' ? MUTATED.length : 25);
  expect(mutation.filter(({ percent }) => percent < 80).map(({ policy, percent }) => `${policy} ${percent}`)).toEqual(
    [],
  );
  expect(code).toBe(0);
}, 600_000);

/** npm test turns one round. */
const TURNED = [
  ['that something is raised', 'expect: [Password file read]', 'expect: []'],
  ['that nothing is raised', 'expect: []', 'expect: [Password file read]'],
].slice(suiteSize === 'quick' ? 1 : 0);

it.each(TURNED)('an expectation %s, turned round, fails', async (_, written, turned) => {
  const folder = join(temporaryFolder(), 'policies');
  cpSync(at('policies/library/credential-files.yaml'), join(folder, 'credential-files.yaml'));
  const file = join(folder, 'credential-files.yaml');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(written);
  writeFileSync(file, text.replace(written, turned));
  const { code, stdout } = await shrike('test', folder, '--json');
  expect(code).toBe(1);
  expect(
    (jsonLines(stdout) as readonly TestRecord[]).filter(({ type, passed }) => type === 'test' && !passed),
  ).toHaveLength(1);
});
