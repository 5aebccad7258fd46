import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { loadPolicies, type Policy, packageFolder } from '../../policies/index.ts';
import { type Compiled, compile } from '../../rules/index.ts';
import { createRepeatedReplay, createReplaySensor, type Sensor } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { casesFolder } from '../support/cases.ts';
import { count, suiteSize } from '../support/counts.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

/** A recording; its first lines where little time is given. */
const recording = (name: string): string => {
  const path = fileURLToPath(new URL(`../recordings/${name}.strace`, import.meta.url));
  if (suiteSize !== 'quick') return path;
  const lines = readFileSync(path, 'utf8').split('\n');
  const pidOf = (line: string): string => line.split(' ', 1)[0] ?? '';
  const begun = new Set(lines.slice(0, QUICK_LINES).map(pidOf));
  const ends = lines.slice(QUICK_LINES).filter((line) => / \+\+\+ /.test(line) && begun.has(pidOf(line)));
  beginning ??= join(mkdtempSync(join(tmpdir(), 'shrike-replay-')), `${name}.strace`);
  writeFileSync(beginning, `${[...lines.slice(0, QUICK_LINES), ...ends].join('\n')}\n`);
  return beginning;
};
let beginning: string | undefined;
afterAll(() => {
  if (beginning !== undefined) rmSync(dirname(beginning), { recursive: true });
});
const QUICK_LINES = 2_000;

/** Rules on calls that are frequent in the recordings, on processes, and on what only user space knows. */
const few = (): readonly Policy[] => [
  policyOf([
    ruleOf('password file', 'evt.type in (open, openat) and fd.name = /etc/shadow'),
    ruleOf('shell history', 'evt.type = unlinkat and fs.path.name contains history and proc.pname = bash'),
    ruleOf('connection', 'evt.type = connect and fd.rport > 1 and proc.aname[2] exists'),
    ruleOf('tools', 'evt.type = execve and proc.name in (curl, nc, python3) and proc.args contains e'),
    ruleOf('duplicated', 'evt.type in (dup2, dup3) and fd.typechar = 4'),
  ]),
];

/** Both of all policies of a set: programs with what they say of the calls that they look at, and without, so that they see every call. */
const compiledFor = (policies: readonly Policy[]): Readonly<Record<'named' | 'all', Compiled>> => {
  const named = compile(
    policies.flatMap((policy) => policy.rules),
    { level: '6.12' },
  );
  const programs = named.object.programs.map(({ calls, ...program }) => program);
  return { named, all: { ...named, object: { ...named.object, programs } } };
};

const play = async (sensor: Sensor, policies: readonly Policy[], compiled: Compiled) => {
  const alerts: Alert[] = [];
  const summary = await runAgent({
    policies,
    sensor,
    compiled,
    host: 'replay',
    enforce: false,
    log: memoryLog().log,
    onAlert: (alert) => alerts.push(alert),
  });
  return { alerts, summary, stats: sensor.kernel.stats() };
};

/** Whole rule sets take seconds to compile: they are for the larger runs. */
const isLarge = suiteSize !== 'quick';
/** Milliseconds that a test may take; machines are busy. */
const MOST = 180_000;
const falco = isLarge ? casesFolder('falco') : undefined;
const SETS: readonly (readonly [string, () => readonly Policy[]])[] = [
  ['some rules', few],
  ...(isLarge
    ? [['the shipped policies', () => loadPolicies([packageFolder('policies', 'library')]).policies] as const]
    : []),
  ...(falco === undefined ? [] : [["Falco's rules", () => loadPolicies([falco]).policies] as const]),
];

describe('a recording', { timeout: MOST }, () => {
  it.each(SETS)(
    'raises the same under %s, with and without calls passed over that no program looks at',
    async (_, load) => {
      const policies = load();
      const compiled = compiledFor(policies);
      for (const name of isLarge ? ['attack', 'benign'] : ['attack']) {
        const sensor = () => createReplaySensor({ path: recording(name), onProblem: 'skip' });
        const passed = await play(sensor(), policies, compiled.named);
        expect(passed).toEqual(await play(sensor(), policies, compiled.all));
        if (name === 'attack') expect(passed.alerts.length).toBeGreaterThan(5);
      }
    },
  );

  it('played again and again raises the same each time, and leaves no process', async () => {
    const paths = [recording('attack')];
    const policies = few();
    const { named } = compiledFor(policies);
    const once = await play(createRepeatedReplay({ paths, rounds: 1 }), policies, named);
    const rounds = Math.max(2, count(40));
    const often = createRepeatedReplay({ paths, rounds });
    const { alerts, summary } = await play(often, policies, named);
    expect(summary.problems).toEqual([]);
    expect(summary.calls).toBe(rounds * once.summary.calls);
    const raised = (all: readonly Alert[]) => all.map(({ rule, event, priority }) => `${rule} ${event} ${priority}`);
    expect(raised(alerts)).toEqual(Array.from({ length: rounds }, () => raised(once.alerts)).flat());
    expect(often.host.tasks().map(({ pid }) => pid)).toEqual([1]);
  });
});
