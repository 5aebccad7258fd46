import { deepStrictEqual } from 'node:assert';
import {
  addField,
  call,
  type Item,
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
} from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import { HELPERS, keep, observe, place, word } from '../programs.ts';

const mark: readonly Item[] = [mov(R0, 1), keep(0, R0)];

/** A register of the call: the probed function's one argument (in di) is the address of struct pt_regs. */
const argument = (index: number, name: string): readonly Item[] => [
  ldxField('dw', R3, R9, 'pt_regs.di'),
  addField(R3, `pt_regs.${name}`),
  ...place(R1, index),
  mov(R2, 8),
  call(HELPERS.probe_read_kernel),
];

export const kprobeCases = group('kprobe', ['hook:kprobe/__x64_sys_getppid'], {
  'gets to the arguments through the registers it is given': async (host) => {
    const seen = observe(
      host,
      'kprobe/__x64_sys_lseek',
      3,
      ['di', 'si', 'dx'].flatMap((name, index) => argument(index, name)),
    );
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[97n, 5n, 7n]]);
  },
  'runs for its own function only': async (host) => {
    const seen = observe(host, 'kprobe/__x64_sys_lseek', 1, mark);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), []);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[1n]]);
  },
  'is not on the way of 32-bit calls': [
    ['ia32'],
    async (host) => {
      const seen = observe(host, 'kprobe/__x64_sys_lseek', 1, mark);
      await host.task.call('lseek', [97, 5, 7], 'ia32');
      deepStrictEqual(seen.records(), []);
    },
  ],
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, 'kprobe/__x64_sys_getppid', 1, mark);
    const outsider = await host.outsider();
    await outsider.call('getppid');
    deepStrictEqual(seen.records(), []);
  },
  'is gone when it is detached': async (host) => {
    const seen = observe(host, 'kprobe/__x64_sys_getppid', 1, mark);
    await host.task.call('getppid');
    host.kernel.detach(seen.link);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[1n]]);
  },
});

export const fentryCases = group('fentry', ['hook:fentry/__x64_sys_getppid'], {
  'reads the registers of a call by loads': async (host) => {
    const seen = observe(host, 'fentry/__x64_sys_lseek', 3, [
      ldx('dw', R6, R9, 0),
      ...['di', 'si', 'dx'].flatMap((name, index) => [ldxField('dw', R7, R6, `pt_regs.${name}`), keep(index, R7)]),
    ]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[97n, 5n, 7n]]);
  },
  'fexit has the result behind the arguments': async (host) => {
    const seen = observe(host, 'fexit/__x64_sys_lseek', 2, [
      ldx('dw', R6, R9, 0),
      ldxField('dw', R7, R6, 'pt_regs.di'),
      keep(0, R7),
      ldx('dw', R7, R9, 8),
      keep(1, R7),
    ]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[97n, word(-9)]]);
  },
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, 'fentry/__x64_sys_getppid', 1, mark);
    const outsider = await host.outsider();
    await outsider.call('getppid');
    deepStrictEqual(seen.records(), []);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[1n]]);
  },
});
