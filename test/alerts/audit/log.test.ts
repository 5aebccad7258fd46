import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type AuditLogOptions, openAuditLog } from '../../../alerts/audit/log.ts';
import { readAuditLog } from '../../../alerts/audit/read.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';

const openIn = (folder: string, options: Partial<AuditLogOptions> = {}) =>
  openAuditLog({ folder, host: 'h', ...options });

const bodies = async (folder: string, from = 1): Promise<unknown[]> => {
  const found: unknown[] = [];
  for await (const { entry } of readAuditLog(folder, { from, strict: true })) found.push(entry.body);
  return found;
};

/** A log with one `start` entry per body, closed. */
const written = async (folder: string, ...wanted: unknown[]): Promise<string> => {
  const log = await openIn(folder);
  for (const body of wanted) log.append('start', body);
  await log.close();
  return log.path;
};

it('numbers entries from 1, commits them, and goes on where it stopped', async () => {
  const folder = join(temporaryFolder(), 'audit');
  const log = await openIn(folder);
  expect(log.append('start', { a: 1 })).toEqual({ seq: 1 });
  expect(log.append('alert', (seq) => ({ id: `h-${seq}` }))).toEqual({ seq: 2 });
  expect([log.last, log.committed]).toEqual([2, 0]);
  await log.flush();
  expect([log.last, log.committed]).toEqual([2, 2]);
  await log.close();
  const again = await openIn(folder);
  expect([again.openedAt, again.append('stop', null)]).toEqual([2, { seq: 3 }]);
  await again.close();
  expect(await bodies(folder)).toEqual([{ a: 1 }, { id: 'h-2' }, null]);
  expect(await bodies(folder, 2)).toEqual([{ id: 'h-2' }, null]);
  expect([statSync(folder).mode & 0o777, statSync(log.path).mode & 0o777]).toEqual([0o700, 0o600]);
});

it('commits by itself, and tells listeners only what is on disk', async () => {
  const log = await openIn(temporaryFolder());
  const heard: number[] = [];
  const all = new Promise<void>((resolve) => {
    log.onCommit((entries) => {
      const onDisk = readFileSync(log.path, 'utf8').trimEnd().split('\n').length;
      expect(onDisk).toBe(entries.at(-1)?.seq);
      heard.push(...entries.map((entry) => entry.seq));
      if (heard.length === 100) resolve();
    });
  });
  for (let index = 0; index < 50; index++) log.append('alert', index);
  setTimeout(() => {
    for (let index = 0; index < 50; index++) log.append('alert', index);
  }, 5);
  await all;
  expect(heard).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  await log.close();
  expect(() => log.append('alert', 1)).toThrow(new Error(`the audit log in ${log.folder} is closed`));
});

it('writes full segments and reads across them', async () => {
  const folder = temporaryFolder();
  const log = await openIn(folder, { segmentBytes: 200 });
  const wanted = Array.from({ length: 12 }, (_, index) => `entry ${index}`);
  for (const body of wanted) {
    log.append('start', body);
    await log.flush();
  }
  await log.close();
  const segments = readdirSync(folder).filter((name) => name.startsWith('audit-'));
  expect(segments.length).toBeGreaterThan(3);
  for (const name of segments) {
    const first = JSON.parse(readFileSync(join(folder, name), 'utf8').split('\n')[0]!);
    expect(name).toBe(`audit-${String(first.seq).padStart(6, '0')}.jsonl`);
  }
  expect(await bodies(folder)).toEqual(wanted);
  expect(await bodies(folder, 11)).toEqual(wanted.slice(10));
  rmSync(join(folder, segments[1]!));
  const missing = Number(/\d+/.exec(segments[1]!)![0]);
  const after = Number(/\d+/.exec(segments[2]!)![0]);
  await expect(bodies(folder)).rejects.toThrow(
    new Error(
      `${join(folder, segments[2]!)}: begins with entry ${after}, but the segment before it ends with entry ${missing - 1}`,
    ),
  );
});

