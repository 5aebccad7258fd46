import { deepStrictEqual, strictEqual } from 'node:assert';
import {
  addField,
  call,
  type Item,
  jne,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R9,
  R10,
} from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { HELPERS, keep, OUT, observe, place, textWord, word } from '../programs.ts';

const NUMBERS = { open: 2, lseek: 8, clone: 56, execve: 59, getppid: 110, exit_group: 231 } as const;
const AT_FDCWD = -100;

/** r6 = the registers, then on only for calls of this number. */
export const atExitOf = (number: number): readonly Item[] => [
  ldx('dw', R6, R9, 0),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  jne(R7, number, OUT),
];

const registers = (...names: readonly string[]): readonly Item[] =>
  names.flatMap((name, index) => [ldxField('dw', R7, R6, `pt_regs.${name}`), keep(index, R7)]);

const pidAt = (index: number): readonly Item[] => [call(HELPERS.get_current_pid_tgid), keep(index, R0)];
const resultAt = (index: number): readonly Item[] => [ldx('dw', R7, R9, 8), keep(index, R7)];

const both = (pid: number, tgid = pid): bigint => (BigInt(tgid) << 32n) | BigInt(pid);

const ascending = (records: readonly bigint[][]): bigint[][] =>
  [...records].sort(([one = 0n], [other = 0n]) => (one < other ? -1 : one > other ? 1 : 0));

const exec = (host: Host, path: string, argv: readonly string[] = ['x']) => host.task.call('execve', [path, argv, []]);

