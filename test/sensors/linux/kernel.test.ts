import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exit, ldx, ldxField, loadMapValue, mov, R0, R1, R2, R3, stx } from '../../../engine/isa/index.ts';
import { createAttribute } from '../../../sensors/linux/attribute.ts';
import { bpf, readClock } from '../../../sensors/linux/call.ts';
import { type LinuxKernel, type LinuxKernelOptions, openLinuxKernel } from '../../../sensors/linux/index.ts';
import { at } from '../../support/cli.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { liveUnavailable, type TestCgroup, testCgroup } from '../../support/live.ts';
import { countAndReturn, counterSpec, countIn, programOf, ringSpec, sendTag } from '../../support/live-programs.ts';

const skip = liveUnavailable();
const EXEC = 'tp_btf/sched_process_exec';
const PASS = 1;
const NEXT_ID_BYTES = 12;

function place(options: LinuxKernelOptions = {}): { readonly cgroup: TestCgroup; readonly kernel: LinuxKernel } {
  const cgroup = testCgroup();
  onTestFinished(() => cgroup.remove());
  const kernel = openLinuxKernel({ scope: cgroup.path, ...options });
  onTestFinished(() => kernel.close());
  return { cgroup, kernel };
}

/** What a file descriptor of this process is; empty where it is closed already. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

const NEXT = {
  prog_id: 'BPF_PROG_GET_NEXT_ID',
  map_id: 'BPF_MAP_GET_NEXT_ID',
  link_id: 'BPF_LINK_GET_NEXT_ID',
} as const;

/** Whether the kernel has a program, map or link of that number; nothing of it is opened. */
function isThere(kind: keyof typeof NEXT, id: number): boolean {
  const attr = createAttribute(NEXT_ID_BYTES);
  attr.u32(0, id - 1);
  return bpf(NEXT[kind], attr.bytes, NEXT_ID_BYTES) === 0 && attr.readU32(4) === id;
}

