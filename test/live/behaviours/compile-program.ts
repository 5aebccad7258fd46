import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLANG = 'clang-19';
const CACHE = fileURLToPath(new URL('../../../.tmp/programs', import.meta.url));

/** What a program is compiled for. Those of 32 bits have no libc and lie in one file. */
export type Machine = 'x86-64' | 'i386' | 'x32';

const OPTIONS: Readonly<Record<Machine, readonly string[]>> = {
  'x86-64': ['-pthread'],
  i386: ['-m32', '-nostdlib', '-static', '-ffreestanding', '-fno-stack-protector'],
  x32: [],
};

const versionOf = (): string => spawnSync(CLANG, ['--version'], { encoding: 'utf8' }).stdout ?? '';

/** The headers beside a source. */
const headersOf = (source: string): readonly string[] =>
  readdirSync(dirname(source))
    .filter((name) => name.endsWith('.h'))
    .sort()
    .map((name) => join(dirname(source), name));

/** Compiles a C file to an executable of this machine, kept by the hash of all that goes in; returns its path. @throws Error with what clang says */
export const compileProgram = (source: string, machine: Machine = 'x86-64'): string => {
  const options = ['-O1', '-Wall', '-Werror', ...OPTIONS[machine]];
  const hash = createHash('sha256').update(JSON.stringify([versionOf(), options]));
  for (const file of [source, ...headersOf(source)]) hash.update(readFileSync(file)).update('\0');
  const program = join(CACHE, hash.digest('hex').slice(0, 32));
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const { status, stderr, error } = spawnSync(CLANG, [...options, source, '-o', unfinished], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${CLANG} refuses ${source}:\n${error?.message ?? stderr}`);
  renameSync(unfinished, program);
  return program;
};
