import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { createMemoryLog } from '../../agent/memory-log.ts';
import type { FieldValue } from '../../rules/index.ts';
import { createLinuxSensor, fieldsOf } from '../../sensors/index.ts';
import { clangSkip } from '../support/clang.ts';
import { count, suiteSize } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { compileProgram } from './behaviours/compile-program.ts';

const SOURCE = fileURLToPath(new URL('programs/path-races.c', import.meta.url));
const ROUNDS = count(10_000);
const RINGS = { critical: 1 << 20, events: 1 << 25 };
/** Runs the program in a file system in memory that nobody else sees. */
const IN_MEMORY = 'mount -t tmpfs -o size=1m,mode=755 tmpfs "$1" && cd "$1" && exec ../path-races "$2" "$3"';

/** Where the file `good` may be while folders are renamed: no other path ever is. */
const MOVING = ['x/one', 'y/two'].flatMap((above) =>
  [above === 'x/one' ? 'p' : 'q', 'm'].map((below) => `${above}/1/2/3/4/5/6/7/8/${below}/good`),
);

/**
 * What may be said of a call, by what it opened: that the name and the inode were right or wrong, with the trust they were given, or
 * that they are not known, which counts as a match. A descriptor that another thread may have changed since is contestable.
 */
const OPENED = ['good: right, contestable', 'bad: right, contestable'];
const ALONE_OPENED = ['good: right, resolved', 'bad: right, resolved'];
const FAILED = ['nothing: as passed', 'nothing: unknown'];
const ATTACKS = {
  none: ALONE_OPENED,
  symlink: OPENED,
  'symlink, by a process': ALONE_OPENED,
  rewrite: [...OPENED, ...FAILED],
  madvise: [...OPENED, ...FAILED],
  close: [...OPENED, 'good: unknown'],
  dup2: [...OPENED, 'good: wrong, contestable'],
  'dup2, and gone': [...OPENED, 'good: wrong, contestable'],
  rename: [...OPENED, 'good: unknown'],
  'rename, by a process': [...ALONE_OPENED, 'good: unknown'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type Attack = keyof typeof ATTACKS;

/** One call, as the program knows it and as it was seen. */
interface Round {
  readonly error: number;
  /** Inode that the call opened. */
  readonly inode: number;
  readonly name: FieldValue;
  readonly seenInode: FieldValue;
}

interface Races {
  readonly rounds: readonly Round[];
  /** Calls that were made and not seen. */
  readonly missed: number;
  /** Names of files, by inode. */
  readonly files: ReadonlyMap<number, string>;
  /** The folder they lie in. */
  readonly folder: string;
}

const field = (name: string) => ({ name, span: { start: 0, end: 0 } });

const race = async (attack: Attack): Promise<Races> => {
  const programFolder = temporaryFolder();
  mkdirSync(join(programFolder, 'root'));
  copyFileSync(compileProgram(SOURCE), join(programFolder, 'path-races'));
  const cgroup = testCgroup();
  const seen = new Map<number, readonly [FieldValue, FieldValue]>();
  let output = '';
  try {
    const { problems } = await runAgent({
      policies: [policyOf([ruleOf('opens', 'evt.type = openat and proc.name = path-races')])],
      sensor: createLinuxSensor({
        scope: cgroup.path,
        source: async () => {
          const command = ['--mount', 'sh', '-c', IN_MEMORY, 'sh', join(programFolder, 'root'), attack, String(ROUNDS)];
          const { code, stdout, stderr } = await cgroup.run('unshare', command, { cwd: programFolder });
          expect([code, stderr]).toEqual([0, '']);
          output = stdout;
        },
      }),
      host: 'races',
      enforce: false,
      log: createMemoryLog('races'),
      rings: RINGS,
      onRecord: (record, processes) => {
        if (record.matched.length === 0 || record.comm !== 'path-races') return;
        const fields = fieldsOf(record, { processes, number: 0, wallTime: 0n, cgroupPath: () => undefined });
        seen.set(Number(record.arguments[3]), [fields(field('fd.name')), fields(field('fd.ino'))]);
      },
    });
    expect(problems).toEqual([]);
  } finally {
    await cgroup.remove();
  }
  const files = new Map<number, string>();
  const rounds: Round[] = [];
  let missed = 0;
  for (const line of output.trim().split('\n')) {
    const [first = '', second, third] = line.split(' ');
    if (third === undefined) {
      files.set(Number(second), first);
      continue;
    }
    const [name, seenInode] = seen.get(Number(first)) ?? [];
    if (name === undefined || seenInode === undefined) missed++;
    else rounds.push({ error: Number(second), inode: Number(third), name, seenInode });
  }
  return { rounds, missed, files, folder: join(programFolder, 'root') };
};

/** How often each kind of answer was given: to calls that opened the good or the bad file, or none. */
const tally = (attack: Attack, { rounds, files, folder }: Races): Readonly<Record<string, number>> => {
  const kinds: Record<string, number> = {};
  const namesOf = (inode: number): readonly string[] =>
    attack.startsWith('rename') ? MOVING : [files.get(inode) ?? ''];
  for (const { error, inode, name, seenInode } of rounds) {
    const opened = error === 0 ? (files.get(inode) ?? 'another') : 'nothing';
    const isRight =
      name.state === 'present' &&
      namesOf(inode).some((file) => name.value === `${folder}/${file}`) &&
      seenInode.state === 'present' &&
      seenInode.value === BigInt(inode);
    const seen =
      name.state !== 'present'
        ? name.state
        : opened === 'nothing'
          ? name.trust
          : `${isRight ? 'right' : 'wrong'}, ${name.trust}`;
    const kind = `${opened}: ${seen}`;
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
};

describe.skipIf(liveUnavailable() !== undefined || clangSkip() !== undefined)('a rule on a path, under attack', () => {
  it.each(Object.keys(ATTACKS) as Attack[])('is not fooled: %s', async (attack) => {
    const races = await race(attack);
    const kinds = tally(attack, races);
    const allowed: readonly string[] = ATTACKS[attack];
    expect(races.missed).toBe(0);
    expect(races.rounds).toHaveLength(ROUNDS);
    expect(Object.entries(kinds).filter(([kind]) => !allowed.includes(kind))).toEqual([]);
    if (suiteSize !== 'quick') console.log(`${attack}: ${JSON.stringify(kinds)}`);
  });
});
