import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type AgentSummary, runAgent } from '../../agent/index.ts';
import { type Alert, parseAlert } from '../../alerts/index.ts';
import { loadPolicies } from '../../policies/index.ts';
import { parseTemplate, type Rule, type RuleMatching } from '../../rules/index.ts';
import {
  type ContainerFacts,
  type ContainerSource,
  createContainerSource,
  createSimHost,
  imageOf,
  type SimHost,
  staticContainers,
} from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { casesFolder } from '../support/cases.ts';
import { type CriContainer, type CriWorld, startCriServer } from '../support/cri-server.ts';
import { temporaryFolder } from '../support/folder.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const OTHER = 'b'.repeat(64);
const POD = '/kubepods.slice/kubepods-pod0b2c1d3e_aaaa_bbbb_cccc_0123456789ab.slice';
const CGROUP = `${POD}/cri-containerd-${ID}.scope`;

interface Run {
  readonly host: SimHost;
  /** What came out so far. */
  readonly alerts: readonly Alert[];
  readonly pump: () => void;
}

/** Milliseconds that no test takes. */
const PATIENT = 60_000;

/** Runs an agent over what `act` does on a simulated host. */
const run = async (
  rules: readonly Rule[],
  containers: ContainerSource | undefined,
  act: (run: Run) => void | Promise<void>,
  more: {
    readonly wait?: { readonly time?: number; readonly events?: number };
    readonly signal?: AbortSignal;
    readonly ruleMatching?: RuleMatching;
  } = {},
): Promise<{ alerts: readonly Alert[]; summary: AgentSummary; kinds: readonly string[] }> => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  host.spawn({ exepath: '/usr/bin/pause', cgroup: CGROUP });
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  const summary = await runAgent(
    {
      policies: [policyOf(rules)],
      host: 'sim',
      enforce: false,
      log,
      onAlert: (alert) => alerts.push(alert),
      wait: { time: PATIENT, ...more.wait },
      ...(more.ruleMatching !== undefined && { ruleMatching: more.ruleMatching }),
      sensor: {
        kind: 'sim',
        scope: '/',
        kernel: host.kernel,
        ...(containers && { containers }),
        run: async (pump) => {
          pump();
          await act({ host, alerts, pump });
          return { calls: host.calls, problems: [] };
        },
      },
    },
    more.signal,
  );
  return { alerts, summary, kinds: entries.map(({ kind }) => kind) };
};

const CONTAINER: CriContainer = {
  sandbox: OTHER,
  name: 'web',
  image: 'docker.io/library/nginx:1.25',
  imageRef: `docker.io/library/nginx@sha256:${'d'.repeat(64)}`,
  startedAt: 1n,
  info: { config: { linux: { security_context: { privileged: true } } } },
};

const emptyWorld = (): CriWorld => ({
  runtimeName: 'containerd',
  containers: new Map(),
  sandboxes: new Map([[OTHER, { name: 'web-0', uid: 'uid', namespace: 'shop' }]]),
  images: new Map(),
});

/** A source behind a CRI server that knows nothing yet. */
const lateRuntime = async () => {
  const path = join(temporaryFolder(), 'cri.sock');
  const world = emptyWorld();
  const server = await startCriServer(path, world);
  onTestFinished(() => server.close());
  return { world, server, source: createContainerSource({ sockets: [{ path, protocol: 'cri' }] }) };
};

const started = (host: SimHost, cgroup = CGROUP): ReturnType<SimHost['spawn']> =>
  host.spawn({ exepath: '/usr/bin/runc', cgroup });
const exec = (host: SimHost, task: ReturnType<SimHost['spawn']>, program: string, ...args: string[]): void => {
  expect(host.call(task, 'execve', [`/usr/bin/${program}`, [program, ...args], []]).result).toBe(0);
};

const output = (text: string) => ({ output: parseTemplate(text).template });
const EXEC = 'evt.type = execve and evt.failed = false';
const IMAGE = ruleOf(
  'exec in nginx',
  `${EXEC} and container.image.repository endswith nginx`,
  output('%proc.name in %container.name of %k8s.pod.name'),
);

