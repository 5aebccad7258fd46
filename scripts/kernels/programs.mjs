// Compiles the C programs of behaviours for guests, static, since a guest has no libraries of C's.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const OPTIONS = ['-O1', '-static'];
/** Those for 32-bit calls have no libc. */
const OPTIONS_32 = ['-m32', '-nostdlib', '-ffreestanding', '-fno-stack-protector'];

const compile = (source, program) => {
  const options = [...OPTIONS, ...(source.endsWith('-i386.c') ? OPTIONS_32 : ['-pthread'])];
  const { status, stderr, error } = spawnSync('clang-19', [...options, source, '-o', program], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`clang-19 can't build ${source}: ${error?.message ?? stderr}`);
  return program;
};

/**
 * The programs of `sources` and a `true` that ends at once, compiled into `folder`.
 * @returns {Record<string, string>} where a guest has them, and their files
 */
export const buildPrograms = (sources, folder) => {
  mkdirSync(folder, { recursive: true });
  const files = {};
  for (const name of readdirSync(sources).filter((file) => file.endsWith('.c'))) {
    const program = basename(name, '.c');
    files[`behaviours/${program}`] = compile(join(sources, name), join(folder, program));
  }
  const nothing = join(folder, 'true.c');
  writeFileSync(nothing, 'int main(void) { return 0; }\n');
  files['usr/bin/true'] = compile(nothing, join(folder, 'true'));
  return files;
};
