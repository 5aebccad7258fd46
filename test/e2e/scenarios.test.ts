import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { createMemoryLog } from '../../agent/memory-log.ts';
import type { Alert } from '../../alerts/index.ts';
import { loadPolicies } from '../../policies/index.ts';
import { createSimSensor, loadScenario, type SimSensor } from '../../sensors/index.ts';
import { casesFolder } from '../support/cases.ts';
import { suiteSize } from '../support/counts.ts';

const library = fileURLToPath(new URL('../../policies/library', import.meta.url));
/** Two enforcing variants that let the web shell's intruder come far. */
const enforcing = ['credential-files', 'execution-from-tmp'].map((name) => `${library}/enforce/${name}.yaml`);

const falco = casesFolder('falco');

interface Run {
  readonly sensor: SimSensor;
  readonly alerts: readonly Alert[];
  readonly rules: readonly string[];
  readonly problems: readonly string[];
}

const run = async (name: string, paths: readonly string[], enforce = false): Promise<Run> => {
  const { policies } = loadPolicies(paths);
  const { scenario } = loadScenario(name);
  if (scenario === undefined) throw new Error(`${name} can't be loaded`);
  const sensor = createSimSensor({ scenario });
  const alerts: Alert[] = [];
  const { problems } = await runAgent({
    policies,
    sensor,
    host: 'test',
    enforce,
    log: createMemoryLog('test'),
    onAlert: (alert) => alerts.push(alert),
  });
  return { sensor, alerts, rules: alerts.map(({ rule }) => rule), problems };
};

/** Written by reading the scenario's steps and the shipped rules, in the order of the steps. */
const WEBSHELL = [
  'Shell started by a server',
  'Password file read refused',
  'Download tool below a server',
  'Execution from a temporary folder',
  'Program from a temporary folder killed',
  'Shell of a server connects out',
  'Standard input from a network socket',
  'Password file denied',
  'Cron job written',
  'Set-user-ID bit set',
  'Authorized keys written',
  'Log emptied',
  'Shell history removed',
];

const SUPPLY_CHAIN = [
  'SSH private key read',
  'Cloud credentials read',
  'Execution from memory',
  'Process attached with ptrace',
  'Password file read refused',
  'Process refused to become root',
  'Authorized keys written',
  'Cryptocurrency miner started',
  'Execution from a temporary folder',
];

const BACKUP = '/etc/shadow-';

describe('the web shell', () => {
  const paths = [library, ...enforcing];

  it('is seen, and completes, with enforcement off', async () => {
    const { sensor, alerts, rules, problems } = await run('webshell', paths);
    expect(rules.toSorted()).toStrictEqual(WEBSHELL.toSorted());
    expect(problems).toStrictEqual([]);
    expect(sensor.outcomes.filter(({ denied, killed, skipped }) => denied || killed || skipped !== undefined)).toEqual(
      [],
    );
    expect(alerts.flatMap(({ verdict, enforced }) => (verdict === undefined ? [] : [[verdict, enforced]]))).toEqual([
      ['kill', false],
      ['deny', false],
    ]);
    expect(sensor.host.fs.read(BACKUP)).toBe('root:$6$known:19000:0:99999:7:::\n');
  });

  it('loses its dropper and is kept from the copy of the password hashes with enforcement on; the alerts are the same', async () => {
    const { sensor, alerts, rules, problems } = await run('webshell', paths, true);
    expect(rules.toSorted()).toStrictEqual(WEBSHELL.toSorted());
    expect(problems).toStrictEqual([]);
    const stopped = sensor.outcomes.filter(({ denied, killed }) => denied || killed);
    expect(stopped.map(({ text, result, denied, killed }) => [text, result, denied, killed])).toStrictEqual([
      ['exec /tmp/.x -q', 0, false, true],
      ['openat /etc/shadow- O_WRONLY|O_TRUNC', -1, true, false],
    ]);
    const dropper = sensor.outcomes.filter(({ by }) => by === 'dropper');
    expect(dropper.length).toBeGreaterThan(0);
    expect(dropper.filter(({ result }) => result !== undefined)).toStrictEqual([]);
    expect(alerts.flatMap(({ verdict, enforced }) => (verdict === undefined ? [] : [[verdict, enforced]]))).toEqual([
      ['kill', true],
      ['deny', true],
    ]);
    expect(sensor.host.fs.read(BACKUP)).toBe('root:*:19000:0:99999:7:::\n');
  });

  it('ends with its first shell under every enforcing variant', async () => {
    const { sensor, rules } = await run('webshell', [library, `${library}/enforce`], true);
    expect(rules.toSorted()).toStrictEqual(['Shell of a server killed', 'Shell started by a server']);
    expect(sensor.outcomes.filter(({ killed }) => killed).map(({ by, call }) => [by, call])).toStrictEqual([
      ['worker', 'exec'],
    ]);
  });
});

