// Boots Debian's kernels under qemu and runs the kernel suite in each: LSM, fentry and kprobe hooks included. One table at the end.
//   node scripts/test-kernels.mjs [6.1] [6.12] [--only GROUP]...
// With --only just the cases of the kernel suite whose names begin so are run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchKernels } from './kernels/fetch.mjs';
import { PANICKED, runGuest } from './kernels/guest.mjs';
import { buildApp, buildImage } from './kernels/image.mjs';
import { buildPrograms } from './kernels/programs.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDER = join(ROOT, '.tmp/kernels');
const APP = join(FOLDER, 'app');
const SERIES = ['6.1', '6.12'];
const SUITE = 'test/live/suite/guest-suite.js';
const ALL_MODULES = [SUITE, 'test/live/behaviours/guest-behaviours.js', 'test/live/behaviours/guest-falco.js'];
/** Falco's public rule files lie beside the repository and are no part of it. */
const FALCO = join(ROOT, '../shared/cases/falco');
const FALCO_FILES = ['falco_rules.yaml', 'falco-incubating_rules.yaml'];
const hasFalco = FALCO_FILES.every((name) => existsSync(join(FALCO, name)));
const { values: chosen, positionals: wantedSeries } = parseArgs({
  options: { only: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const MODULES = chosen.only === undefined ? ALL_MODULES : [SUITE];
const ONLY = chosen.only === undefined ? {} : { only: chosen.only };
const PROGRAMS = join(ROOT, 'test/live/programs');
/** Alone on two cores a kernel takes about two minutes. */
const LIMIT_MS = 15 * 60_000;
const SILENCE_MS = 10 * 60_000;
/**
 * How often a kernel is booted again that panicked before anything of the suite ran: code that a kernel changes while its other processor runs it (static
 * keys) is now and then seen half changed under QEMU's TCG, and the kernel panics ("Oops: int3").
 */
const BOOTS_AGAIN = 2;
const DRIVER = 'app/driver';

const say = (sentence) => console.log(`kernels: ${sentence}`);

/** Why the kernels can't be booted is a failure where CI is set, else a skip. */
const giveUp = (reason) => {
  const isFailure = Boolean(process.env.CI);
  say(`${isFailure ? 'failed' : 'skipped'}: ${reason}`);
  return isFailure ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 };
};

/** What the modules report in a simulated kernel of the same level, for comparison of what was loaded. */
const simulated = (level) => {
  const file = join(FOLDER, `simulate-${level}.json`);
  writeFileSync(
    file,
    JSON.stringify({ driver: '', modules: MODULES, ...ONLY, simulate: level, ...(hasFalco && { falco: FALCO }) }),
  );
  const { stdout, status } = spawnSync(process.execPath, [join(APP, 'test/live/suite/guest.js'), file], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`the suite could not run in the simulated kernel (exit ${status})`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === 'outcome');
};

/** A case loaded other programs in the guest than in the simulated kernel, or a behaviour raised other alerts. */
const compareDigests = (outcomes, level) => {
  const digests = new Map(simulated(level).map(({ name, digest }) => [name, digest]));
  let same = 0;
  const different = [];
  for (const { name, digest, result } of outcomes) {
    const other = digests.get(name);
    if (result === 'skipped' || digest === undefined || other === undefined) continue;
    if (digest === other) same++;
    else different.push({ name, digest, other });
  }
  say(
    `level ${level}: ${same} cases loaded the same programs, or raised the same alerts, in the guest and in the simulated kernel`,
  );
  return different.map(({ name, digest, other }) => ({
    name: `identical: ${name}`,
    result: 'failed',
    reason: groupOf(name).endsWith('behaviour')
      ? `the guest raised\n${digest}\nand the simulated kernel of level ${level}\n${other}`
      : `the guest loaded other programs than the simulated kernel of level ${level}`,
  }));
};

const runKernel = async (series, kernel, driver) => {
  const image = join(FOLDER, series, 'initramfs');
  buildImage({
    root: ROOT,
    app: APP,
    output: image,
    kernel,
    settings: { driver: `/${DRIVER}`, modules: MODULES, ...ONLY, ...(hasFalco && { falco: '/falco' }) },
    files: {
      ...buildPrograms(PROGRAMS, join(FOLDER, 'programs')),
      [DRIVER]: driver,
      'behaviours/module.ko': kernel.module,
      ...(hasFalco && Object.fromEntries(FALCO_FILES.map((name) => [`falco/${name}`, join(FALCO, name)]))),
    },
  });
  const outcomes = [];
  let started = Date.now();
  let hasBegun = false;
  const boot = () =>
    runGuest({
      kernel: kernel.image,
      image,
      consoleFile: join(FOLDER, series, 'console.log'),
      limitMs: LIMIT_MS,
      silenceMs: SILENCE_MS,
      onMessage: (message) => {
        hasBegun = true;
        if (message.kind === 'module') say(`${kernel.release}: ${message.module}, ${since(started)} s after power-on`);
        if (message.kind !== 'outcome') return;
        outcomes.push(message);
        if (message.result === 'failed') say(`${kernel.release}: FAILED ${message.name}\n${message.reason}`);
        else if (outcomes.length % 20 === 0) say(`${kernel.release}: ${outcomes.length} cases, ${since(started)} s`);
      },
    });
  say(`booting ${kernel.release}`);
  let trouble = await boot();
  for (let again = 0; again < BOOTS_AGAIN && !hasBegun && trouble?.startsWith(PANICKED); again++) {
    say(`${kernel.release}: booting again, as before its suite began ${trouble}`);
    started = Date.now();
    trouble = await boot();
  }
  say(`${kernel.release}: ${outcomes.length} cases in ${since(started)} s`);
  if (trouble !== undefined) {
    say(`${kernel.release}: ${trouble}`);
    outcomes.push({ name: 'guest: runs to its end', result: 'failed', reason: trouble });
  }
  const different = compareDigests(outcomes, series);
  for (const { name, reason } of different) say(`${kernel.release}: FAILED ${name}: ${reason}`);
  return [...outcomes, ...different];
};

const since = (started) => ((Date.now() - started) / 1000).toFixed(0);

const groupOf = (name) => name.slice(0, name.indexOf(': '));

const rowsOf = (release, outcomes) => {
  const groups = new Map();
  for (const { name, result, reason } of outcomes) {
    const group = groups.get(groupOf(name)) ?? { passed: 0, failed: 0, skipped: 0, reasons: new Set() };
    group[result]++;
    if (result === 'skipped') group.reasons.add(reason);
    groups.set(groupOf(name), group);
  }
  return [...groups].map(([name, { passed, failed, skipped, reasons }]) => [
    release,
    name,
    String(passed),
    String(failed),
    String(skipped),
    [...reasons].join('; '),
  ]);
};

const printTable = (rows) => {
  const table = [['kernel', 'hook or feature', 'passed', 'failed', 'skipped', 'why'], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    const cells = row.map((cell, column) =>
      column >= 2 && column <= 4 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    );
    console.log(cells.join('  ').trimEnd());
  }
};

const main = async (wanted) => {
  const unknown = wanted.find((series) => !SERIES.includes(series));
  if (unknown !== undefined) {
    console.error(`there is no kernel ${unknown} here; there are ${SERIES.join(' and ')}`);
    process.exitCode = 2;
    return;
  }
  const series = wanted.length > 0 ? wanted : SERIES;
  mkdirSync(FOLDER, { recursive: true });
  let totals = { passed: 0, failed: 0, skipped: 0 };
  try {
    if (!hasFalco && process.env.CI)
      throw new Error(`there is no ${FALCO}; its cases can't be skipped where CI is set`);
    const kernels = fetchKernels(FOLDER, series, say);
    buildApp(ROOT, APP);
    const { buildDriver } = await import(join(APP, 'test/live/suite/build-driver.js'));
    const driver = buildDriver(join(ROOT, 'test/live/suite/driver.c'));
    const rows = [];
    for (const [index, kernel] of kernels.entries()) {
      const outcomes = await runKernel(series[index], kernel, driver);
      rows.push(...rowsOf(kernel.release, outcomes));
      for (const { result } of outcomes) totals[result]++;
    }
    printTable(rows);
  } catch (error) {
    totals = giveUp(error.message);
  }
  const file = process.env.SHRIKE_TOTALS;
  if (file !== undefined) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(totals));
  }
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  process.exitCode = totals.failed > 0 ? 1 : 0;
};

await main(wantedSeries);
