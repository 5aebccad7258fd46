// Runs the tests in a larger size than `npm test` does.
//   node scripts/suite.mjs ci            every test with a tenth of the full counts, fresh seeds; then the kernels under qemu
//   node scripts/suite.mjs full [name…]  full counts, one suite (a folder of test/, or `kernels`) after the other; a second call
//                                        on the same commit and tree goes on where the first stopped; --fresh starts again
import { spawnSync } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const STATE = join(ROOT, '.tmp/full.json');

const git = (...args) =>
  spawnSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 }).stdout?.trim() ?? '';

/** The commit, with a mark and a digest of what is changed in the tree. */
const revision = () => {
  const commit = git('rev-parse', '--short=12', 'HEAD') || 'unknown';
  const changes = git('status', '--porcelain') + git('diff', 'HEAD');
  return changes === '' ? commit : `${commit}+${createHash('sha256').update(changes).digest('hex').slice(0, 6)}`;
};

/** Runs a program of Node's and returns the totals it wrote; one failure where it wrote none. */
const runNode = (program, args, seed, env = {}) => {
  const totalsFile = join(ROOT, `.tmp/totals-${process.pid}.json`);
  const started = Date.now();
  const child = spawnSync(process.execPath, [join(ROOT, program), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env, SHRIKE_TOTALS: totalsFile },
  });
  const totals = existsSync(totalsFile)
    ? JSON.parse(readFileSync(totalsFile, 'utf8'))
    : { passed: 0, failed: 1, skipped: 0 };
  rmSync(totalsFile, { force: true });
  if (child.status !== 0 && totals.failed === 0) totals.failed = 1;
  return { ...totals, seed, seconds: (Date.now() - started) / 1000 };
};

/** Runs vitest on the given folders. */
const runVitest = (size, seed, folders) => {
  const reporters = ['--reporter=default', '--reporter=./scripts/totals-reporter.mjs'];
  return runNode('node_modules/vitest/vitest.mjs', ['run', ...reporters, ...folders], seed, {
    SHRIKE_SUITE: size,
    SHRIKE_SEED: String(seed),
  });
};

/** The suite that boots kernels under qemu; it is no folder of test/. */
const KERNELS = 'kernels';
const runKernels = (seed) => runNode('scripts/test-kernels.mjs', [], seed);

const freshSeed = () => Number(process.env.SHRIKE_SEED ?? randomInt(1, 2 ** 31));

/** Writes the last line, also to SHRIKE_TOTALS for a caller that adds up, and says how to exit. */
const finish = (results) => {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  for (const result of results) for (const key of Object.keys(totals)) totals[key] += result[key];
  const failures = results.flatMap((result) => result.failures ?? []);
  const file = process.env.SHRIKE_TOTALS;
  if (file !== undefined) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ ...totals, failures }));
  }
  for (const name of failures) console.log(`failed: ${name}`);
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  process.exitCode = totals.failed > 0 ? 1 : 0;
};

const runCi = () => {
  const seed = freshSeed();
  console.log(`suite ci: seed ${seed} (again with SHRIKE_SEED=${seed})`);
  finish([runVitest('ci', seed, []), runKernels(seed)]);
};

const hasTests = (folder) => readdirSync(folder, { recursive: true }).some((path) => path.endsWith('.test.ts'));

const suiteNames = () =>
  readdirSync(join(ROOT, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && hasTests(join(ROOT, 'test', entry.name)))
    .map((entry) => entry.name)
    .concat(KERNELS)
    .sort();

const readState = (commit) => {
  try {
    const state = JSON.parse(readFileSync(STATE, 'utf8'));
    return state.commit === commit ? state : { commit, suites: {} };
  } catch {
    return { commit, suites: {} };
  }
};

const printTable = (commit, names, suites) => {
  const rows = [['commit', 'suite', 'seed', 'passed', 'failed', 'skipped', 'seconds']];
  for (const name of names) {
    const { seed, passed, failed, skipped, seconds } = suites[name];
    rows.push([commit, name, seed, passed, failed, skipped, seconds.toFixed(1)].map(String));
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
};

const runFull = (args) => {
  const all = suiteNames();
  const asked = args.filter((argument) => !argument.startsWith('--'));
  const unknown = asked.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    console.error(`there is no suite ${unknown}; there are ${all.join(', ')}`);
    process.exitCode = 2;
    return;
  }
  const commit = revision();
  const state = args.includes('--fresh') ? { commit, suites: {} } : readState(commit);
  const names = asked.length > 0 ? asked : all;
  for (const name of names) {
    const earlier = state.suites[name];
    if (earlier?.failed === 0) {
      console.log(`suite ${name}: passed before on ${commit}, seed ${earlier.seed}`);
      continue;
    }
    const seed = freshSeed();
    console.log(`suite ${name}: seed ${seed} (again with SHRIKE_SEED=${seed})`);
    state.suites[name] = name === KERNELS ? runKernels(seed) : runVitest('full', seed, [`test/${name}/`]);
    mkdirSync(dirname(STATE), { recursive: true });
    writeFileSync(STATE, JSON.stringify(state, undefined, 1));
  }
  printTable(commit, names, state.suites);
  finish(names.map((name) => state.suites[name]));
};

const [size, ...args] = process.argv.slice(2);
if (size === 'ci') runCi();
else if (size === 'full') runFull(args);
else {
  console.error('usage: node scripts/suite.mjs ci | full [suite…] [--fresh]');
  process.exitCode = 2;
}
