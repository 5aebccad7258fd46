import { describe, expect, it } from 'vitest';
import { argumentsText, commandLine, createProcessTable, type ProcessFacts } from '../../../sensors/index.ts';
import { record, withParts } from './record.ts';

const facts = (pid: number, more: Partial<ProcessFacts> = {}): ProcessFacts => ({
  pid,
  start: BigInt(pid),
  parentPid: 0,
  parentStart: 0n,
  name: `p${pid}`,
  exepath: `/bin/p${pid}`,
  argv: [`p${pid}`, '-x'],
  memfd: false,
  uid: 0,
  cgroup: '/',
  ...more,
});

const exec = (pid: number, argv: string, path = '/bin/new') =>
  record({
    kind: 'exec',
    pid,
    start: BigInt(pid),
    comm: 'new',
    uid: 7,
    typechar: 'f',
    strings: {
      file: { state: 'present', text: path },
      base: { state: 'present', text: '/work' },
      argv: { state: 'present', text: argv },
    },
  });
const fork = (pid: number, maker: number, parent = maker) =>
  record({
    kind: 'fork',
    pid,
    start: BigInt(pid),
    parentPid: parent,
    parentStart: BigInt(parent),
    comm: 'comm',
    arguments: [BigInt(maker), BigInt(maker)],
  });
const exit = (pid: number) => record({ kind: 'exit', pid, start: BigInt(pid) });

describe('the process table', () => {
  it('has what was there, as it was', () => {
    const table = createProcessTable();
    table.add(facts(5));
    expect(table.get(5, 5n)).toMatchObject({ name: 'p5', exepath: '/bin/p5', argv: ['p5', '-x'], alive: true });
    expect(table.size).toBe(1);
  });

  it('does not take a process for another one that had its id', () => {
    const table = createProcessTable();
    table.add(facts(5));
    expect(table.get(5, 6n)).toBeUndefined();
  });

  it('gives a process the facts of its exec', () => {
    const table = createProcessTable();
    table.add(facts(5));
    table.apply(exec(5, 'new\0two words\0\0'));
    expect(table.get(5, 5n)).toMatchObject({
      name: 'new',
      exepath: '/bin/new',
      argv: ['new', 'two words', ''],
      cwd: '/work',
      memfd: false,
      uid: 7,
    });
    expect(table.size).toBe(1);
  });

  it('does not know what an exec did not have room for, or could not read', () => {
    const table = createProcessTable();
    table.apply(
      record({
        kind: 'exec',
        pid: 5,
        start: 5n,
        comm: 'new',
        strings: { file: { state: 'unknown', text: '' }, argv: { state: 'unknown', text: 'new\0cut o' } },
      }),
    );
    expect(table.get(5, 5n)).toMatchObject({ name: 'new', exepath: undefined, argv: undefined, memfd: undefined });
  });

  it('gives a child the facts of the process that made it, whoever is its parent', () => {
    const table = createProcessTable();
    table.add(facts(1));
    table.add(facts(5));
    table.apply(fork(6, 5));
    table.apply(fork(7, 5, 1));
    expect(table.get(6, 6n)).toMatchObject({ name: 'p5', exepath: '/bin/p5', parentPid: 5 });
    expect(table.get(7, 7n)).toMatchObject({ name: 'p5', exepath: '/bin/p5', parentPid: 1 });
    expect(table.size).toBe(4);
  });

  it('takes the name of a child of an unknown process from its record', () => {
    const table = createProcessTable();
    table.apply(fork(6, 5));
    expect(table.get(6, 6n)).toMatchObject({ name: 'comm', exepath: undefined, argv: undefined });
  });

  it('keeps the ended for a while, but does not count them', () => {
    const table = createProcessTable();
    table.add(facts(5));
    table.apply(exit(5));
    table.apply(exit(5));
    expect(table.size).toBe(0);
    expect(table.get(5, 5n)).toMatchObject({ name: 'p5', alive: false });
    for (let pid = 10; pid < 10 + 4096; pid++) {
      table.apply(fork(pid, 5));
      table.apply(exit(pid));
    }
    expect(table.size).toBe(0);
    expect(table.get(5, 5n)).toBeUndefined();
    expect(table.get(10, 10n)).toBeDefined();
  });

  it('names ancestors parent first, up to the first process, a gap or sixteen', () => {
    const table = createProcessTable();
    for (let pid = 1; pid <= 30; pid++) table.add(facts(pid, { parentPid: pid - 1, parentStart: BigInt(pid - 1) }));
    const above = (parentPid: number) =>
      [...table.ancestors({ parentPid, parentStart: BigInt(parentPid) })].map(({ pid }) => pid);
    expect(above(3)).toEqual([3, 2, 1]);
    expect(above(30)).toEqual(Array.from({ length: 16 }, (_, index) => 30 - index));
    expect(above(31)).toEqual([]);
    expect(above(0)).toEqual([]);
  });
});

