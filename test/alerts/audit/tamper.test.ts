import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AuditFinding } from '../../../alerts/audit/finding.ts';
import { CHECKPOINT_FILE, openSeal } from '../../../alerts/audit/seal.ts';
import { verifyAuditLog } from '../../../alerts/audit/verify.ts';
import { type Checkpoint, openCheckpoint, signCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { createSigner, SIGNATURE } from '../../../alerts/transparency/key.ts';
import { readTiles } from '../../../alerts/transparency/tile-folder.ts';
import { rootOfFirst, treeOf } from '../../../alerts/transparency/tree.ts';
import { createJudge } from '../../../alerts/witness/judge.ts';
import { hostOf } from '../../../alerts/witness/log-keys.ts';
import { addCheckpointBody } from '../../../alerts/witness/request.ts';
import type { WitnessedLog } from '../../../alerts/witness/state.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { CHANGES, type Expected, GOOD, SIGNED_CHANGES } from './tamper-changes.ts';
import {
  createTampered,
  ENTRIES,
  lineOf,
  linesOf,
  nameOf,
  ORIGIN,
  SEGMENT_ENTRIES,
  sealFiles,
  segmentFiles,
  type Tampered,
  UNSIGNED,
} from './tamper-log.ts';

const LINES = linesOf();
const signer = createSigner(ORIGIN);
const key = signer.verifier;

let root = '';
let log: Tampered;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'shrike-test-'));
  log = createTampered(
    join(root, 'log'),
    new Map([...segmentFiles(LINES), ...sealFiles(LINES.slice(0, ENTRIES), signer).files]),
  );
});
afterEach(() => log.restore());
afterAll(() => rmSync(root, { recursive: true, force: true }));

const check = (before: readonly Checkpoint[] = []) => verifyAuditLog({ folder: log.folder, key, before });
const messages = (findings: readonly AuditFinding[]): readonly string[] =>
  findings.map(({ message }) => message.replaceAll(`${log.folder}/`, '').replaceAll(log.folder, 'the log'));

describe('a log that nobody changed', () => {
  it('holds, with what was not signed yet', async () => {
    const { checkpoint, ...found } = await check();
    expect(found).toEqual({ verified: ENTRIES, unsigned: UNSIGNED, firstKept: 1, findings: [] });
    expect(checkpoint).toMatchObject({ size: ENTRIES, origin: ORIGIN });
  });

  it('holds as it was sealed bit by bit, with the partial tiles of those days', async () => {
    const folder = temporaryFolder();
    createTampered(folder, segmentFiles(LINES));
    const seal = openSeal(folder, signer);
    for (const [index, line] of LINES.slice(0, 300).entries()) {
      seal.add(Buffer.from(line));
      if (index % 97 === 0) await seal.sign();
    }
    await seal.sign();
    const { verified, unsigned, findings } = await verifyAuditLog({ folder, key });
    expect({ verified, unsigned, findings }).toEqual({
      verified: 300,
      unsigned: ENTRIES + UNSIGNED - 300,
      findings: [],
    });
  });

  it('holds where retention has removed its oldest segment, and a signed entry says so', async () => {
    log.remove(nameOf(1));
    expect(await check()).toMatchObject({
      verified: ENTRIES - SEGMENT_ENTRIES,
      firstKept: 1 + SEGMENT_ENTRIES,
      findings: [],
    });
  });

  it('says how far it has come', async () => {
    const seen: number[] = [];
    let all = 0;
    const onProgress = (done: number, of: number): void => {
      seen.push(done);
      all = of;
    };
    await verifyAuditLog({ folder: log.folder, key, onProgress });
    expect(seen.at(-1)).toBe(all);
    expect(all).toBe(LINES.reduce((sum, line) => sum + line.length + 1, 0));
  });
});

