import { type Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../cli/program.ts';
import { startProgram } from '../support/cli.ts';
import { shrike } from '../support/command.ts';

/** What a command prints for its help. */
const helpOf = async (...words: readonly string[]): Promise<string> => {
  let text = '';
  const append = (part: string): void => {
    text += part;
  };
  const write = { writeOut: append, writeErr: append };
  const program = (await createProgram()).configureOutput(write);
  for (const command of all(program)) command.configureOutput(write).exitOverride();
  try {
    program.parse([...words, '--help'], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return text;
    throw error;
  }
  throw new Error('--help did not end the program');
};

const all = (command: Command): readonly Command[] => command.commands.flatMap((each) => [each, ...all(each)]);

it('the help lists every command, the exit codes and examples', async () => {
  const help = await helpOf();
  for (const name of ['run', 'watch', 'check', 'explain', 'test', 'alerts', 'scenarios', 'doctor', 'bpf', 'schema'])
    expect(help).toMatch(new RegExp(`^  ${name} `, 'm'));
  expect(help).toContain(
    'Exit codes: 0 fine, 1 findings (errors in policies, failed tests), 2 wrong usage or input, 3 ',
  );
  expect(help).toContain('Examples:\n  shrike run ');
});

const BPF = ['bpf asm', 'bpf disasm', 'bpf verify', 'bpf run', 'bpf inspect'];

describe.each([
  'run',
  'watch',
  'check',
  'explain',
  'preview',
  'enforce',
  'test',
  'alerts',
  'audit show',
  'audit query',
  'audit verify',
  'audit prove',
  'audit check-proof',
  'audit rotate-key',
  'nats-config',
  'scenarios run',
  'doctor',
  'schema',
  ...BPF,
])('shrike %s', (name) => {
  it('has help with examples that use options it has', async () => {
    const help = await helpOf(...name.split(' '));
    expect(help).toContain('\nExamples:\n  shrike ');
    const examples = help.slice(help.indexOf('\nExamples:'));
    const used = new Set(
      [...examples.matchAll(new RegExp(`^  shrike ${name} .*$`, 'gm'))].flatMap(([line]) =>
        [...line.split('|')[0]!.matchAll(/ (--[a-z-]+)/g)].map(([, option]) => option),
      ),
    );
    for (const option of used) expect(help.slice(0, help.indexOf('\nExamples:'))).toContain(`  ${option}`);
  });

  it('fits a terminal of 135 columns', async () => {
    const help = await helpOf(...name.split(' '));
    expect(help.split('\n').filter((line) => line.length > 135)).toEqual([]);
  });
});

describe('wrong usage ends with exit code 2 and says what to do', () => {
  it.each([
    ['an unknown command', ['chek'], "shrike: unknown command 'chek'\n(Did you mean check?)\n"],
    ['an unknown option', ['run', '--tre'], "shrike: unknown option '--tre'\n(Did you mean --tree?)\n"],
    [
      'a value that is none of the choices',
      ['run', '--sensor', 'sym'],
      "shrike: option '--sensor <kind>' argument 'sym' is invalid. Allowed choices are sim, replay, linux.\n",
    ],
    [
      'a number that is none',
      ['alerts', '--count', '0'],
      "shrike: option '--count <n>' argument '0' is invalid. Expected a whole number from 1 on.\n",
    ],
    ['a missing argument', ['check'], "shrike: missing required argument 'paths'\n"],
    [
      'replay without a recording',
      ['run', '--sensor', 'replay'],
      'shrike: --sensor replay needs a recording; give one with --input FILE\n',
    ],
    ['a tree of objects', ['run', '--tree', '--json'], 'shrike: --tree and --json exclude each other\n'],
    [
      'a URL that is none',
      ['run', '--nats', 'http://127.0.0.1'],
      'shrike: "http://127.0.0.1" is not the URL of a NATS server; expected nats://[user:password@]host[:port] or tls://host[:port]\n',
    ],
  ])('%s', async (_, args, stderr) => {
    expect(await shrike(...args)).toEqual({ code: 2, stdout: '', stderr });
  });
});

describe('the command as it is built', () => {
  it('without an argument has read every subcommand, and ends with its help', async () => {
    const { code, stdout, stderr } = await startProgram('main', []).finished;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: shrike \[options\] \[command\]\n/);
  });

  it('tells what went wrong in one sentence', async () => {
    const { code, stdout, stderr } = await startProgram('main', ['run', '--scenario', 'none']).finished;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^shrike: there is no scenario "none"/);
  });

  it('prints its version', async () => {
    const { finished } = startProgram('main', ['--version']);
    expect(await finished).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' });
  });
});
