import { deepStrictEqual, strictEqual } from 'node:assert';
import { call, type Item, jne, ldx, ldxField, mov, R0, R1, R2, R6, R7, R9 } from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import { HELPERS, keep, OUT, observe, place, textWord } from '../programs.ts';

const HOOK = 'tp_btf/sys_exit';
const [GETPPID, PR_SET_NAME] = [110, 15];

const ONLY: readonly Item[] = [ldx('dw', R6, R9, 0), ldxField('dw', R7, R6, 'pt_regs.orig_ax'), jne(R7, GETPPID, OUT)];
const ask = (helper: number, index = 0): readonly Item[] => [call(helper), keep(index, R0)];
const ancestor = (level: number, index: number): readonly Item[] => [
  mov(R1, level),
  ...ask(HELPERS.get_current_ancestor_cgroup_id, index),
];

export const helperCases = group('helpers', [`hook:${HOOK}`], {
  'get_current_pid_tgid: process above, thread below': async (host) => {
    const seen = observe(host, HOOK, 1, [...ONLY, ...ask(HELPERS.get_current_pid_tgid)]);
    const thread = await host.task.fork('thread');
    await thread.call('getppid');
    deepStrictEqual(seen.records(), [[(BigInt(host.task.pid) << 32n) | BigInt(thread.pid)]]);
  },
  'get_current_uid_gid: the real ids': async (host) => {
    const seen = observe(host, HOOK, 1, [...ONLY, ...ask(HELPERS.get_current_uid_gid)]);
    const child = await host.task.fork();
    await child.call('setresgid', [3000, 3001, 3001]);
    await child.call('setresuid', [2000, 2001, 2001]);
    await child.call('getppid');
    deepStrictEqual(seen.records(), [[(3000n << 32n) | 2000n]]);
  },
  'get_current_comm: what prctl made of it': async (host) => {
    const seen = observe(host, HOOK, 3, [
      ...ONLY,
      ...place(R1, 2),
      mov(R2, 16),
      call(HELPERS.get_current_comm),
      keep(0, R0),
    ]);
    await host.task.call('prctl', [PR_SET_NAME, 'renamed-task-and-too-long']);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[0n, textWord('task-an'), textWord('renamed-')]]);
  },
  'get_current_cgroup_id: the one that the kernel says the path has': async (host) => {
    const seen = observe(host, HOOK, 1, [...ONLY, ...ask(HELPERS.get_current_cgroup_id)]);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[host.kernel.cgroupId(host.scope)]]);
  },
  'get_current_ancestor_cgroup_id: levels count from the root': async (host) => {
    const seen = observe(host, HOOK, 4, [
      ...ONLY,
      ...ancestor(0, 0),
      ...ancestor(1, 1),
      ...ancestor(2, 2),
      ...ancestor(3, 3),
    ]);
    await host.task.call('getppid');
    const above = host.scope.slice(0, host.scope.lastIndexOf('/'));
    const { kernel } = host;
    deepStrictEqual(seen.records(), [[kernel.cgroupId('/'), kernel.cgroupId(above), kernel.cgroupId(host.scope), 0n]]);
  },
  'get_current_ancestor_cgroup_id: no level is below the root': async (host) => {
    const seen = observe(host, HOOK, 1, [...ONLY, ...ancestor(-1, 0)]);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[0n]]);
  },
  'ktime_get_boot_ns: later calls have later times, which are wall times too': async (host) => {
    const seen = observe(host, HOOK, 2, [...ONLY, ...ask(HELPERS.ktime_get_boot_ns), ...ask(HELPERS.ktime_get_ns, 1)]);
    await host.task.call('getppid');
    await host.sleep(30);
    await host.task.call('getppid');
    const [[first = 0n] = [], [second = 0n] = []] = seen.records();
    const apart = second - first;
    strictEqual(apart >= 30_000_000n && apart < 20_000_000_000n, true);
    const { kernel } = host;
    const drift = kernel.wallTime(second) - kernel.wallTime(first) - apart;
    strictEqual(host.kind === 'linux' ? drift > -1_000_000_000n && drift < 1_000_000_000n : drift === 0n, true);
    if (host.kind !== 'linux') return;
    const late = BigInt(Date.now()) * 1_000_000n - kernel.wallTime(second);
    strictEqual(late > -1_000_000_000n && late < 20_000_000_000n, true);
  },
  'get_current_task and its twin with BTF give the same task': async (host) => {
    const seen = observe(host, HOOK, 2, [
      ...ONLY,
      ...ask(HELPERS.get_current_task),
      ...ask(HELPERS.get_current_task_btf, 1),
    ]);
    await host.task.call('getppid');
    const [[one, other] = []] = seen.records();
    strictEqual(one, other);
    strictEqual((one ?? 0n) >> 56n, 0xffn);
  },
  'get_prandom_u32: 32 bits, not always the same': async (host) => {
    const seen = observe(host, HOOK, 1, [...ONLY, ...ask(HELPERS.get_prandom_u32)]);
    for (let i = 0; i < 8; i++) await host.task.call('getppid');
    const values = seen.records().flat();
    strictEqual(values.length, 8);
    strictEqual(new Set(values).size > 4, true);
    strictEqual(
      values.every((value) => value < 0x1_0000_0000n),
      true,
    );
  },
});
