import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type AuditLogOptions, openAuditLog, type StoredLog } from '../../../alerts/audit/log.ts';
import { readPublicKey } from '../../../alerts/audit/log-key.ts';
import { readAuditLog } from '../../../alerts/audit/read.ts';
import { openSealer } from '../../../alerts/audit/sealer.ts';
import { verifyAuditLog } from '../../../alerts/audit/verify.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

/** Why no file system can be mounted here; undefined where one can. */
const noMounts = ((): string | undefined => {
  if (process.getuid?.() !== 0) return 'file systems are mounted by root only';
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/tmp'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'file systems can not be mounted here';
  }
})();

/** A small file system in a mount namespace of its own, which only this path leads to. */
const smallDisk = async (options: string, access: 'writable' | 'read-only' = 'writable'): Promise<string> => {
  const folder = temporaryFolder();
  const last = access === 'writable' ? '' : 'mount -o remount,ro "$0" &&';
  const script = `mount -t tmpfs -o ${options} none "$0" && ${last} exec sleep 600`;
  const holder: ChildProcess = spawn('unshare', ['-m', 'sh', '-c', script, folder], { stdio: 'ignore' });
  onTestFinished(() => void holder.kill('SIGKILL'));
  await until(() => readFileSync(`/proc/${holder.pid}/comm`, 'utf8') === 'sleep\n');
  const inside = `/proc/${holder.pid}/root${folder}`;
  return inside;
};

/** Takes all room of a file system; returns how to give it back. */
const fillUp = (disk: string): (() => void) => {
  const path = join(disk, 'filler');
  for (const size of [1 << 16, 1 << 12]) {
    try {
      for (;;) writeFileSync(path, new Uint8Array(size), { flag: 'a' });
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
    }
  }
  return () => rmSync(path);
};

const opened = async (disk: string, options: Partial<AuditLogOptions> = {}) => {
  const warnings: string[] = [];
  const folder = join(disk, 'audit');
  const log = await openAuditLog({
    folder,
    host: 'h',
    reserveBytes: 1 << 20,
    upkeepEveryMs: 0,
    warn: (sentence) => warnings.push(sentence),
    ...options,
  });
  return { folder, log, warnings };
};

const raise = (log: StoredLog, priority: 'critical' | 'notice' | 'debug', rule = `${priority} rule`) =>
  log.append('alert', { rule, priority, text: 'x'.repeat(5_000) });

const entriesOf = async (folder: string) => {
  const found = [];
  for await (const { entry } of readAuditLog(folder, { strict: true })) found.push(entry);
  expect(found.map(({ seq }) => seq)).toEqual(found.map((_, index) => index + 1));
  return found;
};

