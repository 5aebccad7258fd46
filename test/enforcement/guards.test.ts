import { describe, expect, it } from 'vitest';
import { loadObject, mapOf } from '../../agent/load.ts';
import type { FeatureLevel } from '../../engine/object/index.ts';
import type { Memory } from '../../engine/vm/index.ts';
import { type Compiled, compile, decodeRecord, type Guard, generate, HEAD, KILLS, RINGS } from '../../rules/index.ts';
import { createProcessTable, createSimHost, type SimTask } from '../../sensors/index.ts';
import { writePointer } from '../../sensors/sim/kernel/kernel-object.ts';
import { MM } from '../../sensors/sim/kernel/structs.ts';
import type { Task } from '../../sensors/sim/kernel/tasks.ts';
import { ruleOf } from '../support/rules.ts';

const EPERM = 1;
const FDCWD = -100;
const LEVELS: readonly FeatureLevel[] = ['6.1', '6.9', '6.12'];

/** A host whose rule kills who opens a file, twice in ten seconds at most. */
const place = (level: FeatureLevel, without: ReadonlySet<Guard> = new Set()) => {
  const host = createSimHost({ memory: 32 * 1024 * 1024, level, cgroups: ['/a'] });
  host.fs.write('/srv/secret', 'as it was', 0o666);
  const own = compile(
    [
      ruleOf('killed', 'evt.type in (open, openat, openat2) and fd.name = /srv/secret', {
        action: 'kill',
        mode: 'enforce',
        scope: { cgroup: '/a' },
      }),
    ],
    { level },
  );
  const compiled: Compiled = { ...own, ...generate(own.plan, level, without) };
  const { kernel } = host;
  const { maps } = loadObject({
    kernel,
    scope: '/',
    compiled,
    enforce: true,
    agentPid: 0,
    protect: [],
    budget: { kills: 2, periodMs: 10_000 },
    processes: createProcessTable(),
  });
  const stream = kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  const guards = (): readonly Guard[] => {
    const found: Guard[] = [];
    stream.consume((bytes) => {
      const { matched, guard } = decodeRecord(bytes, compiled.layouts);
      if (matched.length > 0) found.push(guard);
    });
    return found;
  };
  const spawn = (): SimTask => host.spawn({ exepath: '/usr/bin/cat', cgroup: '/a' });
  const open = (task: SimTask): number => host.call(task, 'openat', [FDCWD, '/srv/secret', 0, 0]).result;
  return { host, maps, guards, spawn, open };
};

/** Takes away what a process runs, as the kernel does while it ends. */
const forgetExecutable = (task: SimTask): (() => void) => {
  const { mm } = task as Task;
  if (mm === undefined) throw new Error('a process without memory');
  const memory = Reflect.get(mm, 'memory') as Memory;
  writePointer(memory, mm.at + MM.exeFile, 0);
  return () => writePointer(memory, mm.at + MM.exeFile, mm.exeFile.at);
};

describe.each(LEVELS)('guards, %s', (level) => {
  it('spare whoever runs nobody knows what', () => {
    const { guards, spawn, open } = place(level);
    const task = spawn();
    const restore = forgetExecutable(task);
    expect(open(task)).toBeGreaterThanOrEqual(0);
    expect(task.alive).toBe(true);
    restore();
    expect(open(task)).toBe(-EPERM);
    expect(task.alive).toBe(false);
    expect(guards()).toEqual(['executable unknown', 'done']);
  });

  it('count exactly the kills that a budget holds back', () => {
    const { maps, guards, spawn, open } = place(level);
    for (let time = 0; time < 9; time++) expect(open(spawn())).toBe(-EPERM);
    expect(guards()).toEqual(['done', 'done', ...Array(7).fill('budget spent')]);
    const kills = mapOf(maps, 'kills');
    const [key = new Uint8Array(), ...others] = kills.keys();
    expect([key.length, others.length]).toEqual([KILLS.key.size, 0]);
    const value = kills.lookup(key);
    expect(value && new DataView(value.buffer, value.byteOffset).getBigUint64(KILLS.value.held, true)).toBe(7n);
  });
});

it('without the guard, a process whose executable nobody knows is denied', () => {
  const { spawn, open } = place('6.12', new Set<Guard>(['executable unknown']));
  const task = spawn();
  forgetExecutable(task);
  expect(open(task)).toBe(-EPERM);
});

it('without the guard of init, the kernel takes no signal for it: the call is denied, and it lives', () => {
  const { host, guards, open } = place('6.12', new Set<Guard>(['init']));
  host.moveToCgroup(host.root, '/a');
  expect(open(host.root)).toBe(-EPERM);
  expect(host.root.alive).toBe(true);
  expect(guards()).toEqual(['not sent']);
});
