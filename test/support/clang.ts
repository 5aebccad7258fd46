import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLANG = 'clang-19';
const CACHE = fileURLToPath(new URL('../../.tmp/clang', import.meta.url));
const INCLUDE = fileURLToPath(new URL('../objects/include', import.meta.url));

export interface CompileOptions {
  /** Instruction set: v4 has sign-extending loads and moves, signed division, byte swaps and the far jump; default v4. */
  readonly cpu?: 'v1' | 'v2' | 'v3' | 'v4';
  /** Further options of clang's. */
  readonly flags?: readonly string[];
}

let version: string | undefined;

/** What `clang-19 --version` begins with; undefined where it isn't installed. */
function clangVersion(): string | undefined {
  version ??= spawnSync(CLANG, ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0];
  return version;
}

/** Why tests that compile C are skipped; undefined where they can run. For `describe.skipIf`. */
export const clangSkip = (): string | undefined =>
  clangVersion() === undefined ? `${CLANG} is not installed (node scripts/setup.mjs --clang)` : undefined;

const headers = (): readonly string[] =>
  existsSync(INCLUDE)
    ? readdirSync(INCLUDE, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.h'))
        .sort()
        .map((name) => join(INCLUDE, name))
    : [];

/**
 * Compiles C for BPF to an ELF file: the path of a `.c` file, which must have no warnings, or the text itself. test/objects/include is
 * in the search path.
 * Kept in .tmp by the hash of everything that goes in. @throws Error with all that clang says where it doesn't compile
 */
export function compileC(source: string, { cpu = 'v4', flags = [] }: CompileOptions = {}): Uint8Array {
  const isFile = source.endsWith('.c') && !source.includes('\n');
  const text = isFile ? readFileSync(source) : source;
  const warnings = isFile ? ['-Wall', '-Werror'] : [];
  const options = ['-target', 'bpf', '-O2', '-g', ...warnings, `-mcpu=${cpu}`, `-I${INCLUDE}`, ...flags];
  const hash = createHash('sha256').update(JSON.stringify([clangVersion(), options, isFile && source]));
  for (const part of [...headers().map((path) => readFileSync(path)), text]) hash.update(part).update('\0');
  const object = join(CACHE, `${hash.digest('hex').slice(0, 32)}.o`);
  if (!existsSync(object)) {
    mkdirSync(CACHE, { recursive: true });
    const unfinished = `${object}.${process.pid}`;
    const input = isFile ? [source, `-I${dirname(source)}`] : ['-x', 'c', '-'];
    const { status, stderr, error } = spawnSync(CLANG, [...options, '-c', ...input, '-o', unfinished], {
      encoding: 'utf8',
      ...(!isFile && { input: text }),
    });
    if (status !== 0) throw new Error(`${CLANG} refuses ${isFile ? source : 'the text'}:\n${error?.message ?? stderr}`);
    renameSync(unfinished, object);
  }
  return new Uint8Array(readFileSync(object));
}