export const sysExitCases = group('tp_btf/sys_exit', ['hook:tp_btf/sys_exit'], {
  'sees number, arguments and result': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 9, [
      ...atExitOf(NUMBERS.lseek),
      ...registers('orig_ax', 'di', 'si', 'dx', 'r10', 'r8', 'r9', 'ax'),
      ...resultAt(8),
    ]);
    strictEqual(await host.task.call('lseek', [97, 11, 13, 17, 19, 23]), -9);
    deepStrictEqual(seen.records(), [[8n, 97n, 11n, 13n, 17n, 19n, 23n, word(-9), word(-9)]]);
  },
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 1, [...atExitOf(NUMBERS.getppid), mov(R0, 1), keep(0, R0)]);
    const outsider = await host.outsider();
    await outsider.call('getppid');
    deepStrictEqual(seen.records(), []);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[1n]]);
  },
  'finds a 32-bit call in the ia32 registers, its strings below 4 GiB, with TS_COMPAT set': [
    ['ia32'],
    async (host) => {
      const ia32 = { open: 5, close: 6 };
      const status: readonly Item[] = [
        call(HELPERS.get_current_task_btf),
        ldxField('w', R7, R0, 'task_struct.thread_info.status'),
      ];
      const seen = observe(host, 'tp_btf/sys_exit', 5, [
        ...atExitOf(ia32.open),
        ...registers('orig_ax', 'cx', 'bx'),
        ...place(R1, 3),
        mov(R2, 8),
        mov(R3, R7),
        call(HELPERS.probe_read_user_str),
        ...status,
        keep(4, R7),
      ]);
      strictEqual(await host.task.call('open', ['/etc/x', 0, 0], 'ia32'), -2);
      strictEqual(await host.task.call('fstat', [99, null]), -9);
      const [record] = seen.records();
      const [number, flags, path = 0n, text, compat = 0n] = record ?? [];
      deepStrictEqual([number, flags, text, compat & 2n], [5n, 0n, textWord('/etc/x'), 2n]);
      strictEqual(path > 0n && path < 0x1_0000_0000n, true);
    },
  ],
  'a 64-bit call has no TS_COMPAT': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 1, [
      ...atExitOf(NUMBERS.getppid),
      call(HELPERS.get_current_task_btf),
      ldxField('w', R7, R0, 'task_struct.thread_info.status'),
      keep(0, R7),
    ]);
    await host.task.call('getppid');
    deepStrictEqual(
      seen.records().map(([status = 2n]) => status & 2n),
      [0n],
    );
  },
  'runs in the child too when clone returns there with 0': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 2, [...atExitOf(NUMBERS.clone), ...resultAt(0), ...pidAt(1)]);
    const child = await host.task.fork();
    await child.call('getppid');
    deepStrictEqual(ascending(seen.records()), [
      [0n, both(child.pid)],
      [BigInt(child.pid), both(host.task.pid)],
    ]);
  },
  "a new thread's return is that of another task of the process": async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 2, [...atExitOf(NUMBERS.clone), ...resultAt(0), ...pidAt(1)]);
    const thread = await host.task.fork('thread');
    await thread.call('getppid');
    deepStrictEqual(ascending(seen.records()), [
      [0n, both(thread.pid, host.task.pid)],
      [BigInt(thread.pid), both(host.task.pid)],
    ]);
  },
  'has cleared registers after a successful exec': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 5, [
      ...atExitOf(NUMBERS.execve),
      ...registers('di', 'si', 'dx', 'r10'),
      ...resultAt(4),
    ]);
    strictEqual(await exec(host, host.program), 0);
    deepStrictEqual(seen.records(), [[0n, 0n, 0n, 0n, 0n]]);
  },
  'reads execveat as execve after a successful exec': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 1, [...atExitOf(NUMBERS.execve), ...resultAt(0)]);
    strictEqual(await host.task.call('execveat', [AT_FDCWD, host.program, ['x'], [], 0]), 0);
    deepStrictEqual(seen.records(), [[0n]]);
  },
  'keeps the registers of an exec that failed': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 2, [
      ...atExitOf(NUMBERS.execve),
      ...registers('di'),
      ...place(R1, 1),
      mov(R2, 8),
      mov(R3, R7),
      call(HELPERS.probe_read_user_str),
      ...registers('di'),
    ]);
    strictEqual(await exec(host, '/nothng'), -2);
    const [record] = seen.records();
    strictEqual(record?.[1], textWord('/nothng'));
  },
  'does not see calls that never return': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 1, [...atExitOf(NUMBERS.exit_group), ...resultAt(0)]);
    const child = await host.task.fork();
    await child.last('exit_group', [3]);
    deepStrictEqual(seen.records(), []);
  },
  'sees a failed open with the path as it was passed': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 2, [
      ...atExitOf(NUMBERS.open),
      ...registers('di'),
      ...place(R1, 1),
      mov(R2, 8),
      mov(R3, R7),
      call(HELPERS.probe_read_user_str),
      ...resultAt(0),
    ]);
    strictEqual(await host.task.call('open', ['/no/file', 0, 0]), -2);
    deepStrictEqual(seen.records(), [[word(-2), textWord('/no/fil')]]);
  },
});

export const rawSysExitCases = group('raw_tp/sys_exit', ['hook:raw_tp/sys_exit'], {
  'gets the address of the registers, and the result': async (host) => {
    const seen = observe(host, 'raw_tp/sys_exit', 2, [
      ldx('dw', R6, R9, 0),
      ...place(R1, 0),
      mov(R2, 8),
      mov(R3, R6),
      addField(R3, 'pt_regs.orig_ax'),
      call(HELPERS.probe_read_kernel),
      ldx('dw', R7, R9, 8),
      keep(1, R7),
      ...onlyWord(0, NUMBERS.getppid),
    ]);
    const parent = await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[110n, BigInt(parent)]]);
  },
  'and tp_btf/sys_exit are the same event': async (host) => {
    const raw = observe(host, 'raw_tp/sys_exit', 1, [ldx('dw', R7, R9, 8), keep(0, R7), ...onlyWord(0, -9)]);
    const typed = observe(host, 'tp_btf/sys_exit', 1, [...atExitOf(NUMBERS.lseek), ...resultAt(0)]);
    await host.task.call('lseek', [97, 0, 0]);
    deepStrictEqual(raw.records(), [[word(-9)]]);
    deepStrictEqual(typed.records(), [[word(-9)]]);
  },
});

/** On only where a word of the record is this number. */
function onlyWord(index: number, value: number): readonly Item[] {
  return [ldx('dw', R7, R10, -8 * (index + 1)), jne(R7, value, OUT)];
}
