import { describe, expect, it } from 'vitest';
import { type Alert, type AuditEntry, mayBeBelow, treeOf } from '../../../alerts/index.ts';
import { anAlert } from '../../support/alert.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom, type Random } from '../../support/random.ts';

const entryOf = (seq: number, kind: AuditEntry['kind'], body: object): AuditEntry => ({
  v: 1,
  seq,
  time: '2026-01-02T03:04:05.000000000Z',
  kind,
  body,
  bodyText: '',
  crc32c: '00000000',
});

interface Process {
  readonly pid: number;
  readonly start: number;
  readonly parent: Process | undefined;
  /** Its command line now. */
  cmdline: string;
}

const ancestorsOf = ({ parent }: Process): readonly Process[] =>
  parent === undefined ? [] : [parent, ...ancestorsOf(parent)];

const alertAbout = (seq: number, process: Process): AuditEntry => {
  const { pid, start, cmdline } = process;
  const ancestors = ancestorsOf(process).map((each) => ({ pid: each.pid, exe: '/x', cmdline: each.cmdline }));
  return entryOf(seq, 'alert', anAlert(seq, { process: { pid, start, exe: '/x', cmdline, uid: 0, ancestors } }));
};

const attemptAbout = (seq: number, { pid, start }: Process, more: object = {}): AuditEntry =>
  entryOf(seq, 'enforcement', { pid, start, exe: '/x', outcome: 'killed', arguments: {}, fields: {}, ...more });

const process = (pid: number, start: number, cmdline: string, parent?: Process): Process => ({
  pid,
  start,
  parent,
  cmdline,
});

/** The tree as text: processes by their command line, entries by number. */
const drawn = (entries: readonly AuditEntry[], pid: number, start?: number): readonly string[] | undefined =>
  treeOf(
    entries.filter((entry) => mayBeBelow(entry, pid) || entry.kind === 'enforcement'),
    pid,
    start,
  )?.steps.map(({ depth, type, process: of, again, entry }) => {
    const what = type === 'entry' ? `#${entry?.seq}` : `${again === undefined ? '' : `${again} `}${of.cmdline}`;
    return `${'  '.repeat(depth)}${what}`;
  });

describe('a process tree', () => {
  const init = process(1, 1, 'init');
  const shell = process(10, 100, 'sh', init);

  it('grows downwards: exec is told, and where a branch was left and comes again', () => {
    const [one, two] = [process(11, 110, 'one', shell), process(12, 120, 'two', shell)];
    const entries = [alertAbout(1, one), alertAbout(2, two)];
    one.cmdline = 'now one';
    entries.push(
      alertAbout(3, one),
      attemptAbout(4, one),
      alertAbout(5, one),
      alertAbout(6, two),
      alertAbout(7, shell),
    );
    expect(drawn(entries, 10)).toEqual([
      'sh',
      '  one',
      '  #1',
      '  two',
      '  #2',
      '  exec now one',
      '  #3',
      '  #4',
      '  #5',
      '  branch two',
      '  #6',
      '#7',
    ]);
    expect(treeOf(entries, 10)?.above.map(({ cmdline }) => cmdline)).toEqual(['init']);
  });

  it('of a pid that was used again is that of the start that is asked for', () => {
    const [old, young] = [process(20, 200, 'old', shell), process(20, 300, 'young', init)];
    const entries = [
      alertAbout(1, old),
      alertAbout(2, process(21, 210, 'below old', old)),
      alertAbout(3, young),
      alertAbout(4, process(22, 310, 'below young', young)),
    ];
    expect(drawn(entries, 20, 200)).toEqual(['old', '#1', '  below old', '  #2']);
    expect(drawn(entries, 20, 300)).toEqual(['young', '#3', '  below young', '  #4']);
    expect(drawn(entries, 20)).toEqual(['old', '#1', '  below old', '  #2']);
    expect(drawn(entries, 23)).toBeUndefined();
  });

  it('has those that were killed for the sake of an ancestor', () => {
    const entries = [alertAbout(1, shell), attemptAbout(2, process(30, 400, '', shell), { descendantOf: 10 })];
    expect(treeOf(entries, 10)?.steps.map(({ depth, entry }) => [depth, entry?.seq])).toEqual([
      [0, undefined],
      [0, 1],
      [1, undefined],
      [1, 2],
    ]);
  });
});

/** Processes of a run in which pids are used again, as a kernel does it: not while the process is alive. */
const randomStory = (random: Random): { readonly entries: readonly AuditEntry[]; readonly all: readonly Process[] } => {
  const alive: Process[] = [process(1, 1, 'init')];
  const all: Process[] = [...alive];
  const entries: AuditEntry[] = [];
  for (let step = 2; step < 60; step++) {
    const one = random.pick(alive);
    const choice = random.below(10);
    if (choice < 4) {
      const free = [2, 3, 4, 5, 6, 7, 8, 9].filter((pid) => !alive.some((each) => each.pid === pid));
      if (free.length === 0) continue;
      const child = process(random.pick(free), step * 10, `p${step}`, one);
      alive.push(child);
      all.push(child);
      // The log knows a process's start by an alert of its own.
      entries.push(alertAbout(entries.length + 1, child));
    } else if (choice < 9) entries.push(alertAbout(entries.length + 1, one));
    else if (one.pid !== 1 && !alive.some(({ parent }) => parent === one)) alive.splice(alive.indexOf(one), 1);
  }
  return { entries, all };
};

it('has exactly the alerts of a process and its descendants, each at its depth: random stories with pids used again', () => {
  const random = createRandom(seed('random process trees'));
  for (let round = 0; round < count(2_000); round++) {
    const { entries, all } = randomStory(random);
    const root = random.pick(all);
    const expected = entries.flatMap(({ seq, body }) => {
      const { pid, start } = (body as Alert).process;
      const self = all.find((each) => each.pid === pid && each.start === start)!;
      const chain = [self, ...ancestorsOf(self)];
      return chain.includes(root) ? [[seq, chain.indexOf(root)]] : [];
    });
    const tree = treeOf(
      entries.filter((entry) => mayBeBelow(entry, root.pid)),
      root.pid,
      root.start,
    );
    const found = tree?.steps.flatMap(({ entry, depth }) => (entry === undefined ? [] : [[entry.seq, depth]])) ?? [];
    expect(found).toEqual(expected);
  }
});
