import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createFactFill } from '../../agent/facts.ts';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { compile, type EventRecord, factRowKey, parseTemplate, type Rule, Truth } from '../../rules/index.ts';
import {
  type ContainerAnswer,
  type ContainerFacts,
  type ContainerSource,
  createContainerSource,
  createSimHost,
  imageOf,
  type Kernel,
  type KernelMap,
  type SimHost,
  type SimTask,
  simAccounts,
  staticContainers,
} from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { type CriWorld, startCriServer } from '../support/cri-server.ts';
import { temporaryFolder } from '../support/folder.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const OTHER_ID = 'ab'.repeat(32);
const CGROUP = `/system.slice/cri-containerd-${ID}.scope`;
const OTHER = `/system.slice/cri-containerd-${OTHER_ID}.scope`;
const SERVICE = '/system.slice/web.service';

const FACTS: ContainerFacts = {
  id: ID,
  runtime: 'containerd',
  name: 'web',
  image: imageOf('docker.io/library/nginx:1.25'),
  labels: { tier: 'front' },
  privileged: false,
  mounts: [{ source: '/etc', destination: '/host/etc', mode: '', writable: false, propagation: 'rprivate' }],
  startNs: 1n,
  pod: { name: 'web-0', namespace: 'shop', uid: 'u', labels: null },
};

interface Stage {
  readonly host: SimHost;
  /** Records of calls that the kernel part matched, so far. */
  readonly records: readonly EventRecord[];
  readonly alerts: readonly Alert[];
  pump(): void;
  /** A task in a cgroup, that was there before anybody looked. */
  task(cgroup: string, who?: { readonly uid?: number; readonly gid?: number; readonly loginuid?: number }): SimTask;
}

interface Played {
  readonly alerts: readonly string[];
  readonly records: number;
  readonly dropped: number;
  readonly problems: readonly string[];
}

/** Runs an agent over what `act` does on a simulated host; the alerts are texts `rule: output`. */
const play = async (
  rules: readonly Rule[],
  containers: ContainerSource,
  act: (stage: Stage) => void | Promise<void>,
  { enforce = false, before = () => undefined }: { enforce?: boolean; before?: (host: SimHost) => unknown } = {},
): Promise<Played> => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  before(host);
  const records: EventRecord[] = [];
  const alerts: Alert[] = [];
  const summary = await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce,
    log: memoryLog().log,
    wait: { time: 60_000 },
    onRecord: (record) => {
      if (record.kind === 'event') records.push(record);
    },
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      containers,
      accounts: simAccounts(host),
      run: async (pump) => {
        const task: Stage['task'] = (cgroup, who = {}) => host.spawn({ exepath: '/usr/bin/id', cgroup, ...who });
        await act({ host, records, alerts, pump, task });
        pump();
        return { calls: host.calls, problems: [] };
      },
    },
  });
  return {
    alerts: alerts.map(({ rule, output }) => `${rule}: ${output}`),
    records: records.length,
    dropped: summary.residualDropped,
    problems: summary.problems,
  };
};

const rule = (name: string, condition: string, output = '%container.name', more: Partial<Rule> = {}): Rule =>
  ruleOf(name, condition, { output: parseTemplate(output).template, ...more });
const call = (host: SimHost, task: SimTask): void => void host.call(task, 'getppid', []);
const NOTHING = staticContainers(new Map());
const KNOWN = staticContainers(new Map([[ID, FACTS]]));

