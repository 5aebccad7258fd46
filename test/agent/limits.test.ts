import { describe, expect, it } from 'vitest';
import { type LoadOptions, loadObject, mapOf } from '../../agent/load.ts';
import { BUCKET, compile, decodeRecord, HEAD, RINGS, type Rule } from '../../rules/index.ts';
import { createProcessTable, createSimHost, type SimTask } from '../../sensors/index.ts';
import { ruleOf } from '../support/rules.ts';

const FDCWD = -100;
const SECOND = 1_000_000_000n;
const OPENS = 'evt.type = openat';

/** A host under rules with a limit of 10 a second, 3 at once. */
const limited = (rules: readonly Rule[], ...limits: readonly LoadOptions['limit'][]) => {
  const [limit] = limits.length === 0 ? [{ perSecond: 10, burst: 3 }] : limits;
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
  const compiled = compile(rules, { level: '6.1' });
  const { maps } = loadObject({
    kernel: host.kernel,
    scope: '/',
    compiled,
    enforce: true,
    agentPid: 0,
    protect: [],
    processes: createProcessTable(),
    ...(limit !== undefined && { limit }),
  });
  const stream = host.kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  const names = (): readonly string[] => {
    const found: string[] = [];
    stream.consume((bytes) => {
      const { matched } = decodeRecord(bytes, compiled.layouts);
      found.push(matched.map((index) => rules[index]?.name).join());
    });
    return found;
  };
  const held = (): readonly (readonly [cgroup: string | undefined, records: number])[] => {
    const map = mapOf(maps, 'buckets');
    return [...map.keys()].map((key) => {
      const value = map.lookup(key)!;
      const cgroup = new DataView(key.buffer, key.byteOffset).getBigUint64(BUCKET.key.cgroup, true);
      const records = new DataView(value.buffer, value.byteOffset).getBigUint64(BUCKET.value.held, true);
      return [host.kernel.cgroupPath(cgroup), Number(records)];
    });
  };
  const open = (task: SimTask, times: number): readonly number[] =>
    Array.from({ length: times }, () => host.call(task, 'openat', [FDCWD, '/etc/passwd', 0, 0]).result);
  return { host, names, held, open };
};

describe("a rule's limit in one cgroup", () => {
  it('lets a burst and then the rate through, and counts the rest exactly', () => {
    const { host, names, held, open } = limited([ruleOf('opened', OPENS)]);
    const task = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
    const start = host.bootNs;
    open(task, 200);
    const passed = names().length;
    const byRate = Number((host.bootNs - start) / (SECOND / 10n));
    expect(passed).toBeGreaterThanOrEqual(3);
    expect(passed).toBeLessThanOrEqual(3 + byRate + 1);
    expect(held()).toEqual([['/a', 200 - passed]]);

    host.advance(10n * SECOND);
    open(task, 3);
    expect(names()).toEqual(['opened', 'opened', 'opened']);
    expect(held()).toEqual([['/a', 200 - passed]]);
  });

  it('is no limit of another cgroup or of another rule in the same record', () => {
    const { host, names, held, open } = limited([
      ruleOf('opened', OPENS),
      ruleOf('by root', `${OPENS} and user.uid = 0`),
    ]);
    const [one, other] = ['/a', '/b'].map((cgroup) => host.spawn({ exepath: '/usr/bin/cat', cgroup, uid: 1000 }));
    const root = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
    open(one!, 5);
    open(other!, 3);
    open(root, 3);
    expect(names()).toEqual([...Array(6).fill('opened'), ...Array(3).fill('by root')]);
    expect(held().filter(([, records]) => records > 0)).toEqual([['/a', 5]]);
  });

  it('holds back no denial, but the records of it, and counts them exactly', () => {
    const deny = { action: 'deny', mode: 'enforce', scope: { cgroup: '/a' } } as const;
    const { host, names, held, open } = limited([
      ruleOf('denied', `evt.type in (open, openat, openat2) and fd.name = /etc/passwd`, deny),
    ]);
    const task = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
    expect(open(task, 20)).toEqual(Array(20).fill(-1));
    expect(names()).toEqual(Array(3).fill('denied'));
    expect(held()).toEqual([['/a', 17]]);
  });

  it('holds back no record of a kill', () => {
    const kill = { action: 'kill', mode: 'enforce', scope: { cgroup: '/a' } } as const;
    const { host, names, open } = limited([
      ruleOf('killed', `evt.type in (open, openat, openat2) and fd.name = /etc/passwd`, kill),
    ]);
    for (let time = 0; time < 20; time++)
      expect(open(host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' }), 1)).toEqual([-1]);
    expect(names().filter((name) => name !== '')).toEqual(Array(20).fill('killed'));
  });

  it('keeps records of processes coming', () => {
    const { host, names } = limited([ruleOf('ran', 'evt.type = execve')]);
    for (let round = 0; round < 6; round++) {
      const task = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
      host.call(task, 'execve', ['/usr/bin/id', ['id'], []]);
    }
    expect(names()).toEqual(['ran', 'ran', 'ran', '', '', '']);
  });
});

describe("a rule's own limit", () => {
  it("goes before the agent's, for each rule of a record apart", () => {
    const { host, names, held, open } = limited([
      ruleOf('once an hour', OPENS, { limit: { interval: 3_600_000_000_000, burst: 1 } }),
      ruleOf('as the agent says', OPENS),
      ruleOf('eight at once', OPENS, { limit: { interval: 1_000_000_000, burst: 8 } }),
    ]);
    const task = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
    const all = 'once an hour,as the agent says,eight at once';
    const two = 'as the agent says,eight at once';
    open(task, 10);
    expect(names()).toEqual([all, two, two, ...Array(5).fill('eight at once')]);
    expect(
      held()
        .map(([, records]) => records)
        .sort(),
    ).toEqual([2, 7, 9]);

    host.advance(10n * SECOND);
    open(task, 3);
    expect(names()).toEqual([two, two, two]);
    host.advance(3_600n * SECOND);
    open(task, 1);
    expect(names()).toEqual([all]);
  });

  it('holds where the agent has none', () => {
    const { host, names, open } = limited(
      [ruleOf('limited', OPENS, { limit: { interval: 1e9, burst: 2 } }), ruleOf('free', OPENS)],
      undefined,
    );
    open(host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' }), 5);
    expect(names()).toEqual(['limited,free', 'limited,free', 'free', 'free', 'free']);
  });

  it('is not kept by the program where user space decides the rule', () => {
    const { host, names, open } = limited(
      [ruleOf('residual', `${OPENS} and evt.num > 5`, { limit: { interval: 1e12, burst: 1 } })],
      undefined,
    );
    open(host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' }), 4);
    expect(names()).toEqual(Array(4).fill('residual'));
  });
});
