import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditFinding } from '../../../alerts/audit/finding.ts';
import { createLineSpace, decodeLine } from '../../../alerts/audit/line.ts';
import { CHECKPOINT_FILE, openSeal } from '../../../alerts/audit/seal.ts';
import { verifyAuditLog } from '../../../alerts/audit/verify.ts';
import { createEdge } from '../../../alerts/transparency/edge.ts';
import { leafHash } from '../../../alerts/transparency/hash.ts';
import { createSigner, type Signer } from '../../../alerts/transparency/key.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom, type Random } from '../../support/random.ts';

const SEGMENT_ENTRIES = 150;
const ENTRIES = 600;
/** Entries behind the last checkpoint. */
const UNSIGNED = 7;

interface Log {
  readonly folder: string;
  readonly signer: Signer;
}

const nameOf = (first: number): string => `audit-${String(first).padStart(6, '0')}.jsonl`;
const FIRSTS = Array.from({ length: ENTRIES / SEGMENT_ENTRIES }, (_, index) => 1 + index * SEGMENT_ENTRIES);

/** The entry that says that retention removed the first segment. */
const REMOVAL = 590;

/** Lines as an agent writes them, with one body more or less. */
const linesOf = (change = 0): readonly Buffer[] => {
  const space = createLineSpace(1 << 16);
  return Array.from({ length: ENTRIES }, (_, index) => {
    const body = {
      rule: `rule ${index % 7}`,
      output: 'x'.repeat(index % 40),
      ...(index + 1 === change && { hidden: true }),
    };
    const time = `2026-01-02T03:04:05.${String(index).padStart(9, '0')}Z`;
    if (index + 1 === REMOVAL) {
      const removed = { reason: 'age', segment: nameOf(1), from: 1, to: SEGMENT_ENTRIES };
      return Buffer.from(space.write({ v: 1, seq: index + 1, time, kind: 'shed', body: removed }).bytes);
    }
    return Buffer.from(space.write({ v: 1, seq: index + 1, time, kind: 'alert', body }).bytes);
  });
};

const writeLog = async (
  folder: string,
  signer: Signer,
  lines: readonly Buffer[],
  signed = ENTRIES - UNSIGNED,
): Promise<void> => {
  mkdirSync(folder, { recursive: true });
  for (const first of FIRSTS)
    writeFileSync(
      join(folder, nameOf(first)),
      lines
        .slice(first - 1, first - 1 + SEGMENT_ENTRIES)
        .map((line) => `${line}\n`)
        .join(''),
    );
  const seal = openSeal(folder, signer);
  for (const [index, line] of lines.slice(0, signed).entries()) {
    seal.add(line);
    if (index % 97 === 0) await seal.sign();
  }
  await seal.sign();
};

const ORIGIN = 'web-1/shrike/0123abcd';

const newLog = async (): Promise<Log> => {
  const folder = temporaryFolder();
  const signer = createSigner(ORIGIN);
  await writeLog(folder, signer, linesOf());
  return { folder, signer };
};

const check = ({ folder, signer }: Log) => verifyAuditLog({ folder, key: signer.verifier });
const messages = (findings: readonly AuditFinding[]): readonly string[] => findings.map(({ message }) => message);

describe('a log that nobody changed', () => {
  it('holds, with what was not signed yet', async () => {
    const log = await newLog();
    expect(await check(log)).toMatchObject({
      verified: ENTRIES - UNSIGNED,
      unsigned: UNSIGNED,
      firstKept: 1,
      findings: [],
    });
    expect((await check(log)).checkpoint).toMatchObject({ size: ENTRIES - UNSIGNED, origin: 'web-1/shrike/0123abcd' });
  });

  it('holds where its oldest segment is no longer kept', async () => {
    const log = await newLog();
    rmSync(join(log.folder, nameOf(1)));
    expect(await check(log)).toMatchObject({
      verified: ENTRIES - UNSIGNED - SEGMENT_ENTRIES,
      firstKept: 1 + SEGMENT_ENTRIES,
      findings: [],
    });
  });
});

