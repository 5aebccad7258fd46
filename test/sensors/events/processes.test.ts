import { describe, expect, it } from 'vitest';
import { argumentsText, commandLine, createProcessTable, type ProcessFacts } from '../../../sensors/index.ts';
import { record } from './record.ts';

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