describe('texts of arguments', () => {
  it.each([
    [['cat', '/etc/shadow'], '/etc/shadow', 'name /etc/shadow'],
    [['sh', '-c', 'a b', 'c'], '-c a b c', 'name -c a b c'],
    [['x'], '', 'name'],
    [['x', ''], '', 'name '],
    [['x', '', 'y'], ' y', 'name  y'],
    [[], '', 'name'],
  ])('of %j', (argv, args, cmdline) => {
    expect(argumentsText(argv)).toBe(args);
    expect(commandLine({ name: 'name', argv })).toBe(cmdline);
  });

  it('are unknown where the arguments are', () => {
    expect(commandLine({ name: 'name', argv: undefined })).toBeUndefined();
  });
});

const at = (time: bigint, made: ReturnType<typeof record>) => withParts(made, { time });

describe('a snapshot that is ahead of the records', () => {
  it('counts at once for a process that nothing is known of', () => {
    const table = createProcessTable();
    table.add(facts(5, { asOf: 100n }));
    expect(table.get(5, 5n)).toMatchObject({ name: 'p5' });
  });

  it('gives way to what came before it until the records have come as far', () => {
    const table = createProcessTable();
    table.add(facts(5, { asOf: 100n }));
    table.apply(at(50n, exec(5, 'older\0')));
    expect(table.get(5, 5n)).toMatchObject({ argv: ['older'] });
    table.apply(at(99n, exec(6, 'other\0')));
    expect(table.get(5, 5n)).toMatchObject({ argv: ['older'] });
    table.apply(at(100n, exec(7, 'other\0')));
    expect(table.get(5, 5n)).toMatchObject({ argv: ['p5', '-x'] });
    expect(table.size).toBe(3);
  });

  it('counts where no record comes any more', () => {
    const table = createProcessTable();
    table.apply(at(50n, exec(5, 'older\0')));
    table.add(facts(5, { asOf: 100n }));
    table.advance(99n);
    expect(table.get(5, 5n)).toMatchObject({ argv: ['older'] });
    table.advance(100n);
    expect(table.get(5, 5n)).toMatchObject({ argv: ['p5', '-x'] });
  });

  it('gives way to what came after it', () => {
    const table = createProcessTable();
    table.add(facts(5, { asOf: 100n }));
    table.apply(at(101n, exec(5, 'newer\0')));
    table.apply(at(200n, exec(6, 'other\0')));
    expect(table.get(5, 5n)).toMatchObject({ argv: ['newer'] });
  });

  it('does not take away what a record knows more of the same image', () => {
    const table = createProcessTable();
    table.apply(at(50n, exec(5, 'new\0')));
    table.add(facts(5, { asOf: 100n, name: 'new', exepath: '/bin/new', argv: ['new'] }));
    table.apply(at(150n, exec(6, 'other\0')));
    expect(table.get(5, 5n)).toMatchObject({ cwd: '/work' });
  });

  it('does not bring back a process whose exit was seen', () => {
    const table = createProcessTable();
    table.apply(at(10n, exec(5, 'new\0')));
    table.apply(at(20n, exit(5)));
    table.add(facts(5, { asOf: 15n }));
    expect(table.get(5, 5n)).toMatchObject({ alive: false, argv: ['new'] });
    expect(table.size).toBe(0);
  });

  it('is forgotten with the process', () => {
    const table = createProcessTable();
    table.add(facts(5, { asOf: 100n }));
    table.apply(at(120n, exit(5)));
    expect(table.get(5, 5n)).toMatchObject({ alive: false });
    expect(table.size).toBe(0);
  });

  it('lets a fork that it has the child of already make it once', () => {
    const table = createProcessTable();
    table.add(facts(5, { asOf: 100n }));
    table.add(facts(6, { asOf: 100n, parentPid: 5, parentStart: 5n, argv: ['child'] }));
    table.apply(at(90n, fork(6, 5)));
    expect(table.get(6, 6n)).toMatchObject({ argv: ['p5', '-x'] });
    table.apply(at(110n, exit(5)));
    expect(table.get(6, 6n)).toMatchObject({ argv: ['child'], alive: true });
    expect(table.size).toBe(1);
  });
});

