import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../cli/program.ts';
import { at } from '../support/cli.ts';
import { temporaryFolder } from '../support/folder.ts';

const UNIT = at('scripts/systemd/shrike.service');
const text = readFileSync(UNIT, 'utf8');
/** What a setting of the unit is, each time it is set. */
const settings = (name: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value);

const analyze = (...words: readonly string[]) => spawnSync('systemd-analyze', words, { encoding: 'utf8' });

/** Why the unit can't be checked here. */
const skip = analyze('--version').error === undefined ? undefined : 'systemd-analyze is missing';

/** Exposure above which systemd calls a service exposed, in tenths; ours is to be well below 3.0. */
const THRESHOLD = 20;

it('gives the service two capabilities, and only those', () => {
  expect(settings('AmbientCapabilities')).toEqual(['CAP_BPF CAP_PERFMON']);
  expect(settings('CapabilityBoundingSet')).toEqual(settings('AmbientCapabilities'));
  expect(settings('DynamicUser')).toEqual(['yes']);
});

it('starts a command that there is, with options that it has', async () => {
  const [start = ''] = settings('ExecStart');
  const [program, command, ...words] = start.split(' ');
  expect(program).toBe('/usr/local/bin/shrike');
  const run = (await createProgram()).commands.find((each) => each.name() === command);
  expect(run?.parseOptions(words.filter((word) => word !== '$SHRIKE_OPTIONS'))).toEqual({ operands: [], unknown: [] });
  expect(run?.opts()).toMatchObject({
    sensor: 'linux',
    scope: '/',
    json: true,
    audit: expect.stringMatching(/^\$\{STATE_DIRECTORY\}\/audit$/),
  });
});

describe.skipIf(skip)(`systemd-analyze${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
  it('finds nothing wrong with the unit', () => {
    const file = join(temporaryFolder(), 'shrike.service');
    writeFileSync(file, text.replace('/usr/local/bin/shrike', process.execPath));
    const { status, stdout, stderr } = analyze('verify', '--man=no', file);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('would find something wrong', () => {
    const file = join(temporaryFolder(), 'shrike.service');
    writeFileSync(file, text.replace('ProtectSystem=strict', 'ProtectSystem=much'));
    const { stderr } = analyze('verify', '--man=no', file);
    expect(stderr).toContain('Failed to parse protect system value, ignoring: much');
    expect(stderr).toContain('Command /usr/local/bin/shrike is not executable');
  });

  it('calls the service hardly exposed', () => {
    const { status, stdout } = analyze('security', '--offline=true', `--threshold=${THRESHOLD}`, '--no-pager', UNIT);
    expect(stdout).toMatch(/Overall exposure level for shrike\.service: [01]\.\d OK/);
    expect(status).toBe(0);
  });

  it('calls it exposed without its hardening', () => {
    const file = join(temporaryFolder(), 'shrike.service');
    writeFileSync(file, text.replace(/^(Protect|Private|Restrict|SystemCall|Capability|DynamicUser).*$/gm, ''));
    expect(analyze('security', '--offline=true', `--threshold=${THRESHOLD}`, '--no-pager', file).status).not.toBe(0);
  });
});
