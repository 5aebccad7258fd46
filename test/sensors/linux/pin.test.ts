import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLinuxKernel } from '../../../sensors/linux/index.ts';
import { liveUnavailable, testCgroup } from '../../support/live.ts';
import { countAndReturn, counterSpec, countIn, programOf } from '../../support/live-programs.ts';

const mount = readFileSync('/proc/self/mountinfo', 'utf8')
  .split('\n')
  .find((line) => line.includes(' - bpf '))
  ?.split(' ')[4];
const skip = liveUnavailable() ?? (mount === undefined ? 'no bpffs is mounted' : undefined);

describe.skipIf(skip)(`pinning${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('keeps what is attached beyond the kernel’s closing, until its file is removed', async () => {
    const folder = mkdtempSync(join(mount ?? '', 'shrike_test_'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const cgroup = testCgroup();
    onTestFinished(() => cgroup.remove());
    const kernel = openLinuxKernel({ scope: cgroup.path, pin: join(folder, 'pins') });
    onTestFinished(() => kernel.close());
    const map = kernel.createMap(counterSpec('count.er'));
    const items = cgroup.confine(countAndReturn('count.er'));
    const program = programOf('execs', 'tp_btf/sched_process_exec', items);
    const maps = new Map([['count.er', map]]);
    kernel.attach(kernel.loadProgram(program, maps));
    const second = kernel.attach(kernel.loadProgram({ ...program, name: 'second' }, maps));
    kernel.detach(second);
    const pins = ['link_execs', 'map_count_er', 'program_execs', 'program_second'];
    expect(readdirSync(join(folder, 'pins')).sort()).toEqual(pins);
    await cgroup.run('/bin/true');
    expect(countIn(map)).toBe(1);
    kernel.close();
    expect(existsSync(join(folder, 'pins', 'link_execs'))).toBe(true);
  });
});