describe('facts of containers in the kernel', () => {
  const IN_CONTAINER = rule('in container', 'evt.type = getppid and container.id != host', '%container.id');

  it('tell tasks of containers from those of the host, once their cgroups are known', async () => {
    const played = await play([IN_CONTAINER], NOTHING, ({ host, pump, task, records }) => {
      const [inside, outside] = [task(CGROUP), task(SERVICE)];
      call(host, outside);
      pump();
      expect(records).toHaveLength(1);
      for (let round = 0; round < 3; round++) {
        call(host, outside);
        call(host, inside);
        pump();
      }
    });
    expect(played.alerts).toEqual(new Array(3).fill('in container: 3f4e2c1b0a9d'));
    expect(played).toMatchObject({ records: 4, dropped: 1, problems: [] });
  });

  it('are there before the first event of processes that were there before', async () => {
    const played = await play(
      [IN_CONTAINER],
      NOTHING,
      ({ host }) => {
        for (const task of host.tasks()) call(host, task);
      },
      {
        before: (host) => {
          host.spawn({ exepath: '/usr/bin/id', cgroup: CGROUP });
          host.spawn({ exepath: '/usr/bin/id', cgroup: SERVICE });
        },
      },
    );
    expect(played.alerts).toEqual(['in container: 3f4e2c1b0a9d']);
    expect(played).toMatchObject({ records: 1, dropped: 0 });
  });

  it('follow a process that is moved to another cgroup', async () => {
    const played = await play([IN_CONTAINER], NOTHING, ({ host, pump, task }) => {
      const moving = task(SERVICE);
      const other = task(CGROUP);
      call(host, moving);
      call(host, other);
      pump();
      host.moveToCgroup(moving, CGROUP);
      call(host, moving);
      host.moveToCgroup(moving, SERVICE);
      call(host, moving);
    });
    expect(played.alerts).toHaveLength(2);
    expect(played).toMatchObject({ records: 3, dropped: 1 });
  });

  it('are told by a child that a new container begins with, before it does anything', async () => {
    const played = await play([IN_CONTAINER], NOTHING, ({ host, pump, task }) => {
      const runtime = task(SERVICE);
      call(host, runtime);
      pump();
      host.moveToCgroup(runtime, CGROUP);
      host.call(runtime, 'execve', ['/usr/bin/env', ['env'], []]);
      pump();
      call(host, runtime);
    });
    expect(played.alerts).toHaveLength(1);
    expect(played).toMatchObject({ records: 2, dropped: 1 });
  });

  const DECIDED: readonly (readonly [condition: string, expected: boolean])[] = [
    ['container.id = 3f4e2c1b0a9d', true],
    ['container.full_id startswith 3f4e2c1b0a9d8', true],
    ['container.name in (db, web)', true],
    ['container.image = docker.io/library/nginx:1.25', true],
    ['container.image.repository endswith /nginx', true],
    ['container.image.repository endswith /redis', false],
    ['container.image.tag exists', true],
    ['container.image.digest exists', false],
    ['container.privileged = false', true],
    ['container.privileged = true', false],
    ['container.mount.dest[/etc] = /host/etc', true],
    ['container.mounts contains /host', true],
    ['container.label[tier] = front', true],
    ['container.label[owner] != front', false],
    ['not container.label[owner] = front', true],
    ['tolower(k8s.ns.name) = shop and k8s.pod.name glob web-?', true],
    ['k8s.pod.ip exists', false],
    ['container.name = val(container.image)', false],
  ];

  it('decide every field of a known container without user space', async () => {
    const played = await play(
      DECIDED.map(([condition]) => rule(condition, `evt.type = getppid and ${condition}`)),
      KNOWN,
      ({ host }) => {
        for (const task of host.tasks()) if (task.cgroup === CGROUP) call(host, task);
      },
      { before: (host) => host.spawn({ exepath: '/usr/bin/id', cgroup: CGROUP }) },
    );
    expect(played.alerts).toEqual(DECIDED.flatMap(([condition, expected]) => (expected ? [`${condition}: web`] : [])));
    expect(played).toMatchObject({ records: 1, dropped: 0 });
  });

  it('decide nothing that only a runtime knows before it answers, and everything after it', async () => {
    const path = join(temporaryFolder(), 'cri.sock');
    const world: CriWorld = {
      runtimeName: 'containerd',
      containers: new Map(),
      sandboxes: new Map(),
      images: new Map(),
    };
    const server = await startCriServer(path, world);
    onTestFinished(() => server.close());
    const nginx = rule('nginx', 'evt.type = getppid and container.image.repository endswith /nginx');
    const redis = rule('redis', 'evt.type = getppid and container.image.repository endswith /redis');
    const source = createContainerSource({ sockets: [{ path, protocol: 'cri' }] });
    const played = await play([nginx, redis], source, async ({ host, pump, task, records, alerts }) => {
      const inside = task(CGROUP);
      call(host, inside);
      pump();
      expect(records[0]?.matched).toEqual([0, 1]);
      await until(() => server.calls.filter((each) => each === `ListContainers ${ID}`).length >= 2);
      expect(alerts).toEqual([]);
      world.containers.set(ID, {
        sandbox: '',
        name: 'web',
        image: 'docker.io/library/nginx:1.25',
        imageRef: `docker.io/library/nginx@sha256:${'d'.repeat(64)}`,
        startedAt: 1n,
        info: {},
      });
      await until(() => alerts.length === 1);
      call(host, inside);
      pump();
      expect(records[1]?.matched).toEqual([0]);
    });
    expect(played.alerts).toEqual(['nginx: web', 'nginx: web']);
    expect(played).toMatchObject({ records: 2, dropped: 1 });
  });

  it('let rules act on what is certain only', async () => {
    const deny = rule(
      'deny',
      'evt.type in (open, openat, openat2) and fd.name = /srv/secret and container.name = web',
      '',
      {
        action: 'deny',
        mode: 'enforce',
        scope: { cgroup: '/system.slice' },
      },
    );
    const results: number[] = [];
    const played = await play(
      [deny],
      KNOWN,
      ({ host }) => {
        for (const cgroup of [CGROUP, OTHER, SERVICE]) {
          const task = host.tasks().find((each) => each.cgroup === cgroup);
          if (task) results.push(host.call(task, 'openat', [-100, '/srv/secret', 0, 0]).result);
        }
      },
      {
        enforce: true,
        before: (host) => {
          host.fs.write('/srv/secret', '', 0o666);
          for (const cgroup of [CGROUP, OTHER, SERVICE]) host.spawn({ exepath: '/usr/bin/id', cgroup });
        },
      },
    );
    expect(results).toEqual([-1, 3, 3]);
    expect(played.alerts).toHaveLength(2);
  });
});

