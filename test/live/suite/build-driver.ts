import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMPILER = 'clang-19';
const SOURCE = fileURLToPath(new URL('driver.c', import.meta.url));
const CACHE = fileURLToPath(new URL('../../../.tmp/driver', import.meta.url));
const OPTIONS = [
  '-static',
  '-nostdlib',
  '-ffreestanding',
  '-fno-pie',
  '-fno-stack-protector',
  '-O1',
  '-Wall',
  '-Werror',
];

/** Why driver.c can't be built here; undefined where it can. */
export const driverUnavailable = (): string | undefined =>
  spawnSync(COMPILER, ['--version'], { stdio: 'ignore' }).status === 0
    ? undefined
    : `${COMPILER} is not installed (node scripts/setup.mjs --clang)`;

/** Builds driver.c to a static program and returns its path; kept in .tmp by the hash of its source. @throws Error with the compiler's words */
export const buildDriver = (source = SOURCE): string => {
  const hash = createHash('sha256').update(readFileSync(source)).update(OPTIONS.join()).digest('hex');
  const program = join(CACHE, hash.slice(0, 16));
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const { status, stderr } = spawnSync(COMPILER, [...OPTIONS, '-o', unfinished, source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${COMPILER} refuses ${source}:\n${stderr}`);
  renameSync(unfinished, program);
  return program;
};
