import { deepStrictEqual } from 'node:assert';
import { jne, ldx, ldxField, mov, R0, R6, R7, R9 } from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import { keep, OUT, observe, word } from '../programs.ts';

const [GETPPID, LSEEK] = [110, 8];

const exitOf = (number: number) => [
  ldx('dw', R6, R9, 0),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  jne(R7, number, OUT),
];

const field = (index: number, name: string) => [ldxField('dw', R7, R6, `pt_regs.${name}`), keep(index, R7)];

/** tp_btf/sys_exit */
export const sysExitCases = group('tp_btf/sys_exit', ['hook:tp_btf/sys_exit'], {
  'sees number, arguments and result': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 9, [
      ...exitOf(LSEEK),
      ...['orig_ax', 'di', 'si', 'dx', 'r10', 'r8', 'r9', 'ax'].flatMap((name, index) => field(index, name)),
      ldx('dw', R7, R9, 8),
      keep(8, R7),
    ]);
    deepStrictEqual(await host.task.call('lseek', [97, 11, 13, 17, 19, 23]), -9);
    deepStrictEqual(seen.records(), [[8n, 97n, 11n, 13n, 17n, 19n, 23n, word(-9), word(-9)]]);
  },
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, 'tp_btf/sys_exit', 1, [...exitOf(GETPPID), mov(R0, 1), keep(0, R0)]);
    const outsider = await host.outsider();
    await outsider.call('getppid');
    deepStrictEqual(seen.records(), []);
    await host.task.call('getppid');
    deepStrictEqual(seen.records(), [[1n]]);
  },
});