describe('an alert about a container', () => {
  it('waits for the runtime that learns of the container after its first exec', async () => {
    const { world, server, source } = await lateRuntime();
    const { alerts, summary } = await run([IMAGE], source, async ({ host, alerts: raised, pump }) => {
      exec(host, started(host), 'id');
      pump();
      await until(() => server.calls.filter((call) => call === `ListContainers ${ID}`).length >= 2);
      expect(raised).toEqual([]);
      world.containers.set(ID, CONTAINER);
      await until(() => raised.length === 1);
    });
    expect(alerts.map((alert) => alert.output)).toEqual(['id in web of web-0']);
    expect(alerts[0]).toMatchObject({
      fields: { 'proc.name': 'id', 'container.name': 'web', 'k8s.pod.name': 'web-0' },
      trust: { 'proc.name': 'resolved', 'container.name': 'resolved', 'k8s.pod.name': 'resolved' },
      container: {
        id: ID.slice(0, 12),
        name: 'web',
        image: 'docker.io/library/nginx:1.25',
        pod: 'web-0',
        namespace: 'shop',
      },
    });
    expect(alerts[0]).not.toHaveProperty('pending');
    expect(parseAlert(JSON.stringify(alerts[0]))).toEqual({ alert: alerts[0] });
    expect(summary).toMatchObject({ alerts: 1, residualDropped: 0 });
  });

  it('is taken back when the facts say otherwise', async () => {
    const { world, source } = await lateRuntime();
    const { alerts, summary } = await run([IMAGE], source, async ({ host, pump }) => {
      exec(host, started(host), 'id');
      pump();
      world.containers.set(ID, { ...CONTAINER, image: 'docker.io/library/redis:7' });
    });
    expect(alerts).toEqual([]);
    expect(summary).toMatchObject({ alerts: 0, residualDropped: 1 });
  });

  it('tells of the process as it was when it happened', async () => {
    const { world, source } = await lateRuntime();
    const rule = ruleOf(
      'exec',
      `${EXEC} and container.image.tag = 1.25 and proc.name = id`,
      output('%proc.name %proc.cmdline < %proc.pname: %evt.num'),
    );
    const { alerts } = await run([rule], source, async ({ host, pump }) => {
      const task = started(host);
      exec(host, task, 'id');
      exec(host, task, 'env');
      host.end(task, { status: 0 });
      pump();
      world.containers.set(ID, CONTAINER);
    });
    expect(alerts.map((alert) => [alert.output, alert.process.cmdline])).toEqual([['id id < systemd: 1', 'id']]);
  });

  it('is raised after the limit with what is known, and marked', async () => {
    const { source } = await lateRuntime();
    const rule = ruleOf(
      'exec',
      `${EXEC} and not container.privileged = true`,
      output('%proc.name %container.id %container.image.repository %container.image.repository'),
    );
    const { alerts } = await run([rule], source, ({ host }) => exec(host, started(host), 'id'), { wait: { time: 50 } });
    expect(alerts.map((alert) => [alert.output, alert.pending])).toEqual([
      ['id 3f4e2c1b0a9d <unknown> <unknown>', ['container.privileged', 'container.image.repository']],
    ]);
    expect(alerts[0]).toMatchObject({
      container: { id: '3f4e2c1b0a9d' },
      trust: { 'container.image.repository': 'unknown' },
    });
    expect(parseAlert(JSON.stringify(alerts[0]))).toEqual({ alert: alerts[0] });
  });

  it('is raised at once, marked, when the agent is stopped', async () => {
    const { source } = await lateRuntime();
    const stop = new AbortController();
    const began = performance.now();
    const { alerts, kinds } = await run(
      [IMAGE],
      source,
      ({ host }) => {
        exec(host, started(host), 'id');
        exec(host, started(host), 'env');
        stop.abort();
      },
      { signal: stop.signal },
    );
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(alerts.map((alert) => [alert.fields['proc.name'], alert.pending])).toEqual([
      ['id', ['container.image.repository', 'container.name', 'k8s.pod.name']],
      ['env', ['container.image.repository', 'container.name', 'k8s.pod.name']],
    ]);
    expect(kinds.at(-1)).toBe('stop');
  });

  it('does not wait where it needs nothing from the runtime, nor on the host', async () => {
    const { source, server } = await lateRuntime();
    const inContainer = ruleOf(
      'in container',
      `${EXEC} and container.id != host`,
      output('%container.id %container.type'),
    );
    const onHost = ruleOf(
      'on host',
      `${EXEC} and not container.privileged = true`,
      output('%container.name %container.image.repository'),
    );
    const { alerts } = await run([inContainer, onHost], source, ({ host, alerts: raised, pump }) => {
      exec(host, started(host, '/system.slice/a.service'), 'id');
      pump();
      expect(raised.map((alert) => alert.output)).toEqual(['host <NA>']);
      expect(raised[0]).not.toHaveProperty('container');
      expect(server.calls).toEqual([]);
    });
    expect(alerts).toHaveLength(1);
    const second = await run([inContainer], source, ({ host, alerts: raised, pump }) => {
      exec(host, started(host), 'id');
      pump();
      expect(raised.map((alert) => alert.output)).toEqual(['3f4e2c1b0a9d containerd']);
    });
    expect(second.alerts).toHaveLength(1);
  });

  it('keeps the order of its container, and holds up no other', async () => {
    const { world, source } = await lateRuntime();
    const any = ruleOf('any', EXEC, output('%proc.name'));
    const { alerts } = await run([IMAGE, any], source, async ({ host, alerts: raised, pump }) => {
      const task = started(host);
      exec(host, task, 'id');
      exec(host, task, 'env');
      exec(host, started(host, '/system.slice/a.service'), 'ls');
      pump();
      expect(raised.map((alert) => [alert.rule, alert.fields['proc.name']])).toEqual([['any', 'ls']]);
      world.containers.set(ID, CONTAINER);
      await until(() => raised.length === 5);
    });
    expect(alerts.slice(1).map((alert) => [alert.rule, alert.fields['proc.name']])).toEqual([
      ['exec in nginx', 'id'],
      ['any', 'id'],
      ['exec in nginx', 'env'],
      ['any', 'env'],
    ]);
    expect(alerts.map(({ seq }) => seq)).toEqual([...alerts.map(({ seq }) => seq)].sort((a, b) => a - b));
  });

  it.each([
    ['another image', 'docker.io/library/redis:7', 'any'],
    ['its image', CONTAINER.image, 'exec in nginx'],
  ])('holds later rules up where only the first that matches is raised: %s', async (_, image, expected) => {
    const { world, source } = await lateRuntime();
    const any = ruleOf('any', EXEC, output('%proc.name'));
    const { alerts, summary } = await run(
      [IMAGE, any],
      source,
      async ({ host, alerts: raised, pump }) => {
        exec(host, started(host), 'id');
        pump();
        expect(raised).toEqual([]);
        world.containers.set(ID, { ...CONTAINER, image });
        await until(() => raised.length === 1);
      },
      { ruleMatching: 'first' },
    );
    expect(alerts.map(({ rule }) => rule)).toEqual([expected]);
    expect(summary.hidden).toBe(expected === 'any' ? 0 : 1);
  });

  it('does not wait where too many do', async () => {
    const { source } = await lateRuntime();
    const { alerts } = await run(
      [IMAGE],
      source,
      ({ host, alerts: raised, pump }) => {
        const task = started(host);
        for (const program of ['id', 'env', 'ls']) exec(host, task, program);
        pump();
        expect(raised.map((alert) => [alert.fields['proc.name'], alert.pending?.length])).toEqual([['ls', 3]]);
      },
      { wait: { events: 2, time: 50 } },
    );
    expect(alerts.map((alert) => alert.fields['proc.name'])).toEqual(['ls', 'id', 'env']);
  });

  it('of a rule that acts does not wait: what was done is on record at once', async () => {
    const { source } = await lateRuntime();
    const rule = ruleOf('kill', EXEC, {
      ...output('%container.name'),
      action: 'kill',
      scope: { cgroup: POD },
    });
    const { alerts } = await run([rule], source, ({ host, alerts: raised, pump }) => {
      exec(host, started(host), 'id');
      pump();
      expect(raised.map((alert) => alert.pending)).toEqual([['container.name']]);
    });
    expect(alerts).toHaveLength(1);
  });

  it('says no more than the cgroup does where no runtime is asked', async () => {
    const { alerts } = await run([IMAGE], undefined, ({ host }) => exec(host, started(host), 'id'));
    expect(alerts.map((alert) => [alert.output, alert.container, alert.pending])).toEqual([
      ['id in <unknown> of <unknown>', { id: '3f4e2c1b0a9d' }, undefined],
    ]);
  });
});

