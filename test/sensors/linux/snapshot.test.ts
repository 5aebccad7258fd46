import { copyFileSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ProcessFacts } from '../../../sensors/index.ts';
import { openCgroups } from '../../../sensors/linux/cgroups.ts';
import { processesOf } from '../../../sensors/linux/processes.ts';
import { openSnapshots } from '../../../sensors/linux/snapshot.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { liveUnavailable, type TestCgroup, testCgroup } from '../../support/live.ts';

const skip = liveUnavailable();
/** Nanoseconds of a tick in which /proc counts. */
const TICK = 10_000_000n;

const place = (): { readonly cgroup: TestCgroup; readonly read: () => readonly ProcessFacts[] } => {
  const cgroup = testCgroup();
  onTestFinished(() => cgroup.remove());
  const snapshots = openSnapshots(openCgroups(cgroup.path), cgroup.path);
  onTestFinished(() => snapshots.close());
  return { cgroup, read: snapshots.read };
};

/** Starts a program and waits until the snapshot has one of that name. */
const started = async (
  { cgroup, read }: ReturnType<typeof place>,
  name: string,
  command: string,
  args: readonly string[] = [],
): Promise<ProcessFacts> => {
  cgroup.start(command, args, { stdio: 'ignore' });
  return expect
    .poll(() => read().find((each) => each.name === name), { timeout: 5_000 })
    .toBeDefined()
    .then(() => {
      const found = read().find((each) => each.name === name);
      if (found === undefined) throw new Error(`${name} is gone again`);
      return found;
    });
};

/** A program with what it is called by. */
const copied = (program: string, name: string): string => {
  const path = join(temporaryFolder(), name);
  copyFileSync(program, path);
  return path;
};

