import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openAuditLog, type Walked, type WalkOptions, walkAuditLog } from '../../../alerts/index.ts';
import { anAlert } from '../../support/alert.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom } from '../../support/random.ts';
import { until } from '../../support/until.ts';
import { segmentAt, type Written, writeLog } from './log.ts';

const alerts = (number: number): readonly Written[] =>
  Array.from({ length: number }, (): Written => ['alert', (seq) => anAlert(seq)]);

const walked = async (folder: string, options: WalkOptions = {}): Promise<readonly Walked[]> => {
  const all: Walked[] = [];
  for await (const each of walkAuditLog(folder, options)) all.push(each);
  return all;
};

/** What was found, in short: entries by their numbers. */
const inShort = (all: readonly Walked[]): readonly (number | string)[] =>
  all.map((each) => {
    if (each.type === 'entry') return each.entry.seq;
    if (each.type === 'damaged') return each.message.replace(/^.*\/(audit-\d+\.jsonl)/, '$1');
    return each.type === 'missing' ? `missing ${each.first} to ${each.last}` : `torn ${each.bytes}`;
  });

const rewrite = (path: string, change: (lines: string[]) => readonly string[]): void => {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  writeFileSync(
    path,
    change(lines)
      .map((line) => `${line}\n`)
      .join(''),
  );
};

const NO_TRAILER = 'expected ,"crc32c":"<8 hex digits>"} at the end of the line';

describe('what is wrong with a log is told where it stands, and the rest is read', () => {
  it.each<[string, (lines: string[]) => readonly string[], readonly (number | string)[]]>([
    ['a line is gone', (lines) => lines.toSpliced(2, 1), [1, 2, 'missing 3 to 3', 4, 5]],
    ['lines are gone', (lines) => lines.toSpliced(1, 3), [1, 'missing 2 to 4', 5]],
    [
      'a line is something else',
      (lines) => lines.with(2, 'x'),
      [1, 2, `audit-000001.jsonl:3: byte 0: ${NO_TRAILER}`, 4, 5],
    ],
    [
      'a line came in between',
      (lines) => lines.toSpliced(2, 0, 'x'),
      [1, 2, `audit-000001.jsonl:3: byte 0: ${NO_TRAILER}`, 3, 4, 5],
    ],
    [
      'a line stands twice',
      (lines) => lines.toSpliced(3, 0, lines[1] ?? ''),
      [1, 2, 3, 'audit-000001.jsonl:4: entry 2 stands where entry 4 should be', 4, 5],
    ],
    [
      'two lines changed places',
      (lines) => lines.with(1, lines[2] ?? '').with(2, lines[1] ?? ''),
      [1, 'missing 2 to 2', 3, 'audit-000001.jsonl:3: entry 2 stands where entry 4 should be', 4, 5],
    ],
  ])('%s', async (_name, change, expected) => {
    const folder = temporaryFolder();
    await writeLog(folder, alerts(5));
    rewrite(segmentAt(folder), change);
    expect(inShort(await walked(folder))).toEqual(expected);
  });

  it('a letter was changed: the checksum tells', async () => {
    const folder = temporaryFolder();
    await writeLog(folder, alerts(3));
    rewrite(segmentAt(folder), (lines) =>
      lines.map((line, index) => (index === 1 ? line.replace('cat', 'dog') : line)),
    );
    expect(inShort(await walked(folder))).toEqual([
      1,
      expect.stringMatching(
        /^audit-000001\.jsonl:2: byte \d+: the checksum is [0-9a-f]{8}, but the line's bytes give [0-9a-f]{8}$/,
      ),
      3,
    ]);
  });

  it('segments that are gone; a torn end; one that lost only its newline', async () => {
    const folder = temporaryFolder();
    await writeLog(folder, alerts(5), 100);
    rmSync(segmentAt(folder, 1));
    rmSync(segmentAt(folder, 3));
    appendFileSync(segmentAt(folder, 5), '{"v":1');
    expect(inShort(await walked(folder))).toEqual([2, 'missing 3 to 3', 4, 5, 'torn 6']);
    rewrite(segmentAt(folder, 5), (lines) => lines.slice(0, 1));
    writeFileSync(segmentAt(folder, 5), readFileSync(segmentAt(folder, 5), 'utf8').trimEnd());
    expect(inShort(await walked(folder))).toEqual([2, 'missing 3 to 3', 4, 5]);
  });
});

it('entries from one number to another, of random logs in segments of random lengths', {
  timeout: 120_000,
}, async () => {
  const random = createRandom(seed('ranges of walks'));
  for (let round = 0; round < count(100); round++) {
    const folder = temporaryFolder();
    const all = random.between(1, 40);
    await writeLog(folder, alerts(all), random.pick([100, 1_500, 10_000]));
    const [from, to] = [random.between(1, all), random.between(1, all + 3)];
    const expected = Array.from({ length: all }, (_, index) => index + 1).filter((seq) => seq >= from && seq <= to);
    expect(inShort(await walked(folder, { from, to }))).toEqual(from <= to ? expected : []);
    rmSync(folder, { recursive: true });
  }
});

it('a log that is written to is followed, over its segments, until the signal', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const log = await openAuditLog({
    folder,
    host: 'web-1',
    reserveBytes: 0,
    segmentBytes: 3_000,
    warn: () => undefined,
  });
  onTestFinished(() => log.close());
  const controller = new AbortController();
  const seen: number[] = [];
  log.append('alert', (seq) => anAlert(seq));
  await log.flush();
  const following = (async () => {
    for await (const each of walkAuditLog(folder, { follow: true, signal: controller.signal })) {
      if (each.type !== 'entry') throw new Error(`${each.type} in a log that is whole`);
      seen.push(each.entry.seq);
    }
  })();
  for (let entry = 2; entry <= 12; entry++) {
    log.append('alert', (seq) => anAlert(seq));
    await log.flush();
    if (entry % 4 === 0) await until(() => seen.length === entry, 30_000);
  }
  await until(() => seen.length === 12, 30_000);
  controller.abort();
  await following;
  expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
});