describe('what was changed is named', () => {
  const found = async (before?: readonly Checkpoint[]): Promise<readonly string[]> =>
    messages((await check(before)).findings);
  const edit = (first: number, change: (lines: string[]) => readonly string[]): void =>
    log.putLines(first, change(log.lines(first)));

  it('a body, with its checksum left', async () => {
    edit(151, (lines) => lines.with(9, lines[9]!.replace('rule', 'RULE')));
    expect(await found()).toEqual([
      expect.stringMatching(
        /^audit-000151\.jsonl:10: entry 160 was changed: the checksum is [0-9a-f]{8}, but the line's bytes give [0-9a-f]{8} at byte \d+$/,
      ),
    ]);
  });

  it('a body, with its checksum made anew', async () => {
    edit(151, (lines) => lines.with(9, lineOf({ seq: 160, body: {} })));
    expect(await found()).toEqual([
      'audit-000151.jsonl:10: entry 160 was changed: its checksum holds, its hash is not the one that was signed',
    ]);
  });

  it('lines that were taken out, and two that changed places', async () => {
    edit(1, (lines) => lines.toSpliced(10, 3));
    expect(await found()).toEqual(['audit-000001.jsonl:11: entries 11 to 13 are missing']);
    log.restore();
    edit(1, (lines) => lines.with(10, lines[11]!).with(11, lines[10]!));
    expect(await found()).toEqual([
      'audit-000001.jsonl:11: entry 11 is missing',
      'audit-000001.jsonl:12: entry 11 stands here too late or again, where entry 13 should be',
    ]);
  });

  it('segments that are gone, or not what their names say, and an end that was cut off', async () => {
    log.remove(nameOf(301));
    expect(await found()).toEqual(['audit-000451.jsonl: entries 301 to 450 are missing']);
    log.restore();
    log.remove(nameOf(1));
    log.remove(nameOf(151));
    expect(await found()).toEqual([
      'the log: entries 151 to 300 are missing, and no signed entry says that the log let go of them',
    ]);
    log.restore();
    log.rename(nameOf(301), nameOf(333));
    expect(await found()).toEqual([
      'audit-000333.jsonl: begins with entry 301, not with 333 as its name says: it was renamed, or lines before it were moved',
    ]);
    log.restore();
    edit(451, (lines) => lines.slice(0, 50));
    expect(await found()).toEqual(['audit-000451.jsonl: entries 501 to 600 are missing']);
  });

  it('lines behind the last checkpoint that are damaged, or not the next ones', async () => {
    edit(451, (lines) => [...lines.slice(0, -1), lineOf({ seq: 700, body: {} }), 'no line']);
    expect(await found()).toEqual([
      'audit-000451.jsonl:157: not the entry 607 that comes next: it is entry 700',
      'audit-000451.jsonl:158: not the entry 608 that comes next: expected ,"crc32c":"<8 hex digits>"} at the end of the line at byte 0',
    ]);
  });

  it('a checkpoint of another log, of another key, changed, or gone', async () => {
    const put = (text: Uint8Array | string): void => log.write(CHECKPOINT_FILE, Buffer.from(text));
    const checkpointOf = (name: string): Uint8Array => sealFiles(LINES, createSigner(name)).files.get(CHECKPOINT_FILE)!;
    put(checkpointOf('db-1/shrike/ffff0000'));
    expect(await found()).toEqual([
      'checkpoint: the checkpoint is of the log db-1/shrike/ffff0000, the key of web-1/shrike/0123abcd',
    ]);
    put(checkpointOf(ORIGIN));
    expect(await found()).toEqual([
      `checkpoint: no signature of the checkpoint is of the key ${key.text}: another key has signed it`,
    ]);
    log.restore();
    put(log.read(CHECKPOINT_FILE).toString().replace('\n600\n', '\n599\n'));
    expect(await found()).toEqual([
      "checkpoint: the checkpoint's signature in the name of web-1/shrike/0123abcd is not of its key: it was changed",
    ]);
    log.remove(CHECKPOINT_FILE);
    expect(await found()).toEqual(["checkpoint can't be read (ENOENT): there is nothing to check the log against"]);
  });

  it('tiles: gone, changed, cut, made anew', async () => {
    log.remove('tile/0/000');
    expect(await found()).toEqual([
      "tile/0/000 is missing: the hashes of those entries are gone; entries 1 to 256 can't be checked",
    ]);
    log.restore();
    log.write('tile/0/001', log.read('tile/0/001').fill(7, 100, 101));
    expect(await found()).toEqual([
      "tile/0/001 was changed: it doesn't lead to the hash above it; entries 257 to 512 can't be checked",
    ]);
    log.write('tile/0/001', log.read('tile/0/001').subarray(0, 8000));
    expect(await found()).toEqual([
      "tile/0/001 has 8000 bytes, not 8192: it was changed or cut; entries 257 to 512 can't be checked",
    ]);
    const { files } = sealFiles(LINES.slice(0, ENTRIES).with(444, lineOf({ seq: 445, body: {} })), signer);
    for (const [name, bytes] of files) if (name !== CHECKPOINT_FILE) log.write(name, bytes);
    expect(await found([sealFiles(LINES.slice(0, 300), signer).checkpoint])).toEqual([
      "the tiles in tile don't lead to the root that was signed for 600 entries: entries were rewritten, and their hashes with them; which of entries 301 to 600 they are can't be told",
    ]);
  });

  it('tiles of entries that retention has removed', async () => {
    log.remove(nameOf(1));
    log.remove('tile/0/000');
    expect(await found()).toEqual([
      "tile/0/000 is missing: the hashes of those entries are gone; entries 1 to 256 can't be checked",
    ]);
  });

  it('entries that were signed with a number that is another’s, or are none', async () => {
    const lines = LINES.slice(0, ENTRIES).with(4, LINES[6]!).with(8, 'nothing');
    log.replace(segmentFiles(lines));
    log.replace(sealFiles(lines, signer).files);
    expect(await found()).toEqual([
      "audit-000001.jsonl:5: entry 5 is as it was signed, but says that it is entry 7: whoever has the log's key wrote it so",
      "audit-000001.jsonl:9: entry 9 is as it was signed, but is no entry: whoever has the log's key wrote it so",
    ]);
  });

  it('a log that was rewritten, or cut, and signed with its own key, by whoever has seen it before', async () => {
    const before = [100, 300, 600].map((size) => sealFiles(LINES.slice(0, size), signer).checkpoint);
    log.replace(sealFiles(LINES.slice(0, 250), signer).files);
    expect(await found(before)).toEqual([
      'the log has shrunk: it had 300 entries, now it has 250: entries 251 to 300 are gone',
    ]);
    const lines = LINES.with(199, lineOf({ seq: 200, body: {} }));
    log.replace(segmentFiles(lines));
    log.replace(sealFiles(lines, signer).files);
    expect(await found(before)).toEqual([
      'the log was rewritten: of its first 300 entries, those up to 100 are as they were, and at least one from 101 to 300 is not',
    ]);
    expect(await found([{ ...before[0]!, origin: 'db-1/shrike/ffff0000' }])).toEqual([
      'the log is web-1/shrike/0123abcd, what was seen before was db-1/shrike/ffff0000: another log lies in its place',
    ]);
  });
});