describe.skipIf(skip)(`a snapshot of processes${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('tells who a process is, what it runs and with which arguments', async () => {
    const { cgroup, read } = place();
    const child = cgroup.start('sleep', ['30'], { stdio: 'ignore' });
    await expect.poll(() => read().map(({ name }) => name)).toEqual(['sleep']);
    const [sleep] = read();
    expect(sleep).toMatchObject({
      pid: child.pid,
      parentPid: 0,
      parentStart: 0n,
      name: 'sleep',
      exepath: readlinkSync(`/proc/${child.pid}/exe`),
      argv: ['sleep', '30'],
      memfd: false,
      uid: process.getuid?.(),
      cgroup: cgroup.path,
      env: readFileSync(`/proc/${child.pid}/environ`, 'utf8').split('\0').slice(0, -1),
    });
    const file = statSync(`/proc/${child.pid}/exe`, { bigint: true });
    expect([sleep?.exeIno, sleep?.exeCtime, sleep?.exeMtime]).toEqual([file.ino, file.ctimeNs, file.mtimeNs]);
    const ticks = BigInt(readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]!);
    expect(sleep!.start / TICK).toBe(ticks);
  });

  it('has parents that are in the scope, and the cgroups below it', async () => {
    const { cgroup, read } = place();
    const below = cgroup.child('below');
    const shell = cgroup.start('sh', ['-c', `sleep 30 & echo $! > ${below.folder}/cgroup.procs; wait`], {
      stdio: 'ignore',
    });
    await expect.poll(() => read().map((each) => [each.name, each.cgroup])).toContainEqual(['sleep', below.path]);
    const [parent, child] = ['sh', 'sleep'].map((name) => read().find((each) => each.name === name)!);
    expect(parent).toMatchObject({ pid: shell.pid, parentPid: 0 });
    expect(child).toMatchObject({ parentPid: parent!.pid, parentStart: parent!.start });
  });

  it('knows nothing of what is outside', async () => {
    const { cgroup, read } = place();
    const other = testCgroup();
    onTestFinished(() => other.remove());
    other.start('sleep', ['31'], { stdio: 'ignore' });
    cgroup.start('sleep', ['32'], { stdio: 'ignore' });
    await expect.poll(() => read().map(({ argv }) => argv)).toEqual([['sleep', '32']]);
  });

  it('takes the name that was executed, whatever a task calls itself', async () => {
    const here = place();
    const renamed = 'import ctypes, time; ctypes.CDLL(None).prctl(15, b"harmless"); time.sleep(30)';
    const found = await started(here, 'python3', 'python3', ['-c', renamed]);
    await expect.poll(() => readFileSync(`/proc/${found.pid}/comm`, 'utf8')).toBe('harmless\n');
    expect(here.read()).toEqual([expect.objectContaining({ pid: found.pid, name: 'python3' })]);
  });

  it('takes a script by its name and its interpreter as what runs, and cuts long names as the kernel does', async () => {
    const here = place();
    const script = join(temporaryFolder(), 'a-script-of-a-long-name');
    writeFileSync(script, '#!/bin/sh\nread line\n', { mode: 0o755 });
    here.cgroup.start(script, ['x'], { stdio: ['pipe', 'ignore', 'ignore'] });
    await expect.poll(() => here.read().map(({ name }) => name)).toEqual(['a-script-of-a-l']);
    expect(here.read()[0]).toMatchObject({
      exepath: readlinkSync('/bin/sh').replace(/^(?!\/)/, '/usr/bin/'),
      argv: ['/bin/sh', script, 'x'],
    });
  });

  it('gives the path of an executable that was removed as it was, and finds what lies in anonymous memory', async () => {
    const here = place();
    const path = copied('/bin/sleep', 'gone');
    await started(here, 'gone', path, ['30']);
    rmSync(path);
    expect(here.read()).toEqual([expect.objectContaining({ name: 'gone', exepath: path, memfd: false })]);
    const memory =
      'import os; f = os.memfd_create("hidden"); os.write(f, open("/bin/sleep", "rb").read()); os.execve(f, ["sleep", "30"], {})';
    here.cgroup.start('python3', ['-c', memory], { stdio: 'ignore' });
    await expect
      .poll(() => here.read().find(({ memfd, argv }) => memfd && argv !== undefined), { timeout: 5_000 })
      .toMatchObject({ argv: ['sleep', '30'] });
  });

  it('reads long arguments whole, and says where they are too long', async () => {
    const here = place();
    const [long, longer] = ['x'.repeat(10_000), 'y'.repeat(20_000)];
    here.cgroup.start('sh', ['-c', 'read line', long], { stdio: ['pipe', 'ignore', 'ignore'] });
    here.cgroup.start('sh', ['-c', 'read line', longer], { stdio: ['pipe', 'ignore', 'ignore'] });
    await expect.poll(() => here.read().length).toBe(2);
    expect(here.read().map(({ argv }) => argv)).toEqual(
      expect.arrayContaining([['sh', '-c', 'read line', long], undefined]),
    );
  });

  it('has a process whose first thread has ended', async () => {
    const here = place();
    const code =
      'import ctypes, threading, time; threading.Thread(target=time.sleep, args=(30,)).start(); ctypes.CDLL(None).syscall(60, 0)';
    const child = here.cgroup.start('python3', ['-c', code], { stdio: 'ignore' });
    const stateOf = (): string => readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.charAt(0);
    await expect.poll(stateOf, { timeout: 5_000 }).toBe('Z');
    expect(here.read()).toEqual([
      expect.objectContaining({ pid: child.pid, name: 'python3', argv: expect.arrayContaining(['-c', code]) }),
    ]);
  });

  it('leaves out what has ended and was not waited for', async () => {
    const here = place();
    const code = 'import os, time; os.fork() or os._exit(0); time.sleep(30)';
    const child = here.cgroup.start('python3', ['-c', code], { stdio: 'ignore' });
    const children = (): string => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    const stateOf = (pid: string): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.charAt(0);
    await expect.poll(() => (children() === '' ? '' : stateOf(children())), { timeout: 5_000 }).toBe('Z');
    expect(here.read().map(({ pid }) => pid)).toEqual([child.pid]);
  });

  it('is what /proc says, which knows starts by ticks', async () => {
    const here = place();
    here.cgroup.start('sh', ['-c', 'sleep 30 & sleep 31 & wait'], { stdio: 'ignore' });
    await expect
      .poll(() =>
        here
          .read()
          .map(({ name }) => name)
          .sort(),
      )
      .toEqual(['sh', 'sleep', 'sleep']);
    const coarse = processesOf(openCgroups(here.cgroup.path), here.cgroup.path);
    const seen = here.read().map(({ asOf: _, layer: __, ...facts }) => ({
      ...facts,
      start: facts.start - (facts.start % TICK),
      parentStart: facts.parentStart - (facts.parentStart % TICK),
      coarse: true,
    }));
    expect(coarse.map(({ asOf: _, ...facts }) => facts)).toEqual(seen);
  });
});
