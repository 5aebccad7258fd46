import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openAuditLog } from '../../../alerts/audit/log.ts';
import { lockFile } from '../../../alerts/audit/native.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const openIn = async (folder: string, host = 'h') => {
  const warnings: string[] = [];
  const log = await openAuditLog({ folder, host, upkeepEveryMs: 0, warn: (sentence) => warnings.push(sentence) });
  return { log, warnings };
};

/** A log of some entries, a segment each. */
const written = async (folder: string, host = 'h', entries = 3): Promise<void> => {
  const log = await openAuditLog({ folder, host, segmentBytes: 1, upkeepEveryMs: 0 });
  for (let index = 0; index < entries; index++) {
    log.append('start', { host, index });
    await log.flush();
  }
  await log.close();
};

const OTHER_FILE = 'has the name of a file of the audit log; move it away';

describe('what is no file of the log', () => {
  it.each([
    ['a folder', (path: string) => void mkdirSync(path), `is a directory, but ${OTHER_FILE}`],
    ['a symbolic link', (path: string) => symlinkSync('/dev/null', path), `is a symbolic link, but ${OTHER_FILE}`],
    ['a pipe', (path: string) => void execFileSync('mkfifo', [path]), `is a special file, but ${OTHER_FILE}`],
  ])('%s under the name of a segment is named, and nothing is changed', async (_, make, problem) => {
    const folder = temporaryFolder();
    await written(folder);
    const path = join(folder, 'audit-000009.jsonl');
    make(path);
    await expect(openIn(folder)).rejects.toThrow(new Error(`${path} ${problem}`));
    rmSync(path, { recursive: true });
    const { log } = await openIn(folder);
    expect(log.openedAt).toBe(3);
    await log.close();
  });

  it('a file that only looks like a segment is left alone', async () => {
    const folder = temporaryFolder();
    await written(folder);
    const path = join(folder, 'audit-1.jsonl');
    writeFileSync(path, 'not a log', { mode: 0o600 });
    const { log, warnings } = await openIn(folder);
    await log.close();
    expect(warnings).toEqual([`${path} is no segment of the audit log: it is left alone; move it away`]);
    expect(readFileSync(path, 'utf8')).toBe('not a log');
  });

  it('the log of another host is not gone on with', async () => {
    const folder = temporaryFolder();
    await written(folder, 'web-2');
    await expect(openIn(folder, 'web-1')).rejects.toThrow(
      new Error(
        `${join(folder, 'audit-000003.jsonl')} is the log of the host "web-2", and this agent is "web-1"; give it a folder of its own, or that host's name`,
      ),
    );
  });

  it('a segment that does not follow the one before it is named, and the log goes on', async () => {
    const folder = temporaryFolder();
    await written(folder);
    rmSync(join(folder, 'audit-000002.jsonl'));
    const { log, warnings } = await openIn(folder);
    expect(log.append('start', null)).toEqual({ seq: 4 });
    await log.close();
    expect(warnings).toEqual([
      `${join(folder, 'audit-000003.jsonl')} begins with entry 3, but the segment before it ends with entry 1: a segment is missing, damaged or another log's; put the right one there`,
    ]);
  });

  it('what is open to others is named', async () => {
    const folder = temporaryFolder();
    await written(folder, 'h', 1);
    const path = join(folder, 'audit-000001.jsonl');
    chmodSync(folder, 0o755);
    chmodSync(path, 0o644);
    const { log, warnings } = await openIn(folder);
    await log.close();
    expect(warnings).toEqual([
      `${join(folder, '.')} is open to other users (mode 755); chmod 700 makes it the agent's alone`,
      `${path} is open to other users (mode 644); chmod 600 makes it the agent's alone`,
    ]);
  });

  const notRoot = process.getuid?.() === 0 ? '' : ' (skipped: files are given away by root only)';
  it.skipIf(notRoot !== '')(`what belongs to another user is named${notRoot}`, async () => {
    const folder = temporaryFolder();
    await written(folder, 'h', 1);
    const path = join(folder, 'audit-000001.jsonl');
    chownSync(path, 65_534, 65_534);
    const { log, warnings } = await openIn(folder);
    await log.close();
    expect(warnings).toEqual([
      `${path} belongs to user 65534, and the agent is user 0: who owns it can change it; chown 0`,
    ]);
  });
});

const LOCKER = `
const { createRequire } = require('node:module');
const koffi = createRequire(process.argv[2])('koffi');
const fs = require('node:fs');
const fd = fs.openSync(process.argv[3], 'w', 0o600);
fs.writeSync(fd, '1 1 pid:[1]\\n');
process.stdout.write('lock ' + koffi.load(null).func('int flock(int, int)')(fd, 6));
setInterval(() => undefined, 1000);
`;

describe('two agents', () => {
  it('do not share a folder, whatever their process ids mean, and one that was killed leaves it', async () => {
    const folder = temporaryFolder();
    const script = join(temporaryFolder(), 'locker.cjs');
    writeFileSync(script, LOCKER);
    const other = spawn(process.execPath, [script, import.meta.filename, join(folder, 'lock')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void other.kill('SIGKILL'));
    let said = '';
    other.stdout.on('data', (text) => {
      said += text;
    });
    await until(() => said !== '');
    expect(said).toBe('lock 0');
    await expect(openIn(folder)).rejects.toThrow(
      new Error(
        `the audit log in ${folder} is in use by process 1 of another container; stop it, or give this agent another folder`,
      ),
    );
    const ended = new Promise((resolve) => other.once('exit', resolve));
    other.kill('SIGKILL');
    await ended;
    const { log } = await openIn(folder);
    await log.close();
  });

  it('are told by a lock of the kernel here', () => {
    const path = join(temporaryFolder(), 'lock');
    const [first, second] = [openSync(path, 'w'), openSync(path, 'w')];
    expect([lockFile(first), lockFile(second)]).toEqual(['locked', 'busy']);
    closeSync(first);
    expect(lockFile(second)).toBe('locked');
    closeSync(second);
  });
});