it('cuts a tail that was torn at any byte, and says so in the log', async () => {
  const folder = temporaryFolder();
  const path = await written(folder, 'one', 'two', { three: 'größer' });
  const whole = readFileSync(path);
  const lastLine = whole.lastIndexOf('\n', whole.length - 2) + 1;
  for (let cut = lastLine; cut < whole.length; cut++) {
    writeFileSync(path, whole.subarray(0, cut));
    rmSync(join(folder, 'committed'));
    const warnings: string[] = [];
    const log = await openIn(folder, { warn: (sentence) => warnings.push(sentence) });
    const next = log.append('start', 'next').seq;
    await log.close();
    const found = await bodies(folder);
    if (cut === lastLine) {
      expect([next, found, warnings]).toEqual([3, ['one', 'two', 'next'], []]);
    } else if (cut === whole.length - 1) {
      expect([next, found, warnings]).toEqual([4, ['one', 'two', { three: 'größer' }, 'next'], []]);
    } else {
      const bytes = cut - lastLine;
      const loss = { path, line: 3, byte: Math.max(0, bytes - 21), bytes, after: 2 };
      const problem = 'expected ,"crc32c":"<8 hex digits>"} at the end of the line';
      expect([next, found]).toEqual([4, ['one', 'two', { ...loss, problem }, 'next']]);
      expect(warnings).toEqual([
        `${path}:3: byte ${loss.byte}: ${problem}; cut ${bytes} bytes that a crash left after entry 2`,
      ]);
    }
  }
});

it('says which committed entries are gone', async () => {
  const folder = temporaryFolder();
  const path = await written(folder, 'one', 'two', 'three');
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, `${lines[0]}\n`);
  const warnings: string[] = [];
  const log = await openIn(folder, { warn: (sentence) => warnings.push(sentence) });
  await log.close();
  expect(warnings).toEqual([
    `${path} ends with entry 1, but entry 3 had been committed: the disk has not kept what it said it had, or somebody cut the log`,
  ]);
  expect(await bodies(folder)).toEqual(['one', { path, after: 1, missing: 2 }]);
});

it('keeps every entry before the damage, whatever the end of the file became', async () => {
  const folder = temporaryFolder();
  const path = await written(folder, 'one', 'two');
  const whole = readFileSync(path);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (garbage) => {
      writeFileSync(path, whole);
      appendFileSync(path, garbage);
      const log = await openIn(folder);
      await log.close();
      const found = await bodies(folder);
      expect(found.slice(0, 2)).toEqual(['one', 'two']);
      expect(found[2]).toMatchObject({ bytes: garbage.length, after: 2 });
    }),
    { numRuns: count(3_000), seed: seed('garbage at the end') },
  );
});

it('refuses a log with a damaged line in the middle, and names it', async () => {
  const folder = temporaryFolder();
  const path = await written(folder, 'one', 'two', 'three');
  const lines = readFileSync(path, 'utf8').split('\n');
  const sum = lines[1]!.slice(-10, -2);
  writeFileSync(path, [lines[0], lines[1]!.replace('two', 'TWO'), ...lines.slice(2)].join('\n'));
  const expected = new RegExp(
    `^${path}:2: byte ${lines[1]!.length - 21}: the checksum is ${sum}, but the line's bytes give [0-9a-f]{8}$`,
  );
  await expect(openIn(folder)).rejects.toThrow(expected);
  await expect(bodies(folder)).rejects.toThrow(expected);
  expect(readFileSync(path, 'utf8')).toContain('"three"');
});

it('notices a line that was taken out', async () => {
  const folder = temporaryFolder();
  const path = await written(folder, 'one', 'two', 'three');
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, [lines[0], ...lines.slice(2)].join('\n'));
  const expected = new Error(`${path}:2: byte 13: expected entry 2, found entry 3`);
  await expect(openIn(folder)).rejects.toThrow(expected);
  await expect(bodies(folder)).rejects.toThrow(expected);
});

