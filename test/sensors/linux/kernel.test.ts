import { describe, expect, it, onTestFinished } from 'vitest';
import { assemble, atomicAdd, exit, type Item, loadMapValue, mov, R0, R1, R2 } from '../../../engine/isa/index.ts';
import type { MapSpec, ProgramSpec } from '../../../engine/object/index.ts';
import { openLinuxKernel } from '../../../sensors/linux/index.ts';
import { liveUnavailable, testCgroup } from '../../support/live.ts';

const skip = liveUnavailable();
const COUNT: MapSpec = { name: 'count', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 };
const _GETPPID = 110;

function program(name: string, hook: string, items: readonly Item[]): ProgramSpec<string> {
  const { instructions, relocations, lines } = assemble(items);
  return { name, hook, instructions, relocations, lines };
}

describe.skipIf(skip)(`the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('counts', async () => {
    const cgroup = testCgroup();
    onTestFinished(() => cgroup.remove());
    const kernel = openLinuxKernel({ scope: cgroup.path });
    onTestFinished(() => kernel.close());
    const map = kernel.createMap(COUNT);
    const loaded = kernel.loadProgram(
      program('count', 'tp_btf/sched_process_exec', [
        ...cgroup.confine([loadMapValue(R1, 'count', 0), mov(R2, 1), atomicAdd('dw', R1, 0, R2), mov(R0, 0), exit()]),
      ]),
      new Map([['count', map]]),
    );
    kernel.attach(loaded);
    expect((await cgroup.run('/bin/true')).code).toBe(0);
    expect((await cgroup.run('/bin/sh', ['-c', 'echo a; /bin/true; /bin/true'])).stdout).toBe('a\n');
    expect(map.lookup(new Uint8Array(4))).toEqual(Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0));
  });
});
