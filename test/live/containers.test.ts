import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { parseTemplate, type Rule } from '../../rules/index.ts';
import {
  type ContainerFacts,
  createContainerSource,
  createLinuxSensor,
  imageOf,
  staticContainers,
} from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { type CriServer, type CriWorld, startCriServer } from '../support/cri-server.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, type TestCgroup, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const skip = liveUnavailable();
const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const NAME = `cri-containerd-${ID}.scope`;

const rule = (name: string, condition: string): Rule =>
  ruleOf(name, condition, {
    output: parseTemplate('%proc.name %proc.args: %container.image of %k8s.ns.name/%k8s.pod.name').template,
  });
const EXEC = rule('exec', 'evt.type = execve and evt.failed = false and proc.name = uname and container.id != host');
const READ = rule('read', 'evt.type in (open, openat) and fd.name = /etc/hostname and container.privileged = true');

interface Place {
  readonly scope: TestCgroup;
  /** A cgroup below the scope that is named like the container's. */
  readonly container: TestCgroup;
  readonly world: CriWorld;
  readonly server: CriServer;
  readonly alerts: readonly Alert[];
}

/** Runs an agent over what `act` does in a test's cgroup; `before` is done before it starts. */
const watch = async (
  act: (place: Place) => Promise<void>,
  before: (place: Place) => Promise<void> = async () => {},
) => {
  const scope = testCgroup();
  onTestFinished(() => scope.remove());
  const world: CriWorld = {
    runtimeName: 'containerd',
    containers: new Map(),
    sandboxes: new Map([['sandbox', { name: 'web-0', uid: 'uid', namespace: 'shop' }]]),
    images: new Map(),
  };
  const path = join(temporaryFolder(), 'cri.sock');
  const server = await startCriServer(path, world);
  onTestFinished(() => server.close());
  const alerts: Alert[] = [];
  const place: Place = { scope, container: scope.child(NAME), world, server, alerts };
  await before(place);
  const warnings: string[] = [];
  await runAgent({
    policies: [policyOf([EXEC, READ])],
    sensor: createLinuxSensor({
      scope: scope.path,
      containers: createContainerSource({
        sockets: [{ path, protocol: 'cri' }],
        warn: (sentence) => warnings.push(sentence),
      }),
      source: () => act(place),
    }),
    host: 'live',
    enforce: false,
    wait: { time: 60_000 },
    log: memoryLog().log,
    onAlert: (alert) => alerts.push(alert),
    warn: (sentence) => warnings.push(sentence),
  });
  return { alerts, warnings };
};

/** The runtime learns of the container, whose first process is `pid`. */
const learn = ({ world }: Place, pid: number): void => {
  world.containers.set(ID, {
    sandbox: 'sandbox',
    name: 'web',
    image: 'docker.io/library/nginx:1.25',
    imageRef: `docker.io/library/nginx@sha256:${'d'.repeat(64)}`,
    startedAt: 1n,
    info: { pid, config: { linux: { security_context: { privileged: true } } } },
  });
};

const asked = ({ server }: Place): number => server.calls.filter((call) => call === `ListContainers ${ID}`).length;