describe.skipIf(skip)(`the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('leaves nothing behind of a process that is killed', async () => {
    const cgroup = testCgroup();
    onTestFinished(() => cgroup.remove());
    const script = at('test/support/attaching-child.mjs');
    const child = spawn(process.execPath, [script, cgroup.path, `${cgroup.id}`, `${cgroup.level}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const ids = JSON.parse(line.toString()) as Record<keyof typeof NEXT, number[]>;
    const there = () =>
      Object.entries(ids).flatMap(([kind, list]) => list.map((id) => isThere(kind as keyof typeof NEXT, id)));
    expect([ids.link_id.length, ids.prog_id.length, ids.map_id.length]).toEqual([2, 4, 1]);
    expect(there()).toEqual(Array.from({ length: 7 }, () => true));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expect.poll(there).toEqual(Array.from({ length: 7 }, () => false));
  });

  it('detaches one program, or all when it is closed', async () => {
    const { cgroup, kernel } = place();
    const maps = new Map(['one', 'other'].map((name) => [name, kernel.createMap(counterSpec(name))]));
    const [one, other] = ['one', 'other'].map((name) =>
      kernel.attach(kernel.loadProgram(programOf(name, EXEC, cgroup.confine(countAndReturn(name))), maps)),
    );
    const counts = () => [...maps.values()].map(countIn);
    await cgroup.run('/bin/true');
    expect(counts()).toEqual([1, 1]);
    kernel.detach(one as NonNullable<typeof one>);
    await cgroup.run('/bin/true');
    expect(counts()).toEqual([1, 2]);
    expect(other?.program.name).toBe('other');
    const outlasting = [...maps.values()].map((map) => ({ map, fd: kernel.map(map).id }));
    kernel.close();
    await expect.poll(() => outlasting.map(({ fd }) => isThere('map_id', fd))).toEqual([false, false]);
  });

  it('leaves no file descriptor, mapping or thread of its own in this process when it is closed', async () => {
    const cgroup = testCgroup();
    onTestFinished(() => cgroup.remove());
    const held = () => ({
      kernel: readdirSync('/proc/self/fd').filter((fd) => /anon_inode:bpf|anon_inode:\[perf/.test(linkOf(fd))).length,
      folders: readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).includes('cgroup')).length,
      mappings: readFileSync('/proc/self/maps', 'utf8').split('bpf-map').length - 1,
      threads: readdirSync('/proc/self/task').length,
    });
    const before = held();
    for (let round = 0; round < 3; round++) {
      const kernel = openLinuxKernel({ scope: cgroup.path });
      const ring = kernel.createMap(ringSpec('events', 4096));
      const items = cgroup.confine([...sendTag('events', 1), mov(R0, 0), exit()]);
      kernel.attach(kernel.loadProgram(programOf('sends', EXEC, items), new Map([['events', ring]])));
      const stream = kernel.stream([ring], 8);
      await cgroup.run('/bin/true');
      expect(await stream.drain(() => undefined)).toBe(1);
      expect(held().kernel).toBeGreaterThan(before.kernel);
      kernel.close();
    }
    await expect.poll(held, { timeout: 5_000 }).toEqual(before);
  });

  it('replaces a program on a tracepoint without missing an event', async () => {
    const { cgroup, kernel } = place();
    const ring = kernel.createMap(ringSpec('events', 1 << 20));
    const maps = new Map([['events', ring]]);
    const tagged = (tag: number) =>
      kernel.loadProgram(
        programOf(`tag${tag}`, EXEC, cgroup.confine([...sendTag('events', tag), mov(R0, 0), exit()])),
        maps,
      );
    const stream = kernel.stream([ring], 8);
    let link = kernel.attach(tagged(1));
    const running = cgroup.run('/bin/sh', ['-c', 'i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done']);
    let ended = false;
    running.finally(() => {
      ended = true;
    });
    let tags = 1;
    for (; !ended; tags++) {
      link = kernel.replace(link, tagged(tags + 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect((await running).code).toBe(0);
    const pids = new Map<number, Set<number>>();
    const seen = new Set<number>();
    await stream.drain((record) => {
      const view = new DataView(record.buffer, record.byteOffset, record.length);
      const [tag, pid] = [view.getUint32(0, true), view.getUint32(16, true)];
      seen.add(tag);
      const before = pids.get(pid) ?? new Set();
      pids.set(pid, before.add(tag));
    });
    expect(pids.size).toBe(301);
    expect(seen.size).toBeGreaterThan(2);
  });

  it('replaces a program of a cgroup in its place', async () => {
    const { cgroup, kernel } = place();
    const maps = new Map(['one', 'other'].map((name) => [name, kernel.createMap(counterSpec(name))]));
    const [one, other] = ['one', 'other'].map((name) =>
      kernel.loadProgram(programOf(name, 'cgroup/connect4', countAndReturn(name, PASS)), maps),
    );
    const connect = () => cgroup.run('/bin/bash', ['-c', '(: < /dev/tcp/127.0.0.1/9) 2>/dev/null; true']);
    const link = kernel.attach(one as NonNullable<typeof one>, { cgroup: cgroup.path });
    await connect();
    const next = kernel.replace(link, other as NonNullable<typeof other>);
    await connect();
    await connect();
    expect([...maps.values()].map(countIn)).toEqual([1, 2]);
    expect(next.program.name).toBe('other');
    kernel.detach(next);
    await connect();
    expect([...maps.values()].map(countIn)).toEqual([1, 2]);
  });

  it('refuses to replace a program by one of another hook', () => {
    const { cgroup, kernel } = place();
    const zero = (hook: string) =>
      kernel.loadProgram(programOf('zero', hook, cgroup.confine([mov(R0, 0), exit()])), new Map());
    const link = kernel.attach(zero(EXEC));
    expect(() => kernel.replace(link, zero('raw_tp/sys_enter'))).toThrow(
      "program zero is for raw_tp/sys_enter; it can't replace one of tp_btf/sched_process_exec",
    );
  });

  it('counts runs and their time once it was asked to', async () => {
    const { cgroup, kernel } = place();
    const map = kernel.createMap(counterSpec());
    const maps = new Map([['count', map]]);
    kernel.attach(kernel.loadProgram(programOf('counted', EXEC, cgroup.confine(countAndReturn())), maps));
    kernel.enableStatistics();
    await cgroup.run('/bin/sh', ['-c', '/bin/true; /bin/true; exec /bin/true']);
    const [stats] = kernel.stats();
    expect(stats).toMatchObject({ program: 'counted', hook: EXEC, missed: 0 });
    expect(stats?.runs).toBeGreaterThanOrEqual(countIn(map));
    expect(countIn(map)).toBe(4);
    expect(stats?.ns).toBeGreaterThan(stats?.runs ?? 0);
  });

  it('knows what the kernel calls a file and a cgroup, and when it is', async () => {
    const { cgroup, kernel } = place();
    const facts = { name: 'facts', type: 'array', keySize: 4, valueSize: 32, maxEntries: 1 } as const;
    const map = kernel.createMap(facts);
    const items = [
      ldx('dw', R2, R1, 16),
      ldxField('dw', R2, R2, 'linux_binprm.file'),
      ldxField('dw', R2, R2, 'file.f_inode'),
      loadMapValue(R1, 'facts', 0),
      ldxField('dw', R3, R2, 'inode.i_ino'),
      stx('dw', R1, 0, R3),
      ldxField('dw', R3, R2, 'inode.i_sb'),
      ldxField('w', R3, R3, 'super_block.s_dev'),
      stx('dw', R1, 8, R3),
      mov(R0, 0),
      exit(),
    ];
    kernel.attach(kernel.loadProgram(programOf('facts', EXEC, cgroup.confine(items)), new Map([['facts', map]])));
    const child = cgroup.child('inner');
    await child.run('/bin/true');
    const value = new BigUint64Array((map.lookup(new Uint8Array(4)) as Uint8Array<ArrayBuffer>).buffer);
    expect(kernel.fileId('/bin/true')).toEqual({ ino: value[0], dev: value[1] });
    expect(kernel.cgroupId(cgroup.path)).toBe(cgroup.id);
    expect(kernel.cgroupId(`${cgroup.path}/none`)).toBeUndefined();
    expect(kernel.cgroupPath(child.id)).toBe(`${cgroup.path}/inner`);
    expect(kernel.cgroupPath(1n << 60n)).toBeUndefined();
    expect(kernel.fileId('/none/there')).toBeUndefined();
    const now = kernel.wallTime(readClock('CLOCK_BOOTTIME'));
    expect(Math.abs(Number(now / 1_000_000n) - Date.now())).toBeLessThan(50);
  });

  it('says whose map it is not, and that a map is no ring buffer', () => {
    const [{ kernel: one }, { kernel: other }] = [place(), place()];
    const map = one.createMap(counterSpec());
    expect(() => other.map(map)).toThrow('map count was not created in this kernel');
    expect(() => one.ringBuffer(map)).toThrow(
      'map count is no ring buffer of this kernel; create one with type ringbuf',
    );
    expect(() => one.stream([one.createMap(ringSpec('events', 4096))], 4)).toThrow(
      "records can't have their time at 4: it must be a multiple of 8",
    );
  });

  it('pins nothing in a folder that is on no bpffs', () => {
    const folder = temporaryFolder();
    expect(() => place({ pin: join(folder, 'pins') })).toThrow(
      `${join(folder, 'pins')} is not on a bpffs, where alone maps, programs and links can be pinned; name a folder below /sys/fs/bpf, or \`mount -t bpf bpf ${folder}\``,
    );
  });
});