it('the supply chain attack is seen', async () => {
  const { rules, problems } = await run('supply-chain', [library]);
  expect(rules).toStrictEqual(SUPPLY_CHAIN);
  expect(problems).toStrictEqual([]);
});

/** Written by reading steps and rules: what the library, and what Falco's public rules, have to say of each story. */
const STORIES: readonly (readonly [story: string, library: readonly string[], falco: readonly string[]])[] = [
  [
    'lateral-movement',
    ['SSH private key read', 'Password file read refused', 'Password file read'],
    [
      'Run shell untrusted',
      'Search Private Keys or Passwords',
      'Read ssh information',
      'Read sensitive file untrusted',
    ],
  ],
  [
    'container-escape',
    ['Release agent written', 'Password file read', 'Password file read, then a connection out', 'Shell connects out'],
    ['Detect release_agent File Container Escapes', 'Read sensitive file untrusted', 'System procs network activity'],
  ],
  [
    'cryptominer',
    [
      'Cron job written',
      'Cryptocurrency miner started',
      'Execution from a temporary folder',
      'System library changed',
      'Preloaded library configured',
      'Service definition written',
    ],
    ['Schedule Cron Jobs'],
  ],
  [
    'log-wiping',
    ['Log emptied', 'Log replaced', 'Log removed', 'Shell history removed'],
    ['Clear Log Activities', 'Remove Bulk Data from Disk', 'Delete or rename shell history'],
  ],
];

describe.each(STORIES)('%s', (story, ofLibrary, ofFalco) => {
  it('is seen by the library', async () => {
    const { rules, problems } = await run(story, [library]);
    expect([...new Set(rules)].toSorted()).toStrictEqual(ofLibrary.toSorted());
    expect(problems).toStrictEqual([]);
  });

  if (suiteSize !== 'quick')
    it.skipIf(falco === undefined)("is seen by Falco's public rules", async () => {
      const paths = ['falco_rules.yaml', 'falco-incubating_rules.yaml'].map((file) => `${falco}/${file}`);
      const { rules, problems } = await run(story, paths);
      expect([...new Set(rules)].toSorted()).toStrictEqual(ofFalco.toSorted());
      expect(problems).toStrictEqual([]);
    });

  it('says so itself', () => {
    const { scenario } = loadScenario(story);
    expect(scenario?.expected?.raised.toSorted()).toStrictEqual([...ofLibrary, ...ofFalco].toSorted());
  });
});

it.each([false, true])(
  'the quiet day raises nothing, and nothing is kept from happening; enforcement: %s',
  async (on) => {
    const { sensor, rules, problems } = await run('quiet-day', [library, `${library}/enforce`], on);
    expect({ rules, problems }).toStrictEqual({ rules: [], problems: [] });
    expect(sensor.outcomes.filter(({ denied, killed }) => denied || killed)).toStrictEqual([]);
  },
);