/** Of all changes so many are signed with the log's own key, and so many are none. */
const FULL = { unsigned: 17_500, signed: 2_500, good: 400 };

describe('random changes', () => {
  /** Does each kind in turn; each ends with the log as it was. */
  const each = async <Kind>(
    kinds: Readonly<Record<string, Kind>>,
    full: number,
    name: string,
    once: (
      kind: Kind,
      random: Random,
    ) => Promise<{ readonly expected: Expected; readonly found: readonly AuditFinding[] }>,
  ): Promise<void> => {
    const random = createRandom(seed(name));
    const all = Object.entries(kinds);
    const runs = Math.max(count(full), all.length);
    for (let run = 0; run < runs; run++) {
      const [kind, change] = all[run % all.length]!;
      const { expected, found } = await once(change, random);
      log.restore();
      if (expected === 'nothing') {
        expect({ kind, run, found }).toEqual({ kind, run, found: [] });
        continue;
      }
      expect({ kind, run, ...found[0] }).toMatchObject({ kind, run, ...expected });
      if (expected.first !== undefined)
        expect(`${kind} (${run}): ${found[0]!.message}`).toMatch(new RegExp(`\\b${expected.first}\\b`));
    }
  };

  const SEEN = [100, 257, 300, 512, ENTRIES].map((size) => sealFiles(LINES.slice(0, size), signer).checkpoint);
  /** What a witness has seen of the log: at least one checkpoint. */
  const someSeen = (random: Random): readonly Checkpoint[] => {
    const certain = random.pick(SEEN);
    return SEEN.filter((checkpoint) => checkpoint === certain || random.chance(0.5));
  };
  /** Whether a witness that has seen a checkpoint last cosigns the log as it is now, and what alarms it raises. */
  const askWitness = async (seen: Checkpoint): Promise<{ readonly isCosigned: boolean; readonly alarms: string[] }> => {
    const known = signCheckpoint(seen, signer);
    const witnessed: WitnessedLog = {
      v: 1,
      origin: ORIGIN,
      keys: [key.text],
      checkpoint: known,
      found: openCheckpoint(known, key),
      cosignedAt: 1,
      firstSeenAt: 1,
      incidents: [],
    };
    const alarms: string[] = [];
    const judge = createJudge({
      signer: createSigner('witness.example', SIGNATURE.cosignature),
      state: { isNew: false, logs: new Map([[ORIGIN, witnessed]]), keep: async () => undefined },
      trust: { of: () => [key.text], origins: [ORIGIN], refresh: () => undefined },
      trustOnFirstUse: false,
      alarm: async ({ kind }) => void alarms.push(kind),
    });
    const checkpoint = log.read(CHECKPOINT_FILE).toString();
    const { size } = openCheckpoint(checkpoint, key);
    const old = Math.min(size, seen.size);
    const read = readTiles(log.folder);
    const proof = old === size ? [] : treeOf(size, read).consistency(old);
    const oldRoot = Buffer.from(rootOfFirst(old, size, read)).toString('base64');
    const body = addCheckpointBody({ old, proof, checkpoint });
    const { status } = await judge.judge({ hostToken: hostOf(ORIGIN), body, oldRoot });
    return { isCosigned: status === 200, alarms };
  };

  it('are found, each, with the first entry that they are about', async () => {
    await each(CHANGES, FULL.unsigned, 'changes', async (change, random) => {
      const expected = change(log, random, signer);
      return { expected, found: (await check()).findings };
    });
  }, 3_600_000);

  it('that the log’s own key has signed are found by whoever has seen the log before', async () => {
    await each(SIGNED_CHANGES, FULL.signed, 'signed changes', async (change, random) => {
      const before = someSeen(random);
      const expected = change(
        log,
        random,
        signer,
        before.map(({ size }) => size),
      );
      const { isCosigned, alarms } = await askWitness(before.at(-1)!);
      const isSmaller = openCheckpoint(log.read(CHECKPOINT_FILE).toString(), key).size < before.at(-1)!.size;
      expect({ isCosigned, alarms }).toEqual({ isCosigned: false, alarms: isSmaller ? [] : ['forked'] });
      return { expected, found: (await check(before)).findings };
    });
  }, 3_600_000);

  it('are not found where nobody changed anything', async () => {
    await each(GOOD, FULL.good, 'no changes', async (change, random) => {
      const before = someSeen(random);
      const expected = change(
        log,
        random,
        signer,
        before.map(({ size }) => size),
      );
      expect(await askWitness(before.at(-1)!)).toEqual({ isCosigned: true, alarms: [] });
      return { expected, found: (await check(before)).findings };
    });
  }, 3_600_000);
});