it('reads a log that is being written up to its last whole line', async () => {
  const folder = temporaryFolder();
  const path = await written(folder, 'one', 'two');
  truncateSync(path, statSync(path).size - 5);
  const found: unknown[] = [];
  for await (const { entry, line } of readAuditLog(folder)) found.push([line, entry.body]);
  expect(found).toEqual([[1, 'one']]);
  await expect(bodies(folder)).rejects.toThrow(`${path}:2: byte `);
});

it('belongs to one process at a time', async () => {
  const folder = temporaryFolder();
  const log = await openIn(folder);
  await expect(openIn(folder)).rejects.toThrow(
    new Error(
      `the audit log in ${folder} is in use by process ${process.pid}; stop it, or give this agent another folder`,
    ),
  );
  await log.close();
  expect(existsSync(join(folder, 'lock'))).toBe(false);
});

it('takes over from a process that is gone, also when its id was given away', async () => {
  const folder = temporaryFolder();
  const gone = execFileSync(process.execPath, ['-e', 'process.stdout.write(String(process.pid))'], {
    encoding: 'utf8',
  });
  for (const lock of [`${gone} 12345\n`, `${process.pid} 1\n`, '']) {
    writeFileSync(join(folder, 'lock'), lock);
    const log = await openIn(folder);
    await log.close();
  }
  expect(readdirSync(folder)).toEqual(['audit-000001.jsonl', 'committed']);
});

it('makes the folder again when it was removed, goes on in it, and says what is gone', async () => {
  const folder = join(temporaryFolder(), 'audit');
  const warnings: string[] = [];
  const log = await openIn(folder, { warn: (sentence) => warnings.push(sentence), upkeepEveryMs: 0 });
  log.append('start', 'one');
  log.append('start', 'two');
  await log.flush();
  const { path } = log;
  rmSync(folder, { recursive: true });
  await log.upkeep();
  log.append('start', 'three');
  await log.close();
  expect(await bodies(folder)).toEqual([{ path, after: 2, missing: 2 }, 'three']);
  expect(readdirSync(folder)).toEqual(['audit-000003.jsonl', 'committed']);
  expect(warnings).toEqual([
    `${path} was removed, moved or cut while it was written to; the log goes on in a new segment`,
  ]);
});

it('counts what can no longer wait for a disk that refuses, and says so once it takes entries again', async () => {
  const folder = join(temporaryFolder(), 'audit');
  const log = await openIn(folder, { segmentBytes: 1, maxWaitingBytes: 300, upkeepEveryMs: 0 });
  log.append('start', 'one');
  await log.flush();
  const obstacle = join(folder, 'audit-000002.jsonl');
  mkdirSync(obstacle);
  log.append('start', 'two');
  const refusal = `${log.path} can't be written: EISDIR: illegal operation on a directory, open '${obstacle}'; it is a folder that has the name of a file of the log: move it away; entries from 2 on wait in memory`;
  await expect(log.flush()).rejects.toThrow(new Error(refusal));
  expect(log.state.refusal).toBe(refusal);
  let taken = 0;
  while (log.append('policy', 'more').seq !== undefined) taken++;
  const alert = { rule: 'A rule', priority: 'notice' };
  expect([log.append('policy', 'more'), log.append('alert', alert)]).toEqual([{ seq: undefined }, { seq: undefined }]);
  rmSync(obstacle, { recursive: true });
  await log.flush();
  await log.upkeep();
  await log.close();
  const found = await bodies(folder, 2);
  expect(found.slice(0, taken + 1)).toEqual(['two', ...Array.from({ length: taken }, () => 'more')]);
  const times = { first: expect.any(String), last: expect.any(String) };
  expect(found.slice(taken + 1)).toEqual([
    { reason: 'memory full', records: 2, ...times, of: [{ kind: 'policy', records: 2 }] },
    { reason: 'memory full', records: 1, ...times, of: [{ kind: 'alert', ...alert, records: 1 }] },
  ]);
});