describe('what was changed is named', () => {
  const changed = async (change: (log: Log) => void | Promise<void>): Promise<readonly string[]> => {
    const log = await newLog();
    await change(log);
    return messages((await check(log)).findings).map((message) => message.replaceAll(`${log.folder}/`, ''));
  };
  const edit = ({ folder }: Log, first: number, change: (lines: string[]) => string[]): void => {
    const path = join(folder, nameOf(first));
    writeFileSync(path, change(readFileSync(path, 'utf8').split('\n')).join('\n'));
  };

  it('a body, with its checksum left', async () => {
    expect(await changed((log) => edit(log, 151, (lines) => lines.with(9, lines[9]!.replace('rule', 'RULE'))))).toEqual(
      [expect.stringMatching(/^audit-000151\.jsonl:10: entry 160 was changed: the checksum is .* at byte \d+$/)],
    );
  });

  it('a body, with its checksum made anew', async () => {
    const line = linesOf(160)[159]!;
    expect(await changed((log) => edit(log, 151, (lines) => lines.with(9, String(line))))).toEqual([
      'audit-000151.jsonl:10: entry 160 was changed: its checksum holds, its hash is not the one that was signed',
    ]);
  });

  it('lines that were taken out, and two that changed places', async () => {
    expect(await changed((log) => edit(log, 1, (lines) => lines.toSpliced(10, 3)))).toEqual([
      'audit-000001.jsonl:11: entries 11 to 13 are missing',
    ]);
    expect(await changed((log) => edit(log, 1, (lines) => lines.with(10, lines[11]!).with(11, lines[10]!)))).toEqual([
      'audit-000001.jsonl:11: entry 11 is missing',
      'audit-000001.jsonl:12: entry 11 stands a second time, where entry 13 should be',
    ]);
  });

  it('a segment that is gone, and an end that was cut off', async () => {
    expect(await changed(({ folder }) => rmSync(join(folder, nameOf(301))))).toEqual([
      'audit-000451.jsonl: entries 301 to 450 are missing',
    ]);
    expect(await changed((log) => edit(log, 451, (lines) => [...lines.slice(0, 50), '']))).toEqual([
      'audit-000451.jsonl: entries 501 to 593 are missing',
    ]);
  });

  it('a checkpoint of another log, of another key, changed, or gone', async () => {
    const other = createSigner('db-1/shrike/ffff0000');
    const write = ({ folder }: Log, text: string): void => writeFileSync(join(folder, CHECKPOINT_FILE), text);
    const read = ({ folder }: Log): string => readFileSync(join(folder, CHECKPOINT_FILE), 'utf8');
    const seal = openSeal(temporaryFolder(), other);
    const foreign = await seal.sign();
    expect(await changed((log) => write(log, foreign))).toEqual([
      'checkpoint: the checkpoint is of the log db-1/shrike/ffff0000, the key of web-1/shrike/0123abcd',
    ]);
    expect(await changed((log) => write(log, read(log).replace('\n593\n', '\n592\n')))).toEqual([
      "checkpoint: the checkpoint's signature in the name of web-1/shrike/0123abcd is not of its key: it was changed",
    ]);
    expect(await changed(({ folder }) => rmSync(join(folder, CHECKPOINT_FILE)))).toEqual([
      "checkpoint can't be read (ENOENT): there is nothing to check the log against",
    ]);
  });

  it('tiles: gone, changed, cut', async () => {
    expect(await changed(({ folder }) => rmSync(join(folder, 'tile/0/000')))).toEqual([
      "tile/0/000 is missing: the hashes of those entries are gone; entries 1 to 256 can't be checked",
    ]);
    expect(
      await changed(({ folder }) => {
        const path = join(folder, 'tile/0/001');
        writeFileSync(path, readFileSync(path).fill(7, 100, 101));
      }),
    ).toEqual(["tile/0/001 was changed: it doesn't lead to the hash above it; entries 257 to 512 can't be checked"]);
  });
});

/** Files that a log of so many entries needs: lines, the checkpoint, and the tiles that lead to it. */
const filesOf = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/\.p\/\d+$/.test(path) || /0\/002\.p\/88$|1\/000\.p\/2$/.test(path));

/** What somebody does to a log's files; returns the first entry that it is about, where that is certain. */
type Change = (folder: string, random: Random) => number | undefined | Promise<undefined>;

const splitLines = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);
const joinLines = (path: string, lines: readonly string[]): void =>
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));

/** Another body with a checksum that fits; returns whose. */
const changeBody = (folder: string, random: Random): number => {
  const seq = 1 + random.below(ENTRIES);
  const first = FIRSTS.findLast((each) => each <= seq)!;
  const lines = splitLines(join(folder, nameOf(first)));
  const decoded = decodeLine(Buffer.from(lines[seq - first]!));
  if (!decoded.ok) throw new Error(decoded.problem);
  const { v, time, kind } = decoded.entry;
  const made = createLineSpace(4096).write({ v, seq, time, kind, body: { rule: 'nothing', n: random.below(100) } });
  lines[seq - first] = Buffer.from(made.bytes).toString();
  joinLines(join(folder, nameOf(first)), lines);
  return seq;
};

