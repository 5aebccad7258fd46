import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commandProblem } from '../../cli/command.ts';
import { temporaryFolder } from '../support/folder.ts';

it('finds commands as shells do: by path, or in the folders of PATH, and tells missing ones from those that are no programs', () => {
  const folder = temporaryFolder();
  const [first, second] = ['first', 'second'].map((name) => join(folder, name)) as [string, string];
  for (const path of [first, second]) mkdirSync(path);
  writeFileSync(join(first, 'text'), '', { mode: 0o644 });
  writeFileSync(join(first, 'both'), '', { mode: 0o644 });
  writeFileSync(join(second, 'both'), '', { mode: 0o755 });
  writeFileSync(join(second, 'program'), '', { mode: 0o755 });
  mkdirSync(join(first, 'folder'));
  const path = `${first}:${second}:${join(first, 'text')}:${join(folder, 'missing')}`;
  expect(
    [
      'program',
      'both',
      'text',
      'folder',
      'nothing',
      join(second, 'program'),
      join(first, 'text'),
      `${folder}/none`,
    ].map((name) => commandProblem(name, path)),
  ).toEqual([0, 0, 126, 126, 127, 0, 126, 127]);
  expect(commandProblem('program', '')).toBe(127);
});
