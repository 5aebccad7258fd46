import { describe, expect, it } from 'vitest';
import { loadObject, mapOf } from '../../agent/load.ts';
import { createLosses } from '../../agent/losses.ts';
import type { FeatureLevel } from '../../engine/object/index.ts';
import { compile, decodeRecord, HEAD, RINGS } from '../../rules/index.ts';
import { createProcessTable, createSimHost } from '../../sensors/index.ts';
import { ruleOf } from '../support/rules.ts';

const EPERM = 1;
const FDCWD = -100;

/** A host whose rule denies, and the scratch values of its one CPU. */
const place = (level: FeatureLevel) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024, level });
  host.fs.write('/srv/secret', 'as it was', 0o666);
  const compiled = compile(
    [
      ruleOf('denied', 'evt.type in (open, openat, openat2) and fd.name startswith /srv/', {
        action: 'deny',
        mode: 'enforce',
        scope: { cgroup: '/a' },
      }),
    ],
    { level },
  );
  const task = host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
  const { kernel } = host;
  const { maps } = loadObject({
    kernel,
    scope: '/',
    compiled,
    enforce: true,
    agentPid: 0,
    protect: [],
    processes: createProcessTable(),
  });
  const slots = mapOf(maps, 'slots');
  const keys = Array.from({ length: slots.spec.maxEntries }, (_, index) => new Uint8Array([index, 0, 0, 0]));
  const valueAt = (key: Uint8Array): Uint8Array => {
    const value = slots.lookup(key);
    if (value === undefined) throw new Error('no scratch value');
    return value;
  };
  const isBusy = (): readonly boolean[] => keys.map((key) => valueAt(key).at(-8) !== 0);
  /** As if programs of other tasks were under way that were preempted on this CPU. */
  const occupy = (busy: number): void => {
    for (const [index, key] of keys.entries()) {
      const value = valueAt(key).slice();
      value[value.length - 8] = index < busy ? 1 : 0;
      expect(slots.update(key, value)).toBe(0);
    }
  };
  const stream = kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  const records = (): number => {
    let found = 0;
    stream.consume((bytes) => {
      if (decodeRecord(bytes, compiled.layouts).matched.length > 0) found++;
    });
    return found;
  };
  const open = (path: string): number => host.call(task, 'openat', [FDCWD, path, 0, 0]).result;
  return { open, isBusy, occupy, records, losses: createLosses({ kernel, compiled, lost: mapOf(maps, 'lost') }) };
};

describe.each(['6.1', '6.12'] as const)('scratch values of programs before the effect, %s', (level) => {
  it('are given back, whether something was denied or not', () => {
    const { open, isBusy } = place(level);
    expect(isBusy()).toEqual([false, false, false]);
    expect(open('/srv/secret')).toBe(-EPERM);
    expect(open('/etc/passwd')).toBeGreaterThanOrEqual(0);
    expect(isBusy()).toEqual([false, false, false]);
  });

  it('suffice for a run that interrupts two others', () => {
    const { open, isBusy, occupy, losses } = place(level);
    occupy(2);
    expect(open('/srv/secret')).toBe(-EPERM);
    expect(isBusy()).toEqual([true, true, false]);
    expect(losses.check()).toEqual([]);
  });

  it('that are all in use let the run do nothing, which is counted and raised', () => {
    const { open, occupy, records, losses } = place(level);
    occupy(3);
    expect(open('/srv/secret')).toBeGreaterThanOrEqual(0);
    expect(records()).toBe(0);
    expect(losses.check().map(({ body, alert }) => [body, alert.output])).toEqual([
      [
        { hook: 'lsm/file_open', busy: 1 },
        '1 run of the program at lsm/file_open found others under way on the same CPU and did nothing: nothing was seen or denied there',
      ],
    ]);
    occupy(0);
    expect(open('/srv/secret')).toBe(-EPERM);
    expect(records()).toBe(1);
    expect(losses.check()).toEqual([]);
  });
});
