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
} from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import { HELPERS, keep, OUT, observe, place, word } from '../programs.ts';

const [LSEEK, GETPPID, EXIT_GROUP, IA32_DUP, ENOSYS] = [8, 110, 231, 41, 38];

/** On only for calls of this number, which is the second argument. */
const atEntryOf = (number: number): readonly Item[] => [ldx('dw', R7, R9, 8), jne(R7, number, OUT)];

/** Reads a register through the untyped pointer that is the first argument. */
const rawRegister = (index: number, name: string): readonly Item[] => [
  ldx('dw', R3, R9, 0),
  addField(R3, `pt_regs.${name}`),
  ...place(R1, index),
  mov(R2, 8),
  call(HELPERS.probe_read_kernel),
];

const mark: readonly Item[] = [mov(R0, 1), keep(0, R0)];

export const rawSysEnterCases = group('raw_tp/sys_enter', ['hook:raw_tp/sys_enter'], {
  'gets the address of the registers, and the number': async (host) => {
    const seen = observe(host, 'raw_tp/sys_enter', 3, [
      ...atEntryOf(LSEEK),
      keep(2, R7),
      ...rawRegister(0, 'di'),
      ...rawRegister(1, 'dx'),
    ]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[97n, 7n, 8n]]);
  },
  'comes before there is a result': async (host) => {
    const seen = observe(host, 'raw_tp/sys_enter', 1, [...atEntryOf(LSEEK), ...rawRegister(0, 'ax')]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[word(-ENOSYS)]]);
  },
  'sees calls that never return': async (host) => {
    const seen = observe(host, 'raw_tp/sys_enter', 1, [...atEntryOf(EXIT_GROUP), ...rawRegister(0, 'di')]);
    const child = await host.task.fork();
    await child.last('exit_group', [3]);
    deepStrictEqual(seen.records(), [[3n]]);
  },
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, 'raw_tp/sys_enter', 1, [...atEntryOf(GETPPID), ...mark]);
    const outsider = await host.outsider();
    await outsider.call('getppid');
    deepStrictEqual(seen.records(), []);
  },
  'gets the number of the ia32 table for a 32-bit call': [
    ['ia32'],
    async (host) => {
      const seen = observe(host, 'raw_tp/sys_enter', 1, [...atEntryOf(IA32_DUP), ...rawRegister(0, 'bx')]);
      await host.task.call('dup', [97], 'ia32');
      deepStrictEqual(seen.records(), [[97n]]);
    },
  ],
});

export const btfSysEnterCases = group('tp_btf/sys_enter', ['hook:tp_btf/sys_enter'], {
  'reads registers by loads': async (host) => {
    const seen = observe(host, 'tp_btf/sys_enter', 3, [
      ...atEntryOf(LSEEK),
      ldx('dw', R6, R9, 0),
      ...['orig_ax', 'di', 'si'].flatMap((name, index) => [ldxField('dw', R7, R6, `pt_regs.${name}`), keep(index, R7)]),
    ]);
    await host.task.call('lseek', [97, 5, 7]);
    deepStrictEqual(seen.records(), [[8n, 97n, 5n]]);
  },
  'a call enters once and leaves once': async (host) => {
    const entered = observe(host, 'tp_btf/sys_enter', 1, [...atEntryOf(GETPPID), ...mark]);
    const left = observe(host, 'tp_btf/sys_exit', 1, [
      ldx('dw', R6, R9, 0),
      ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
      jne(R7, GETPPID, OUT),
      ...mark,
    ]);
    for (let i = 0; i < 3; i++) await host.task.call('getppid');
    strictEqual(entered.records().length, 3);
    strictEqual(left.records().length, 3);
  },
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, 'tp_btf/sys_enter', 1, [...atEntryOf(GETPPID), ...mark]);
    const outsider = await host.outsider();
    await outsider.call('getppid');
    deepStrictEqual(seen.records(), []);
  },
});