describe('after a loss', () => {
  it('what is there no more has ended, what is new is known, and what came later stays', () => {
    const table = createProcessTable();
    for (const pid of [5, 6, 7]) table.apply(at(10n, exec(pid, 'new\0')));
    table.apply(at(30n, exec(8, 'later\0')));
    table.resync([facts(5, { asOf: 21n }), facts(9, { asOf: 22n })], 20n);
    expect([5, 6, 7, 8, 9].map((pid) => table.get(pid, BigInt(pid))?.alive)).toEqual([true, false, false, true, true]);
    expect(table.size).toBe(3);
  });
});

describe('a process whose start is known in ticks only', () => {
  const TICK = 10_000_000n;
  const coarse = (pid: number, more: Partial<ProcessFacts> = {}) =>
    facts(pid, { start: 7n * TICK, coarse: true, asOf: 100n, ...more });

  it('is found by an exact start in the same tick, once and for all', () => {
    const exact: unknown[] = [];
    const table = createProcessTable({ onExact: (process) => exact.push([process.pid, process.start]) });
    table.add(coarse(5));
    expect(table.size).toBe(1);
    expect(table.get(5, 7n * TICK + 123n)).toMatchObject({ name: 'p5', start: 7n * TICK + 123n });
    expect(table.get(5, 7n * TICK + 124n)).toMatchObject({ start: 7n * TICK + 123n });
    expect(exact).toEqual([[5, 7n * TICK + 123n]]);
    expect(table.size).toBe(1);
  });

  it('is not taken for one that started at another time', () => {
    const table = createProcessTable();
    table.add(coarse(5));
    expect(table.get(5, 8n * TICK + 1n)).toBeUndefined();
    expect(table.get(6, 7n * TICK + 1n)).toBeUndefined();
  });

  it('is a parent, of coarse children and of exact ones', () => {
    const table = createProcessTable();
    table.add(coarse(5));
    table.add(coarse(6, { parentPid: 5, parentStart: 7n * TICK }));
    const names = () => [...table.ancestors({ parentPid: 6, parentStart: 7n * TICK + 9n })].map(({ name }) => name);
    expect(names()).toEqual(['p6', 'p5']);
    table.get(5, 7n * TICK + 5n);
    expect(names()).toEqual(['p6', 'p5']);
  });

  it('ends with its exit', () => {
    const table = createProcessTable();
    table.add(coarse(5));
    const start = 7n * TICK + 1n;
    table.apply(record({ kind: 'exit', pid: 5, start }));
    expect(table.get(5, start)).toMatchObject({ alive: false });
    expect(table.size).toBe(0);
  });
});
