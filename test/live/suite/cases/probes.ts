import { deepStrictEqual, strictEqual } from 'node:assert';
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
  R10,
} from '../../../../engine/isa/index.ts';
import { O_CREAT_WRONLY, open } from '../calls.ts';
import { group } from '../case.ts';
import type { Task } from '../host.ts';
import { attachConfined, HELPERS, keep, observe, place, textWord } from '../programs.ts';

const mark: readonly Item[] = [mov(R0, 1), keep(0, R0)];

/** A register of the call: the probed function's one argument (in di) is the address of struct pt_regs. */
const argument = (index: number, name: string): readonly Item[] => [
  ldxField('dw', R3, R9, 'pt_regs.di'),
  addField(R3, `pt_regs.${name}`),
  ...place(R1, index),
  mov(R2, 8),
  call(HELPERS.probe_read_kernel),
];

const FILE_OPEN = 'security_file_open';

const create = (task: Task, path: string) => open(task, path, O_CREAT_WRONLY);

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
  'gets to the arguments of other functions too': async (host) => {
    const seen = observe(host, `kprobe/${FILE_OPEN}`, 1, [
      ldxField('dw', R3, R9, 'pt_regs.di'),
      addField(R3, 'file.f_path.dentry'),
      ...place(R1, 0),
      mov(R2, 8),
      call(HELPERS.probe_read_kernel),
      ldx('dw', R3, R10, -8),
      addField(R3, 'dentry.d_name.name'),
      ...place(R1, 0),
      mov(R2, 8),
      call(HELPERS.probe_read_kernel),
      ldx('dw', R3, R10, -8),
      ...place(R1, 0),
      mov(R2, 8),
      call(HELPERS.probe_read_kernel_str),
    ]);
    await create(host.task, `${host.folder}/watched`);
    deepStrictEqual(seen.records(), [[textWord('watched')]]);
  },
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

/** The first 8 bytes of the name of the file in r6. */
const fileName = (index: number): readonly Item[] => [
  ldxField('dw', R7, R6, 'file.f_path.dentry'),
  ldxField('dw', R3, R7, 'dentry.d_name.name'),
  ...place(R1, index),
  mov(R2, 8),
  call(HELPERS.probe_read_kernel_str),
];

export const fentryCases = group('fentry', [`hook:fentry/${FILE_OPEN}`], {
  'follows the arguments of a function by loads': async (host) => {
    const seen = observe(host, `fentry/${FILE_OPEN}`, 1, [ldx('dw', R6, R9, 0), ...fileName(0)]);
    strictEqual((await create(host.task, `${host.folder}/watched`)) >= 0, true);
    deepStrictEqual(seen.records(), [[textWord('watched')]]);
  },
  'fexit has the result behind the arguments': async (host) => {
    const seen = observe(host, `fexit/${FILE_OPEN}`, 2, [
      ldx('dw', R6, R9, 0),
      ...fileName(0),
      ldx('dw', R7, R9, 8),
      keep(1, R7),
    ]);
    await create(host.task, `${host.folder}/watched`);
    deepStrictEqual(seen.records(), [[textWord('watched'), 0n]]);
  },
  'fexit sees what an LSM program decided': [
    ['hook:lsm/file_open', 'enforcement'],
    async (host) => {
      const seen = observe(host, `fexit/${FILE_OPEN}`, 1, [ldx('dw', R7, R9, 8), keep(0, R7)]);
      attachConfined(host, 'lsm/file_open', [mov(R0, -13)]);
      strictEqual(await create(host.task, `${host.folder}/watched`), -13);
      deepStrictEqual(
        seen.records().map(([result = 0n]) => BigInt.asIntN(32, result)),
        [-13n],
      );
    },
  ],
  'passes over tasks outside of the scope': async (host) => {
    const seen = observe(host, `fentry/${FILE_OPEN}`, 1, mark);
    const outsider = await host.outsider();
    await create(outsider, `${host.folder}/watched`);
    deepStrictEqual(seen.records(), []);
    await create(host.task, `${host.folder}/watched`);
    deepStrictEqual(seen.records(), [[1n]]);
  },
  'replace puts another program in its place': async (host) => {
    const first = observe(host, `fentry/${FILE_OPEN}`, 1, mark);
    const second = observe(host, `fentry/${FILE_OPEN}`, 1, [mov(R0, 2), keep(0, R0)]);
    host.kernel.detach(second.link);
    const link = host.kernel.replace(first.link, second.program);
    await create(host.task, `${host.folder}/watched`);
    deepStrictEqual([first.records(), second.records()], [[], [[2n]]]);
    host.kernel.detach(link);
    await create(host.task, `${host.folder}/watched`);
    deepStrictEqual(second.records(), []);
  },
});