describe('names of users and groups in the kernel', () => {
  const rules = [
    rule('user', 'evt.type = getppid and user.name = www-data', '%user.name %user.homedir %user.shell'),
    rule('login', 'evt.type = getppid and user.loginname = alice', '%user.loginname %group.name'),
    rule('group', 'evt.type = getppid and group.name = shadow', '%group.name'),
    rule('shell', 'evt.type = getppid and user.shell endswith /bash and user.homedir = /root', '%user.name'),
    rule('none', 'evt.type = getppid and user.name = "<NA>"', '%user.uid %user.name %user.loginname'),
  ];

  it('decide by the effective ids, and by the login session', async () => {
    const played = await play(rules, NOTHING, ({ host, task }) => {
      call(host, task(SERVICE, { uid: 33, gid: 0 }));
      call(host, task(SERVICE, { uid: 1000, gid: 42, loginuid: 1000 }));
      call(host, task(SERVICE, { uid: 0, gid: 0 }));
    });
    expect(played.alerts).toEqual([
      'user: www-data /var/www /usr/sbin/nologin',
      'login: alice shadow',
      'group: shadow',
      'shell: root',
    ]);
    expect(played).toMatchObject({ records: 3, dropped: 0 });
  });

  it('call an id without a name what Falco calls it, once it has been seen', async () => {
    const played = await play(rules, NOTHING, ({ host, task, pump, records }) => {
      const nobody = task(SERVICE, { uid: 4242, gid: 4242 });
      call(host, nobody);
      pump();
      expect(records[0]?.matched).toEqual([0, 2, 3, 4]);
      call(host, nobody);
      pump();
      expect(records[1]?.matched).toEqual([4]);
    });
    expect(played.alerts).toEqual(['none: 4242 <NA> <NA>', 'none: 4242 <NA> <NA>']);
    expect(played).toMatchObject({ records: 2, dropped: 3 });
  });

  it('change with the files', async () => {
    const played = await play(rules, NOTHING, ({ host, task, pump }) => {
      const user = task(SERVICE, { uid: 33, gid: 33 });
      call(host, user);
      pump();
      host.fs.write('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\nweb:x:33:33::/srv:/bin/false\n');
      pump();
      call(host, user);
      pump();
      host.fs.write('/etc/group', 'shadow:x:33:\n');
      pump();
      call(host, user);
    });
    expect(played.alerts).toEqual(['user: www-data /var/www /usr/sbin/nologin', 'group: shadow']);
    expect(played).toMatchObject({ records: 2, dropped: 0 });
  });

  it('change with a process that becomes another user', async () => {
    const played = await play(rules, NOTHING, ({ host, task }) => {
      const user = task(SERVICE, { uid: 0, gid: 0 });
      expect(host.call(user, 'setuid', [33]).result).toBe(0);
      call(host, user);
    });
    expect(played.alerts).toEqual(['user: www-data /var/www /usr/sbin/nologin']);
  });

  it('can be what a rule acts by', async () => {
    const deny = rule(
      'deny',
      'evt.type in (open, openat, openat2) and fd.name = /srv/secret and user.name = www-data',
      '',
      {
        action: 'deny',
        mode: 'enforce',
        scope: { cgroup: '/system.slice' },
      },
    );
    await play(
      [deny],
      NOTHING,
      ({ host, task }) => {
        const open = (who: SimTask): number => host.call(who, 'openat', [-100, '/srv/secret', 0, 0]).result;
        expect(open(task(SERVICE, { uid: 33, gid: 33 }))).toBe(-1);
        expect(open(task(SERVICE, { uid: 1000, gid: 33 }))).toBe(3);
        expect(open(task(SERVICE, { uid: 0, gid: 33 }))).toBe(3);
      },
      {
        enforce: true,
        before: (host) => {
          host.fs.write('/srv/secret', '', 0o666);
          host.spawn({ exepath: '/usr/bin/id', cgroup: SERVICE });
        },
      },
    );
  });
});