describe.skipIf(skip !== undefined)(`containers on the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('are attributed right where their first exec comes before what their runtime knows', async () => {
    const { alerts, warnings } = await watch(async (place) => {
      const first = place.container.start('/bin/sh', ['-c', 'uname -s; read line; uname -r'], {
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      await until(() => asked(place) >= 2);
      expect(place.alerts).toEqual([]);
      learn(place, first.pid ?? 0);
      await until(() => place.alerts.length === 1);
      first.stdin?.end('\n');
      await until(() => place.alerts.length === 2);
    });
    expect(alerts.map((alert) => [alert.output, alert.pending])).toEqual([
      ['uname -s: docker.io/library/nginx:1.25 of shop/web-0', undefined],
      ['uname -r: docker.io/library/nginx:1.25 of shop/web-0', undefined],
    ]);
    expect(alerts[0]?.container).toEqual({
      id: ID.slice(0, 12),
      name: 'web',
      image: 'docker.io/library/nginx:1.25',
      pod: 'web-0',
      namespace: 'shop',
    });
    expect(warnings).toEqual([]);
  });

  it('are attributed right where they ran before the agent', async () => {
    let first: ReturnType<TestCgroup['start']> | undefined;
    const { alerts } = await watch(
      async () => {
        first?.stdin?.end('\n');
        await new Promise((resolve) => first?.on('close', resolve));
      },
      async (place) => {
        first = place.container.start('/bin/sh', ['-c', 'read line; exec cat /etc/hostname'], {
          stdio: ['pipe', 'ignore', 'ignore'],
        });
        learn(place, first.pid ?? 0);
      },
    );
    expect(alerts.map((alert) => [alert.rule, alert.output, alert.container?.name])).toEqual([
      ['read', 'cat /etc/hostname: docker.io/library/nginx:1.25 of shop/web-0', 'web'],
    ]);
    expect(alerts[0]?.process).toMatchObject({ cmdline: 'cat /etc/hostname', pid: first?.pid });
  });

  it('are not what another cgroup says by its name', async () => {
    let expected = '';
    const { alerts, warnings } = await watch(async (place) => {
      const real = place.container.start('/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] });
      learn(place, real.pid ?? 0);
      const claim = place.scope.child('runner.service').child(NAME);
      await until(() => readFileSync(`${place.container.folder}/cgroup.procs`, 'utf8') !== '');
      await claim.run('/bin/uname', ['-s']);
      await until(() => place.alerts.length === 1);
      real.stdin?.end('\n');
      await new Promise((resolve) => real.on('close', resolve));
      expected = `the cgroup ${claim.path} is named like a container that is at ${place.container.path}; it is not that one`;
    });
    expect(alerts.map((alert) => alert.output)).toEqual(['uname -s: <unknown> of <unknown>/<unknown>']);
    expect(warnings).toEqual([expected]);
  });
});

describe.skipIf(skip !== undefined)(`facts in the running kernel's maps${skip ? ` (skipped: ${skip})` : ''}`, () => {
  const READS = 'evt.type in (open, openat) and fd.name = /etc/hostname';
  const reading = (name: string, condition: string): Rule =>
    ruleOf(name, `${READS} and ${condition}`, {
      output: parseTemplate('%container.name %container.image.repository %user.name').template,
    });
  const facts: ContainerFacts = {
    id: ID,
    runtime: 'containerd',
    name: 'web',
    image: imageOf('docker.io/library/nginx:1.25'),
    labels: {},
    privileged: true,
    mounts: [],
    startNs: 1n,
  };

  /** Reads a file in a container's cgroup and in one of the host, in turn; where `isThereBefore` both had a process before. */
  const read = async (rules: readonly Rule[], isThereBefore: boolean, times: number) => {
    const scope = testCgroup();
    onTestFinished(() => scope.remove());
    const places = [scope.child(NAME), scope.child('plain.service')];
    const waiting = isThereBefore
      ? places.map((place) => place.start('/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] }))
      : [];
    for (const place of isThereBefore ? places : [])
      await until(() => readFileSync(`${place.folder}/cgroup.procs`, 'utf8') !== '');
    const alerts: string[] = [];
    let records = 0;
    const summary = await runAgent({
      policies: [policyOf(rules)],
      sensor: createLinuxSensor({
        scope: scope.path,
        containers: staticContainers(new Map([[ID, facts]])),
        source: async () => {
          for (let time = 0; time < times; time++) {
            for (const place of places) await place.run('/bin/cat', ['/etc/hostname']);
            if (!isThereBefore) await until(() => records >= places.length);
          }
          for (const { stdin } of waiting) stdin?.end('\n');
        },
      }),
      host: 'live',
      enforce: false,
      log: memoryLog().log,
      onAlert: ({ rule, output }) => alerts.push(`${rule}: ${output}`),
      onRecord: ({ kind }) => {
        if (kind === 'event') records++;
      },
    });
    return { alerts, records, dropped: summary.residualDropped, problems: summary.problems };
  };

  it('decide what is in a container, and in which, before user space sees it', async () => {
    const found = await read(
      [
        reading('in', 'container.id != host'),
        reading('out', 'container.id = host'),
        reading('nginx', 'container.image.repository endswith /nginx and container.privileged = true'),
        reading('redis', 'container.image.repository endswith /redis'),
      ],
      true,
      2,
    );
    const each = [
      'in: web docker.io/library/nginx root',
      'nginx: web docker.io/library/nginx root',
      'out: host <NA> root',
    ];
    expect(found).toEqual({ alerts: [...each, ...each], records: 4, dropped: 0, problems: [] });
  });

  it('come with the first record of a cgroup, whose own events lose nothing', async () => {
    const found = await read([reading('in', 'container.name = web')], false, 3);
    expect(found.alerts).toEqual(new Array(3).fill('in: web docker.io/library/nginx root'));
    expect(found).toMatchObject({ records: 4, dropped: 1, problems: [] });
  });

  it('decide names of users and groups', async () => {
    const found = await read(
      [reading('root', 'user.name = root and group.name = root'), reading('other', 'user.name != root')],
      true,
      1,
    );
    expect(found).toMatchObject({ records: 2, dropped: 0, problems: [] });
    expect(found.alerts).toEqual(['root: web docker.io/library/nginx root', 'root: host <NA> root']);
  });
});