const FACTS: ContainerFacts = {
  id: ID,
  runtime: 'containerd',
  name: 'web',
  image: imageOf('docker.io/library/nginx:1.25'),
  labels: {},
  privileged: true,
  mounts: [],
  startNs: 1n,
  pod: { name: 'web-0', namespace: 'shop', uid: 'uid', labels: {} },
};

const rulesFolder = casesFolder('falco');

describe.skipIf(rulesFolder === undefined)('public rules about containers', () => {
  const { policies } = loadPolicies(
    ['falco_rules.yaml', 'falco-incubating_rules.yaml'].map((file) => join(rulesFolder ?? '', file)),
  );
  const ruleNamed = (name: string): Rule => {
    const found = policies.flatMap(({ rules }) => rules).find((rule) => rule.name === name);
    if (found === undefined) throw new Error(`there is no rule ${name}`);
    return found;
  };

  const pod = (namespace: string) => ({ pod: { name: 'p', namespace, uid: 'u', labels: {} } });
  const k8sCloud: ContainerFacts = {
    ...FACTS,
    ...pod('kube-system'),
    image: imageOf('gke.gcr.io/gcp-compute-persistent-disk-csi-driver:1'),
  };
  it.each<[string, string, string, ContainerFacts, boolean]>([
    ['Debugfs Launched in Privileged Container', 'debugfs', 'privileged', FACTS, true],
    ['Debugfs Launched in Privileged Container', 'debugfs', 'not privileged', { ...FACTS, privileged: false }, false],
    ['Debugfs Launched in Privileged Container', 'debugfs', 'nobody knows', { ...FACTS, privileged: null }, true],
    ['Mount Launched in Privileged Container', 'mount', 'privileged', FACTS, true],
    ['Mount Launched in Privileged Container', 'mount', 'not privileged', { ...FACTS, privileged: false }, false],
    ['Mount Launched in Privileged Container', 'mount', "a cloud's own", k8sCloud, false],
    [
      'Mount Launched in Privileged Container',
      'mount',
      "one like a cloud's own in another namespace",
      { ...k8sCloud, ...pod('shop') },
      true,
    ],
    ['Mount Launched in Privileged Container', 'mount', 'nobody knows the image', { ...k8sCloud, image: null }, true],
    ['Launch Package Management Process in Container', 'apt-get', 'any image', FACTS, true],
  ])('%s: %s, %s', async (name, program, _, facts, expected) => {
    const containers = staticContainers(new Map([[ID, facts]]));
    const { alerts } = await run([ruleNamed(name)], containers, ({ host }) => {
      host.spawn({ exepath: `/usr/bin/${program}` });
      exec(host, started(host), program, '/dev/sda1', '/mnt');
      exec(host, started(host, '/system.slice/a.service'), program, '/dev/sda1', '/mnt');
    });
    expect(alerts.map((alert) => [alert.rule, alert.container?.id])).toEqual(expected ? [[name, ID.slice(0, 12)]] : []);
  });
});