describe('rows of facts', () => {
  const compiled = compile([rule('r', 'evt.type = getppid and container.id != host and container.name = web')], {
    level: '6.12',
  });
  const [rows] = compiled.facts;
  if (rows === undefined) throw new Error('there are no facts');

  /** A map in memory that takes a few entries. */
  const smallMap = (maxEntries: number): KernelMap & { readonly entries: ReadonlyMap<string, Uint8Array> } => {
    const entries = new Map<string, Uint8Array>();
    const keyOf = (key: Uint8Array): string => Buffer.from(key).toString('hex');
    return {
      spec: { name: 'containers', type: 'hash', keySize: 8, valueSize: rows.size, maxEntries },
      handle: 0,
      entries,
      lookup: (key) => entries.get(keyOf(key)),
      update: (key, value) => {
        if (!entries.has(keyOf(key)) && entries.size === maxEntries) return -7;
        entries.set(keyOf(key), value.slice());
        return 0;
      },
      delete: (key) => (entries.delete(keyOf(key)) ? 0 : -2),
      keys: () => [],
    };
  };
  const truths = (map: KernelMap, id: bigint): readonly number[] | undefined => {
    const row = map.lookup(factRowKey(rows, id));
    return row && [...row.slice(0, rows.tests.length)];
  };
  const paths = new Map<bigint, string>();
  const kernel = {
    cgroupPath: (id: bigint) => paths.get(id),
    cgroupId: (path: string) => [...paths].find(([, each]) => each === path)?.[0],
  } as Partial<Kernel> as Kernel;
  const recordIn = (cgroup: bigint): EventRecord => ({ cgroup }) as Partial<EventRecord> as EventRecord;
  const setUp = (answers: (cgroup: string) => ContainerAnswer, maxEntries: number) => {
    const map = smallMap(maxEntries);
    const warnings: string[] = [];
    const fill = createFactFill({
      kernel,
      compiled,
      maps: new Map([['containers', map]]),
      containers: { facts: answers, onChange: () => () => undefined, close: () => undefined },
      warn: (sentence) => warnings.push(sentence),
    });
    return { map, fill, warnings };
  };
  const onHost = (): ContainerAnswer => ({ state: 'host' });

  it('that find no room are counted and told of once, and come when there is some', () => {
    paths.clear();
    for (let id = 1n; id <= 4n; id++) paths.set(id, `/s${id}`);
    const { map, fill, warnings } = setUp(onHost, 2);
    for (const id of paths.keys()) fill.apply(recordIn(id));
    const text = 'the kernel\'s map "containers" has no room for more than 2 rows of facts';
    expect(warnings).toEqual([`${text}: the rules are decided after the kernel there`]);
    expect(fill.problems).toEqual([`${text}; 2 found none`]);
    expect(truths(map, 3n)).toBeUndefined();
    paths.delete(1n);
    fill.sweep();
    expect(truths(map, 1n)).toBeUndefined();
    expect(truths(map, 3n)).toEqual([Truth.FALSE, Truth.FALSE]);
    expect(fill.problems).toEqual([`${text}; 1 found none`]);
    paths.clear();
    fill.sweep();
    fill.sweep();
    expect(map.entries.size).toBe(0);
    expect(fill.problems).toEqual([]);
  });

  it('are written again when more is known, and when a look finds that facts have changed', () => {
    paths.clear();
    paths.set(7n, CGROUP);
    const container = { id: ID, path: CGROUP };
    let answer: ContainerAnswer = { state: 'asked', container };
    const { map, fill } = setUp(() => answer, 8);
    fill.begin([CGROUP, '/gone']);
    expect(truths(map, 7n)).toEqual([Truth.TRUE, Truth.UNKNOWN]);
    answer = { state: 'known', facts: FACTS, partial: false };
    fill.recheck();
    expect(truths(map, 7n)).toEqual([Truth.TRUE, Truth.TRUE]);
    answer = { state: 'known', facts: { ...FACTS, name: 'renamed' }, partial: false };
    fill.recheck();
    expect(truths(map, 7n)).toEqual([Truth.TRUE, Truth.TRUE]);
    fill.sweep();
    expect(truths(map, 7n)).toEqual([Truth.TRUE, Truth.FALSE]);
  });

  it('are none of a cgroup that nobody can name, which is asked for again at the next look', () => {
    paths.clear();
    const { map, fill } = setUp(onHost, 8);
    fill.apply(recordIn(9n));
    expect(truths(map, 9n)).toBeUndefined();
    fill.sweep();
    paths.set(9n, '/late');
    fill.apply(recordIn(9n));
    expect(truths(map, 9n)).toEqual([Truth.FALSE, Truth.FALSE]);
  });
});