const CHANGES: Readonly<Record<string, Change>> = {
  bytes: (folder, random) => {
    const path = random.pick(filesOf(folder));
    const content = readFileSync(path);
    const at = random.below(content.length);
    const rest = content.subarray(at);
    const flipped = Buffer.from([content[at]! ^ (1 << random.below(8))]);
    const put = random.pick([
      [flipped, rest.subarray(1)],
      [Buffer.from([random.below(256)]), rest],
      [rest.subarray(1 + random.below(30))],
    ]);
    writeFileSync(path, Buffer.concat([content.subarray(0, at), ...put]));
    return undefined;
  },
  body: changeBody,
  swap: (folder, random) => {
    const first = random.pick(FIRSTS);
    const lines = splitLines(join(folder, nameOf(first)));
    const [one, other] = [random.below(SEGMENT_ENTRIES - 1), 1 + random.below(SEGMENT_ENTRIES - 1)];
    const [low, high] = one < other ? [one, other] : one > other ? [other, one] : [one, one + 1];
    [lines[low], lines[high]] = [lines[high]!, lines[low]!];
    joinLines(join(folder, nameOf(first)), lines);
    return first + low;
  },
  'cut out': (folder, random) => {
    const first = random.pick(FIRSTS);
    const lines = splitLines(join(folder, nameOf(first)));
    const at = random.below(SEGMENT_ENTRIES);
    lines.splice(at, 1 + random.below(20));
    joinLines(join(folder, nameOf(first)), lines);
    return first + at;
  },
  'cut off': (folder, random) => {
    const left = 1 + random.below(ENTRIES - 1);
    for (const first of FIRSTS) {
      const path = join(folder, nameOf(first));
      if (first > left) rmSync(path);
      else joinLines(path, splitLines(path).slice(0, left + 1 - first));
    }
    return left + 1;
  },
  doubled: (folder, random) => {
    const first = random.pick(FIRSTS);
    const lines = splitLines(join(folder, nameOf(first)));
    const at = random.below(SEGMENT_ENTRIES);
    lines.splice(at, 0, lines[at]!);
    joinLines(join(folder, nameOf(first)), lines);
    return first + at;
  },
  'lines and tiles': async (folder, random) => {
    const checkpoint = readFileSync(join(folder, CHECKPOINT_FILE));
    changeBody(folder, random);
    await sealAgain(folder, createSigner(ORIGIN), ENTRIES);
    writeFileSync(join(folder, CHECKPOINT_FILE), checkpoint);
    return undefined;
  },
};

/** Tiles and a checkpoint for the first lines of a log, as they are now. */
const sealAgain = (folder: string, signer: Signer, entries: number): Promise<string> => {
  rmSync(join(folder, 'tile'), { recursive: true });
  rmSync(join(folder, CHECKPOINT_FILE));
  const seal = openSeal(folder, signer);
  const lines = FIRSTS.filter((first) => first <= entries).flatMap((first) => splitLines(join(folder, nameOf(first))));
  for (const line of lines.slice(0, entries)) seal.add(Buffer.from(line));
  return seal.sign();
};

describe('random changes', () => {
  let whole: Log;
  let root = '';
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'shrike-test-'));
    const signer = createSigner(ORIGIN);
    whole = { folder: join(root, 'whole'), signer };
    await writeLog(whole.folder, signer, linesOf(), ENTRIES);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('are found, each, with the first entry that they are about', async () => {
    const random = createRandom(seed('changes'));
    const kinds = Object.entries(CHANGES);
    const folder = join(root, 'changed');
    for (let run = count(18_000); run > 0; run--) {
      rmSync(folder, { recursive: true, force: true });
      cpSync(whole.folder, folder, { recursive: true });
      const [kind, change] = kinds[run % kinds.length]!;
      const first = await change(folder, random);
      const { findings } = await check({ folder, signer: whole.signer });
      expect([kind, findings.length > 0]).toEqual([kind, true]);
      if (first !== undefined) expect([kind, findings[0]?.first]).toEqual([kind, first]);
    }
  }, 3_600_000);

  it('that the log’s own key has signed are found by whoever has seen the log before', async () => {
    const random = createRandom(seed('signed changes'));
    const folder = join(root, 'signed');
    const seen = [100, 257, 300, 512, ENTRIES].map((size) => {
      const edge = createEdge(0, () => new Uint8Array(0));
      for (const line of linesOf().slice(0, size)) edge.add(leafHash(line));
      return { origin: ORIGIN, size, root: edge.root() };
    });
    for (let run = count(2_000); run > 0; run--) {
      rmSync(folder, { recursive: true, force: true });
      cpSync(whole.folder, folder, { recursive: true });
      const before = seen.filter(() => random.chance(0.7));
      if (before.length === 0) continue;
      const { size: largest } = before.at(-1)!;
      const isCut = random.chance(0.5);
      const left = isCut ? 1 + random.below(largest - 1) : ENTRIES;
      const changed = isCut ? undefined : changeBody(folder, random);
      await sealAgain(folder, whole.signer, left);
      const { findings } = await verifyAuditLog({ folder, key: whole.signer.verifier, before });
      const [found] = findings;
      if (isCut)
        expect(found).toMatchObject({
          code: 'shrunk',
          first: left + 1,
          last: before.find(({ size }) => size > left)!.size,
        });
      else if (changed! > largest) expect(findings).toEqual([]);
      else {
        const last = before.find(({ size }) => size >= changed!)!.size;
        const first = (before.findLast(({ size }) => size < changed!)?.size ?? 0) + 1;
        expect(found).toMatchObject({ code: 'forked', first, last });
      }
    }
  }, 3_600_000);
});
