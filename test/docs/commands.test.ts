import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { createProgram } from '../../cli/program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `shrike ...` and `node dist/cli/main.js ...` lines of the blocks of a document, and in backquotes; without comments and pipes. */
const commandsOf = (markdown: string): readonly string[] => {
  const blocks = [...markdown.matchAll(/^```(?:sh)?\n(.*?)^```$/gms)].flatMap(([, text = '']) => text.split('\n'));
  const spans = [...markdown.replace(/^```.*?^```$/gms, '').matchAll(/`(shrike [^`]+)`/g)].map(([, text = '']) => text);
  return [...blocks, ...spans].flatMap((line) => {
    const command = /^\s*(?:shrike|node dist\/cli\/main\.js) ([a-z].*)$/.exec(line)?.[1];
    return command === undefined ? [] : [command.replace(/\s+(#|\||>).*$/, '').trim()];
  });
};

const found = [...readdirSync(`${ROOT}/docs`).map((name) => `docs/${name}`), 'README.md']
  .filter((path) => path.endsWith('.md'))
  .flatMap((path) => commandsOf(readFileSync(`${ROOT}/${path}`, 'utf8')).map((command) => ({ path, command })));

/** What is wrong with a command line, undefined where nothing is; no action is run. */
const wrongWith = async (line: string): Promise<string | undefined> => {
  const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  );
  let command: Command = await createProgram();
  let next = command.commands.find((each) => each.name() === words[0]);
  if (next === undefined) return `no command ${words[0]}`;
  while (next !== undefined) {
    command = next;
    words.shift();
    next = command.commands.find((each) => each.name() === words[0]);
  }
  const { operands, unknown } = command.parseOptions(words);
  if (unknown.length > 0) return `no option ${unknown[0]}`;
  const most = command.registeredArguments.some((argument) => argument.variadic)
    ? Number.POSITIVE_INFINITY
    : command.registeredArguments.length;
  return operands.length > most ? `no argument ${operands[most]}` : undefined;
};

it('finds the commands that the documents name', () => {
  expect(found.length).toBeGreaterThan(15);
  expect(new Set(found.map(({ path }) => path))).toContain('README.md');
});

it.each(found)('$path: shrike $command', async ({ command }) => {
  expect(await wrongWith(command)).toBeUndefined();
});

it('would notice one that is wrong', async () => {
  expect(await wrongWith('rum policy.yaml')).toBe('no command rum');
  expect(await wrongWith('run policy.yaml')).toBe('no argument policy.yaml');
  expect(await wrongWith('check policy.yaml --levels 6.1')).toBe('no option --levels');
});
