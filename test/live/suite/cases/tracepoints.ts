import { deepStrictEqual } from 'node:assert';
import { jne, ldx, mov, R0, R7, R9 } from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import { keep, OUT, observe, word } from '../programs.ts';

const [LSEEK, IA32_ACCEPT4, GETPPID] = [8, 364, 110];

/** Words of a tracepoint's record, by their offsets. */
const members = (...offsets: readonly number[]) =>
  offsets.flatMap((offset, index) => [ldx('dw', R7, R9, offset), keep(index, R7)]);
const numberAndArguments = members(8, 16, 24, 32);

export const tracepointCases = group('tp/syscalls', ['hook:tp/syscalls/sys_enter_lseek'], {
  'sys_enter_lseek has number and arguments in its record': async (host) => {
    const seen = observe(host, 'tp/syscalls/sys_enter_lseek', 4, [
      ldx('w', R7, R9, 8),
      keep(0, R7),
      ...[16, 24, 32].flatMap((offset, index) => [ldx('dw', R7, R9, offset), keep(index + 1, R7)]),
    ]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[8n, 97n, 5n, 7n]]);
  },
  'sys_exit_lseek has the result': async (host) => {
    const seen = observe(host, 'tp/syscalls/sys_exit_lseek', 2, [
      ldx('w', R7, R9, 8),
      keep(0, R7),
      ldx('dw', R7, R9, 16),
      keep(1, R7),
    ]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[8n, word(-9)]]);
  },
  'others are not seen, 32-bit calls neither': [
    ['ia32'],
    async (host) => {
      const seen = observe(host, 'tp/syscalls/sys_enter_lseek', 1, [mov(R0, 1), keep(0, R0)]);
      await host.task.call('getppid');
      await host.task.call('lseek', [97, 5, 7], 'ia32');
      deepStrictEqual(seen.records(), []);
      await host.task.call('lseek', [97, 5, 7]);
      deepStrictEqual(seen.records(), [[1n]]);
    },
  ],
  'sys_exit_execve is what a successful execveat leaves by': async (host) => {
    const seen = observe(host, 'tp/syscalls/sys_exit_execve', 1, [ldx('dw', R7, R9, 16), keep(0, R7)]);
    await host.task.call('execveat', [-100, host.program, ['x'], [], 0]);
    deepStrictEqual(seen.records(), [[0n]]);
  },
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, 'tp/syscalls/sys_enter_getppid', 1, [mov(R0, 1), keep(0, R0)]);
    const outsider = await host.outsider();
    await outsider.call('getppid');
    deepStrictEqual(seen.records(), []);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[1n]]);
  },
});

export const rawSyscallsCases = group('tp/raw_syscalls', ['hook:tp/raw_syscalls/sys_enter'], {
  'sys_enter has number and arguments of every call': async (host) => {
    const seen = observe(host, 'tp/raw_syscalls/sys_enter', 4, [
      ldx('dw', R7, R9, 8),
      jne(R7, LSEEK, OUT),
      ...numberAndArguments,
    ]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[8n, 97n, 5n, 7n]]);
  },
  'sys_enter sees 32-bit calls by their own number': [
    ['ia32'],
    async (host) => {
      const seen = observe(host, 'tp/raw_syscalls/sys_enter', 4, [
        ldx('dw', R7, R9, 8),
        jne(R7, IA32_ACCEPT4, OUT),
        ...numberAndArguments,
      ]);
      await host.task.call('accept4', [97, 5, 7, 0], 'ia32');
      deepStrictEqual(seen.records(), [[364n, 97n, 5n, 7n]]);
    },
  ],
  'sys_exit has number and result': async (host) => {
    const seen = observe(host, 'tp/raw_syscalls/sys_exit', 2, [
      ldx('dw', R7, R9, 8),
      jne(R7, GETPPID, OUT),
      ...members(8, 16),
    ]);
    const parent = await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[110n, BigInt(parent)]]);
  },
});