describe.skipIf(noMounts !== undefined)(`a full disk${noMounts === undefined ? '' : ` (skipped: ${noMounts})`}`, () => {
  it('keeps what can not be signed yet, and signs it when there is room again', async () => {
    const disk = await smallDisk('size=4m');
    const { folder, log } = await opened(disk);
    const warned: string[] = [];
    const sealer = await openSealer({ log, everyMs: 0, warn: (sentence) => void warned.push(sentence) });
    for (let entry = 0; entry < 700; entry++) log.append('start', { host: 'h', entry });
    await log.flush();
    const giveBack = fillUp(disk);
    await sealer.seal();
    await sealer.seal();
    expect(sealer.state).toMatchObject({ sealed: 0, refusal: undefined });
    expect(warned).toEqual([`the audit log can't be sealed, trying again: ${sealer.state.trouble}`]);
    expect(sealer.state.trouble).toMatch(
      /^ENOSPC: no space left on device, .*; make room on its file system \(df, df -i\)$/,
    );
    giveBack();
    log.append('stop', {});
    await log.close();
    expect(sealer.state).toMatchObject({ sealed: 701, trouble: undefined });
    const verified = await verifyAuditLog({ folder, key: readPublicKey(folder)! });
    expect(verified).toMatchObject({ verified: 701, unsigned: 0, findings: [] });
  });

  it('takes what is critical in room that was kept for it, and a record of all else', async () => {
    const disk = await smallDisk('size=4m');
    const { folder, log, warnings } = await opened(disk);
    raise(log, 'notice');
    await log.flush();
    const makeRoom = fillUp(disk);
    const before = raise(log, 'debug');
    await log.flush();
    expect([before, log.state.room, readdirSync(folder).includes('reserve')]).toEqual([{ seq: 2 }, 'reserve', false]);
    const low = ['notice', 'debug', 'debug'] as const;
    expect(low.map((priority) => raise(log, priority))).toEqual(low.map(() => ({ seq: undefined })));
    expect(raise(log, 'critical')).toEqual({ seq: 3 });
    expect(log.append('enforcement', { outcome: 'denied' })).toEqual({ seq: 4 });
    await log.flush();
    await log.upkeep();
    raise(log, 'notice', 'another');
    await log.upkeep();
    expect(log.state.room).toBe('reserve');
    makeRoom();
    await log.upkeep();
    await log.upkeep();
    expect([log.state.room, log.state.omitted, readdirSync(folder).includes('reserve')]).toEqual(['enough', 4, true]);
    expect(raise(log, 'debug').seq).toBeDefined();
    await log.close();
    const found = await entriesOf(folder);
    expect(found.map(({ kind }) => kind)).toEqual(['alert', 'alert', 'alert', 'enforcement', 'shed', 'shed', 'alert']);
    const times = { first: expect.any(String), last: expect.any(String) };
    expect(found.filter(({ kind }) => kind === 'shed').map(({ body }) => body)).toEqual([
      {
        reason: 'disk full',
        records: 3,
        ...times,
        of: [
          { kind: 'alert', rule: 'notice rule', priority: 'notice', records: 1 },
          { kind: 'alert', rule: 'debug rule', priority: 'debug', records: 2 },
        ],
      },
      {
        reason: 'disk full',
        records: 1,
        ...times,
        of: [{ kind: 'alert', rule: 'another', priority: 'notice', records: 1 }],
      },
    ]);
    expect(warnings).toEqual([
      'ENOSPC: no space left on device, write; make room on its file system (df, df -i); until then only critical alerts and what is no alert are logged, in the 1048576 bytes that were kept for them; what is left out is counted',
      `${folder} has room again: everything is logged`,
    ]);
  });

  it('holds what is critical in memory once the reserve is used up, and counts what finds no room there', async () => {
    const disk = await smallDisk('size=4m');
    const { folder, log } = await opened(disk, { maxWaitingBytes: 100_000 });
    const makeRoom = fillUp(disk);
    let taken = 0;
    let refused: unknown;
    while (refused === undefined) {
      for (let index = 0; index < 10; index++) if (raise(log, 'critical').seq !== undefined) taken++;
      refused = await log.flush().catch((error: unknown) => error);
    }
    expect(String(refused)).toMatch(
      /^Error: .*audit-000001\.jsonl can't be written: ENOSPC: no space left on device, write; make room on its file system \(df, df -i\); entries from \d+ on wait in memory$/,
    );
    let lost = 0;
    for (let index = 0; index < 40; index++) {
      if (raise(log, 'critical').seq === undefined) lost++;
      else taken++;
    }
    expect(lost).toBeGreaterThan(10);
    expect(log.state).toMatchObject({ room: 'none', omitted: lost });
    makeRoom();
    await log.flush();
    await log.upkeep();
    await log.close();
    const found = await entriesOf(folder);
    expect(found.filter(({ kind }) => kind === 'alert')).toHaveLength(taken);
    expect(found.at(-1)).toMatchObject({ kind: 'loss', body: { reason: 'memory full', records: lost } });
  });

  it('goes on in the open segment where there is no inode for another', async () => {
    const disk = await smallDisk('size=4m,nr_inodes=12');
    const { folder, log, warnings } = await opened(disk, { segmentBytes: 1 });
    log.append('start', 1);
    await log.flush();
    const files: string[] = [];
    try {
      for (;;) {
        files.push(join(disk, `file-${files.length}`));
        mkdirSync(files.at(-1)!);
      }
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
    }
    log.append('start', 2);
    await log.flush();
    expect(readdirSync(folder).filter((name) => name.startsWith('audit-'))).toEqual(['audit-000001.jsonl']);
    const path = join(folder, 'audit-000002.jsonl');
    expect(warnings).toEqual([
      `no segment can be made after ${log.path}, which goes on: ENOSPC: no space left on device, open '${path}'; make room on its file system (df, df -i)`,
    ]);
    for (const file of files) rmSync(file, { recursive: true, force: true });
    log.append('start', 3);
    await log.close();
    expect((await entriesOf(folder)).map(({ body }) => body)).toEqual([1, 2, 3]);
    expect(readdirSync(folder)).toEqual(['audit-000001.jsonl', 'audit-000003.jsonl', 'committed']);
  });

  it('is told from one that is read-only, with what to do', async () => {
    const disk = await smallDisk('size=4m', 'read-only');
    const path = join(disk, 'audit');
    await expect(opened(disk)).rejects.toThrow(
      new Error(
        `EROFS: read-only file system, mkdir '${path}'; its file system is read-only: mount it writable, or give another folder`,
      ),
    );
  });
});
