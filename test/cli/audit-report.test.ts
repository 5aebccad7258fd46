import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { outputProblem } from '../../alerts/index.ts';
import { CliError } from '../../cli/exit.ts';
import { createProgram } from '../../cli/program.ts';
import { alertAt, processOf, STORY, writeStory } from '../alerts/report/story.ts';
import type { Finished } from '../support/cli.ts';
import { shrike, shrikeWith } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';

const logIn = async (parent: string): Promise<string> => {
  const folder = join(parent, 'log');
  await writeStory(folder, STORY);
  return folder;
};

/** Without what a slow machine is told of how far it has come. */
const withoutProgress = ({ code, stdout, stderr }: Finished): Finished => ({
  code,
  stdout,
  stderr: stderr.replace(/^reading and verifying .*\n/gm, ''),
});

const report = async (...args: readonly string[]): Promise<Finished> =>
  withoutProgress(await shrike('audit', 'report', ...args));

describe('shrike audit report', () => {
  it('writes one page that only its owner may read, says on stderr what it is, and nothing on stdout', async () => {
    const parent = temporaryFolder();
    const folder = await logIn(parent);
    const out = join(parent, 'report.html');
    const metrics = join(parent, 'metrics');
    const key = join(parent, 'web-1.pub');
    copyFileSync(join(folder, 'log.pub'), key);
    writeFileSync(
      metrics,
      'shrike_policy_seconds_total{policy="credential-files"} 1.5\nshrike_program_runs_total{hook="tp_btf/sys_exit"} 2000000\nshrike_program_seconds_total{hook="tp_btf/sys_exit"} 0.5\n',
    );
    const options = ['--title', 'Week <1>', '--metrics', metrics, '--key', key, '-o', out];
    expect(await report(folder, ...options)).toEqual({
      code: 0,
      stdout: '',
      stderr: `${out}: 16 entries, 4 alerts, 13 in full; the log is verified\n`,
    });
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(readdirSync(parent).sort()).toEqual(['log', 'metrics', 'report.html', 'web-1.pub']);
    const html = readFileSync(out, 'utf8');
    expect(html).toContain('<h1>Week &lt;1&gt;</h1>');
    expect(html).toContain('The key was given from outside of the log.');
    expect(html).toMatch(/tp_btf\/sys_exit<\/code>.*2,000,000.*0\.500.*250</);
  });

  it('makes a page of a log that is not what was signed, too, and ends with exit code 1', async () => {
    const parent = temporaryFolder();
    const folder = await logIn(parent);
    const path = join(folder, 'audit-000001.jsonl');
    writeFileSync(path, readFileSync(path, 'utf8').replace('203.0.113.66', '203.0.113.67'));
    const out = join(parent, 'report.html');
    const { code, stderr } = await report(folder, '-o', out);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `${out}: 16 entries, 4 alerts, 13 in full; the log is NOT what was signed; the report says what is wrong\n`,
    });
    expect(readFileSync(out, 'utf8')).toContain('entry 9 was changed');
  });

  it('replaces a link in the place of the report, and never writes into the log', async (context) => {
    inLargerSizes(context);
    const parent = temporaryFolder();
    const folder = await logIn(parent);
    const path = join(folder, 'audit-000001.jsonl');
    const before = readFileSync(path, 'utf8');
    const out = join(parent, 'report.html');
    symlinkSync(path, out);
    expect((await report(folder, '-o', out)).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readFileSync(out, 'utf8')).toMatch(/^<!DOCTYPE html>/);
    symlinkSync(folder, join(parent, 'again'));
    mkdirSync(join(folder, 'tile', 'x'));
    for (const place of [folder, join(parent, 'again'), join(folder, 'tile', 'x')]) {
      const inside = join(place, 'report.html');
      expect(outputProblem(inside, folder)).toBe(
        `${inside} is in the log's folder ${folder}, where a report changes nothing: choose another place`,
      );
    }
    const inside = join(parent, 'again', 'report.html');
    expect(await report(folder, '-o', inside)).toEqual({
      code: 2,
      stdout: '',
      stderr: `shrike: ${outputProblem(inside, folder)}\n`,
    });
    expect(existsSync(inside)).toBe(false);
  });

  it.each([
    [
      ['-o', 'MISSING/report.html'],
      2,
      'MISSING is no folder that can be written to (ENOENT): make it, or choose another place',
    ],
    [['-o', 'PARENT'], 3, /^PARENT can't be written: EISDIR: illegal operation on a directory, rename /],
    [['-o', 'OUT', '--since', '2026-01-02', '--until', '2026-01-01'], 2, '--since is not before --until'],
    [
      ['-o', 'OUT', '--metrics', 'LOG/log.pub'],
      2,
      'LOG/log.pub: it has neither shrike_policy_seconds_total nor shrike_program_runs_total: save what /metrics of "shrike run --metrics --program-cost" answers',
    ],
    [
      ['-o', 'OUT', '--metrics', 'MISSING'],
      2,
      "MISSING can't be read: ENOENT: no such file or directory, open 'MISSING'",
    ],
    [['-o', 'OUT', '--key', 'LOG/checkpoint'], 2, /^PARENT\/log\/checkpoint: not a public key: /],
  ] as const)('says what is wrong: %j', async (given, code, expected) => {
    const parent = temporaryFolder();
    const folder = await logIn(parent);
    const filled = (text: string): string =>
      text
        .replaceAll('MISSING', join(parent, 'missing'))
        .replaceAll('PARENT', parent)
        .replaceAll('LOG', folder)
        .replaceAll('OUT', join(parent, 'report.html'));
    const program = await createProgram('audit');
    const ended = program.parseAsync(['audit', 'report', folder, ...given.map(filled)], { from: 'user' });
    const error = await ended.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CliError);
    const { message, exitCode } = error as CliError;
    if (typeof expected === 'string') expect(message).toBe(filled(expected));
    else expect(message.replaceAll(parent, 'PARENT')).toMatch(expected);
    expect(exitCode).toBe(code);
    expect(readdirSync(parent)).toEqual(['log']);
  });

  it('takes the log of the newest run where no folder is given, and says so', async () => {
    const state = temporaryFolder();
    const folder = join(state, 'shrike', 'audit-20260102T030405-x');
    mkdirSync(join(state, 'shrike'));
    await writeStory(folder, STORY);
    const out = join(state, 'report.html');
    const finished = await shrikeWith({ XDG_STATE_HOME: state }, 'audit', 'report', '-o', out);
    const { code, stderr } = withoutProgress(finished);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `the audit log in ${folder}\n${out}: 16 entries, 4 alerts, 13 in full; the log is verified\n`,
    });
  });

  it('reads and verifies a large log in two threads', async (context) => {
    inLargerSizes(context);
    const parent = temporaryFolder();
    const folder = join(parent, 'log');
    const many = Array.from({ length: 9_000 }, (_, index) => alertAt(index, { process: processOf(index, 'x', '/x') }));
    await writeStory(folder, many);
    const out = join(parent, 'report.html');
    const again = () => report(folder, '--limit', '100', '-o', out);
    expect(await again()).toEqual({
      code: 0,
      stdout: '',
      stderr: `${out}: 9,000 entries, 9,000 alerts, 100 in full; the log is verified\n`,
    });
    expect(readFileSync(out, 'utf8')).toContain('9,000 entries of 9,000 are what was signed.');
    const path = join(folder, 'audit-000001.jsonl');
    const text = readFileSync(path, 'utf8');
    const wrong = text.indexOf('"seq":8000,');
    writeFileSync(path, `${text.slice(0, wrong)}${text.slice(wrong).replace('critical', 'Critical')}`);
    expect((await again()).code).toBe(1);
    expect(readFileSync(out, 'utf8')).toContain(`${path}:8000: entry 8000 was changed`);
  });
});
