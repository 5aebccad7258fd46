import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { interpreterOf } from '../../../sensors/sim/kernel/exec.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom } from '../../support/random.ts';

/** Linux's BINPRM_BUF_SIZE. */
const HEADER_BYTES = 256;

const LINES = [
  ...[
    '#!',
    '#! ',
    '#!\n',
    '#! \t\n',
    '#!\0/bin/echo\n',
    '#!/bin/echo',
    '#!/bin/echo ',
    '#!/bin/echo \n',
    '#!/bin/echo a b \n',
  ],
  ...['#!/bin/echo\0a\n', '#!/bin/echo a\0b\n', '#!/none', '#!/none a\n', '#!\t/bin/echo\ta'],
  ...[
    `#!${' '.repeat(300)}`,
    `#!/bin/echo ${'x'.repeat(300)}`,
    `#!/${'x'.repeat(300)}`,
    `#!/bin/echo${' '.repeat(300)}`,
  ],
];
const PIECES = [' ', '\t', '/bin/echo', '/bin/echo', 'a', '\0', '\n', '/none', ' '.repeat(230), 'c'.repeat(230)];

/** What this machine's kernel makes of a file with that text. */
const onLinux = (file: string, text: string): string => {
  writeFileSync(file, text, { mode: 0o755, encoding: 'latin1' });
  const { error, stdout } = spawnSync(file, { encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'] });
  if (error !== undefined) return ((error as NodeJS.ErrnoException).code ?? String(error)).replace('ENOTDIR', 'ENOENT');
  // the C library gives what is no program to a shell, to which the line is a comment
  return stdout === '' ? 'ENOEXEC' : stdout;
};

const inSimulation = (file: string, text: string): string => {
  const found = interpreterOf(Buffer.from(text, 'latin1').subarray(0, HEADER_BYTES));
  if (found === undefined) return 'ENOEXEC';
  if (found.path === '') return 'EACCES';
  if (found.path !== '/bin/echo') return 'ENOENT';
  return `${found.argument === undefined ? '' : `${found.argument} `}${file}\n`;
};

it("finds the interpreter and its argument in a script's first line, as Linux does", () => {
  const random = createRandom(seed('script lines'));
  const generated = Array.from({ length: count(2_000) }, () => {
    const text = `#!${Array.from({ length: random.between(0, 7) }, () => random.pick(PIECES)).join('')}`;
    const end = text.indexOf('\n');
    return end < 0 ? text : text.slice(0, end + 1);
  });
  const file = join(temporaryFolder(), 'script');
  const lines = [...new Set([...LINES, ...generated])];
  const outcomes = (make: typeof onLinux) => lines.map((text) => [text, make(file, text)]);
  expect(outcomes(inSimulation)).toEqual(outcomes(onLinux));
});
