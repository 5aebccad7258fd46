import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { createMemoryLog } from '../../agent/memory-log.ts';
import type { FeatureLevel } from '../../engine/object/index.ts';
import { loadPolicies } from '../../policies/index.ts';
import { type Compiled, compile, type EventRecord } from '../../rules/index.ts';
import { createSimSensor, listScenarios, loadScenario, type Scenario } from '../../sensors/index.ts';
import { readInline } from '../sensors/sim/scenario/play.ts';
import { suiteSize } from '../support/counts.ts';

const { policies } = loadPolicies([fileURLToPath(new URL('../../policies/library', import.meta.url))]);
const rules = policies.flatMap((policy) => policy.rules);
const LEVELS: readonly FeatureLevel[] = ['6.1', '6.9', '6.12'];
const compiled = new Map(LEVELS.map((level) => [level, compile(rules, { level })]));

const HEAD = [
  ...(['kind', 'hook', 'abi', 'event', 'time', 'pid', 'start', 'tid', 'comm', 'parentPid', 'parentStart'] as const),
  ...(['uid', 'gid', 'loginuid', 'cgroup', 'result', 'arguments', 'fd', 'flags', 'ino', 'dev', 'typechar'] as const),
  ...([
    'ownTable',
    'verdict',
    'guard',
    'local',
    'remote',
    'protocol',
    'connected',
    'exe',
    'matched',
    'certain',
  ] as const),
];
const DETAILS = ['vpid', 'sid', 'pgid', 'tty', 'capEffective'] as const;
const STRINGS = ['file', 'path', 'path2', 'base', 'base2', 'argv'] as const;

/** All that a record says, as data. */
const contentOf = (record: EventRecord, { plan }: Compiled) => ({
  head: HEAD.map((name) => record[name]),
  details: DETAILS.map((name) => record.detail(name)),
  strings: STRINGS.map((name) => record.string(name)),
  truths: (plan.hooks.find(({ hook }) => hook === record.hook)?.predicates ?? []).map((_, index) =>
    record.truth(index),
  ),
});

const run = async (scenario: Scenario, level: FeatureLevel) => {
  const object = compiled.get(level);
  if (object === undefined) throw new Error(`nothing is compiled for ${level}`);
  const records: ReturnType<typeof contentOf>[] = [];
  const { problems } = await runAgent({
    policies,
    compiled: object,
    sensor: createSimSensor({ scenario }),
    host: 'test',
    enforce: false,
    log: createMemoryLog('test'),
    onRecord: (record) => void records.push(contentOf(record, object)),
  });
  return { problems, records };
};

/** Paths, arguments and descriptors that loops go through to their ends. */
const LONG = [
  { exec: ['sh', '-c', 'x'.repeat(700)], as: 'long' },
  { exec: ['sh', '-c', 'x'.repeat(480)], as: 'shorter' },
  { openat: { path: `/tmp/${'d/'.repeat(20)}f`, flags: ['O_RDWR', 'O_CREAT'] }, by: 'bash' },
  { openat: `/etc/../etc/shadow`, by: 'bash', via: 'io_uring' },
  { unlinkat: '/var/log/auth.log', by: 'bash', via: 'io_uring' },
  { renameat2: ['/etc/passwd', '/etc/passwd-'], by: 'bash', via: 'io_uring_sqpoll' },
  { openat: '/etc/shadow', by: 'bash', abi: 'x32' },
  { chdir: `/tmp/${'d/'.repeat(19)}`, by: 'bash' },
  { openat: { path: 'f', flags: ['O_RDWR', 'O_CREAT'] }, by: 'bash' },
];

/** In quick runs one of the two that have the same programs, as is seen below. */
const OTHERS: readonly FeatureLevel[] = suiteSize === 'quick' ? ['6.12'] : ['6.9', '6.12'];

describe('objects of all feature levels', () => {
  /** The longer stories where there is time for them. */
  const names = suiteSize === 'quick' ? ['webshell'] : listScenarios().map(({ name }) => name);
  const scenarios = names.map((name): [string, Scenario | undefined] => [name, loadScenario(name).scenario]);

  it.each([...scenarios, ['long paths and arguments', readInline(LONG).scenario] as const])(
    'say the same of %s',
    async (_, scenario) => {
      if (scenario === undefined) throw new Error('the scenario can not be read');
      const first = await run(scenario, '6.1');
      expect(first.problems).toStrictEqual([]);
      expect(first.records.length).toBeGreaterThan(6);
      for (const level of OTHERS) {
        const other = await run(scenario, level);
        // the library's own comparison takes seconds for so many records: it is asked for what differs
        if (!isDeepStrictEqual(other, first)) expect(other).toStrictEqual(first);
      }
    },
    120_000,
  );

  it('have loops that end by may_goto from 6.9 on, and others before', () => {
    const mayGoto = (level: FeatureLevel): number =>
      compiled
        .get(level)
        ?.object.programs.flatMap(({ instructions }) => instructions.filter(({ opcode }) => opcode === 0xe5)).length ??
      0;
    expect(mayGoto('6.1')).toBe(0);
    expect(mayGoto('6.9')).toBeGreaterThan(5);
    expect(compiled.get('6.9')?.object.programs).toStrictEqual(compiled.get('6.12')?.object.programs);
  });
});
