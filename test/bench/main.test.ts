import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type Case, measure, median } from '../../bench/harness.ts';

const SUITES = ['vm', 'verifier', 'rules', 'replay', 'sim', 'live', 'alerts', 'storm', 'audit'];

/** Built by npm test's setup. */
const MAIN = fileURLToPath(new URL('../../dist/bench/main.js', import.meta.url));
const bench = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });

it('prints its help, with all suites and options', () => {
  const { status, stdout, stderr } = bench('--help');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^Usage: npm run bench -- \[options\] \[suite\.\.\.\]\n/);
  for (const word of [...SUITES, '--samples', '--json', '--help']) expect(stdout).toMatch(`\n  ${word} `);
});

it.each([
  [['vmm'], `bench: there is no suite "vmm"; there are ${SUITES.join(', ')}\n`],
  [['vm', 'lives'], `bench: there is no suite "lives"; there are ${SUITES.join(', ')}\n`],
  [['--samples', 'many'], 'bench: --samples takes a number from 1, not "many"\n'],
  [['--fast'], "bench: Unknown option '--fast'; --help lists what there is\n"],
])('refuses %j', (args, stderr) => {
  expect(bench(...args)).toMatchObject({ status: 2, stdout: '', stderr });
});

it('takes the middle of what it measured', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 2, 100])).toBe(3);
  expect(median([7])).toBe(7);
});

it('samples in turn, leaves out the first round, and compares medians', async () => {
  const order: string[] = [];
  const scripted = (name: string, values: readonly number[], baseline?: string): Case => {
    const rest = [...values];
    const sample = (): number => {
      order.push(name);
      return rest.shift() ?? Number.NaN;
    };
    return { name, unit: 'ms', sample, ...(baseline === undefined ? {} : { baseline }) };
  };
  const measured = await measure('suite', [scripted('a', [1000, 2, 1, 3]), scripted('b', [0, 5, 5, 80], 'a')], 3);
  expect(order.join('')).toBe('abababab');
  expect(measured).toEqual([
    { suite: 'suite', name: 'a', unit: 'ms', median: 2, samples: 3 },
    { suite: 'suite', name: 'b', unit: 'ms', median: 5, baseline: 2, ratio: 2.5, samples: 3 },
  ]);
});
