import { deepStrictEqual, strictEqual } from 'node:assert';
import { readdirSync, rmSync } from 'node:fs';
import {
  atomicAdd,
  type Item,
  jne,
  ldx,
  ldxField,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R6,
  R7,
  R9,
} from '../../../../engine/isa/index.ts';
import type { MapSpec } from '../../../../engine/object/index.ts';
import { openLinuxKernel } from '../../../../sensors/index.ts';
import { group } from '../case.ts';
import { confined, OUT, scopeMap } from '../programs.ts';

const HOOK = 'tp_btf/sys_exit';
const GETPPID = 110;
const FOLDER = '/sys/fs/bpf/shrike-suite';
const DETACHED_MS = 200;
const COUNT: MapSpec = { name: 'count', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 };

const COUNT_GETPPID: readonly Item[] = [
  ldx('dw', R6, R9, 0),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  jne(R7, GETPPID, OUT),
  loadMapValue(R1, COUNT.name, 0),
  mov(R2, 1),
  atomicAdd('dw', R1, 0, R2),
  mov(R0, 0),
];

/** What outlives its process is tried where nobody else is. */
export const pinCases = group('Pins', ['linux', 'own-machine', `hook:${HOOK}`], {
  'what is pinned goes on when its kernel is closed, until its file is removed': async (host) => {
    const maps = [scopeMap(host), host.createMap(COUNT)] as const;
    const counted = () => maps[1].lookup(new Uint8Array(4))?.[0];
    const kernel = openLinuxKernel({ scope: host.scope, pin: FOLDER });
    try {
      const byName = new Map(maps.map((map) => [map.spec.name, map]));
      const load = (name: string) => kernel.loadProgram({ name, hook: HOOK, ...confined(COUNT_GETPPID) }, byName);
      kernel.attach(load('kept'));
      kernel.detach(kernel.attach(load('ended')));
      deepStrictEqual(readdirSync(FOLDER).sort(), ['link_kept', 'program_ended', 'program_kept']);
      await host.task.call('getppid');
      strictEqual(counted(), 1);
      kernel.close();
      await host.task.call('getppid');
      strictEqual(counted(), 2);
    } finally {
      kernel.close();
      rmSync(FOLDER, { recursive: true, force: true });
    }
    await host.sleep(DETACHED_MS);
    await host.task.call('getppid');
    strictEqual(counted(), 2);
  },
});
