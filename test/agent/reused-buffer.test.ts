import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { loadPolicies, loadPolicyText, type Policy } from '../../policies/index.ts';
import { type Compiled, compile, type EventRecord } from '../../rules/index.ts';
import {
  type ContainerAnswer,
  type ContainerSource,
  containersInCgroup,
  createSimHost,
  createSimSensor,
  imageOf,
  type Kernel,
  loadScenario,
  NO_CONTAINERS,
  type Sensor,
} from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';

/** A kernel whose records all come in the same bytes, which say something else as soon as the reader returns. */
const reusing = (kernel: Kernel): Kernel => ({
  ...kernel,
  stream: (maps, timeAt) => {
    const stream = kernel.stream(maps, timeAt);
    const shared = new Uint8Array(64 * 1024);
    const through = (handle: (record: Uint8Array) => void) => (record: Uint8Array) => {
      shared.set(record, 8);
      handle(shared.subarray(8, 8 + record.length));
      shared.fill(0xff);
    };
    return {
      ...stream,
      consume: (handle) => stream.consume(through(handle)),
      drain: (handle) => stream.drain(through(handle)),
    };
  },
});

/** What somebody who looks at a record late finds there. */
const contentOf = (record: EventRecord) => [
  ...[record.kind, record.hook, record.time, record.pid, record.start, record.comm, record.parentStart],
  ...[record.cgroup, record.result, record.arguments, record.ino, record.typechar, record.matched],
  ...(['file', 'path', 'argv', 'cwd'] as const).map((name) => record.string(name)),
];

const play = async (policies: readonly Policy[], sensor: Sensor, compiled?: Compiled) => {
  const { log, entries } = memoryLog();
  const records: EventRecord[] = [];
  const alerts: Alert[] = [];
  const { problems } = await runAgent({
    policies,
    sensor,
    ...(compiled && { compiled }),
    host: 'test',
    enforce: false,
    log,
    wait: { time: 60_000 },
    onRecord: (record) => records.push(record),
    onAlert: (alert) => alerts.push(alert),
  });
  return { problems, entries, alerts, records: records.map(contentOf) };
};

const policyOf = (rules: string): Policy => {
  const text = `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: late}\nspec:\n  rules:\n${rules}`;
  const { policies, diagnostics } = loadPolicyText('late.yaml', text);
  expect(diagnostics).toEqual([]);
  return policies[0]!;
};

describe('records whose bytes are written again once they were handled', () => {
  const { policies } = loadPolicies([fileURLToPath(new URL('../../policies/library', import.meta.url))]);

  it('are the same to everybody', async () => {
    const sensorOf = (): Sensor => {
      const { scenario } = loadScenario('supply-chain');
      if (scenario === undefined) throw new Error('the scenario can not be read');
      return createSimSensor({ scenario });
    };
    const sensor = sensorOf();
    const rules = policies.flatMap((policy) => policy.rules);
    const compiled = compile(rules, { level: sensor.kernel.features.level });
    const once = await play(policies, sensorOf(), compiled);
    const again = await play(policies, { ...sensor, kernel: reusing(sensor.kernel) }, compiled);
    expect(once.alerts.length).toBeGreaterThan(3);
    expect(once.records.length).toBeGreaterThan(10);
    expect(again).toStrictEqual(once);
  });

  it('are kept where an event waits for facts of its container', async () => {
    const id = 'ab'.repeat(32);
    const cgroup = `/system.slice/docker-${id}.scope`;
    const policy = policyOf(`
    - rule: Read in a web container
      priority: notice
      condition: evt.type = openat and container.image.repository endswith /nginx
      output: '%proc.name %proc.cmdline read %fd.name in %container.name, uid %user.uid, by %proc.pname, %evt.arg.flags'
`);
    const answers: { now: ContainerAnswer; tell(): void } = {
      now: { state: 'asked', container: containersInCgroup(cgroup)[0]! },
      tell: () => undefined,
    };
    const containers: ContainerSource = {
      ...NO_CONTAINERS,
      facts: (path) => (path === cgroup ? answers.now : { state: 'host' }),
      onChange: (changed) => {
        answers.tell = changed;
        return () => undefined;
      },
    };
    const host = createSimHost({ memory: 32 * 1024 * 1024 });
    const run: Sensor['run'] = async (pump) => {
      const shell = host.spawn({ exepath: '/usr/bin/bash', cgroup, uid: 1000 });
      host.call(shell, 'execve', ['/usr/bin/cat', ['cat', '-n', '/etc/passwd'], []]);
      host.call(shell, 'openat', [-100, '/etc/passwd', 0, 0]);
      pump();
      host.call(shell, 'openat', [-100, '/etc/hostname', 0, 0]);
      pump();
      const facts = { id, runtime: 'docker', name: 'web', image: imageOf('docker.io/library/nginx:1.25') } as const;
      const rest = { labels: {}, privileged: false, mounts: [], startNs: 1n };
      answers.now = { state: 'known', facts: { ...facts, ...rest }, partial: false };
      answers.tell();
      return { calls: host.calls, problems: [] };
    };
    const { alerts } = await play([policy], {
      ...{ kind: 'sim', scope: '/', containers, run },
      kernel: reusing(host.kernel),
    });
    expect(alerts.map(({ output }) => output)).toEqual([
      'cat cat -n /etc/passwd read /etc/passwd in web, uid 1000, by systemd, O_RDONLY',
      'cat cat -n /etc/passwd read /etc/hostname in web, uid 1000, by systemd, O_RDONLY',
    ]);
    expect(alerts.map(({ process }) => process.exe)).toEqual(['/usr/bin/cat', '/usr/bin/cat']);
  });

  it('are not read again for the steps of a sequence', async () => {
    const policy = policyOf(`
    - rule: Read, then connected
      priority: notice
      sequence:
        steps:
          - {condition: evt.type = openat and fd.name = /etc/passwd}
          - {condition: evt.type = connect}
        within: 10s
        by: [proc.pid]
      output: '%step[1].fd.name by %step[1].proc.name, then %step[2].fd.name'
`);
    const host = createSimHost({ memory: 32 * 1024 * 1024 });
    const run: Sensor['run'] = async (pump) => {
      const task = host.spawn({ exepath: '/usr/bin/cat' });
      host.call(task, 'execve', ['/usr/bin/cat', ['cat'], []]);
      host.call(task, 'openat', [-100, '/etc/passwd', 0, 0]);
      pump();
      const { result } = host.call(task, 'socket', [2, 1, 0]);
      host.call(task, 'connect', [result, { address: '203.0.113.7', port: 4444 }]);
      pump();
      return { calls: host.calls, problems: [] };
    };
    const { alerts } = await play([policy], { kind: 'sim', scope: '/', run, kernel: reusing(host.kernel) });
    expect(alerts.map(({ output }) => output)).toEqual([
      expect.stringMatching(/^\/etc\/passwd by cat, then .*203\.0\.113\.7:4444$/),
    ]);
  });
});
