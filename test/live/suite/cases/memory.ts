import { deepStrictEqual, strictEqual } from 'node:assert';
import {
  addField,
  call,
  type Item,
  jne,
  lddw,
  ldx,
  ldxField,
  mov,
  movField,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R9,
  R10,
  st,
} from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import { HELPERS, keep, OUT, observe, place, textWord, word } from '../programs.ts';

const HOOK = 'tp_btf/sys_exit';
const [ACCESS, EFAULT, ERANGE, MAP_PRIVATE_ANONYMOUS, PROT_READ_WRITE] = [21, 14, 34, 0x22, 3];

/** r6 = the registers, r7 = the path that access(2) got; on only for it. */
const PATH: readonly Item[] = [
  ldx('dw', R6, R9, 0),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  jne(R7, ACCESS, OUT),
  ldxField('dw', R7, R6, 'pt_regs.di'),
];
const fill = (index: number): Item => st('dw', R10, -8 * (index + 1), -1);

/** Reads at r7 with a helper: its result at `index`, what it put there at `index + 1`. */
const read = (helper: number, index: number, size = 8): readonly Item[] => [
  fill(index + 1),
  ...place(R1, index + 1),
  mov(R2, size),
  mov(R3, R7),
  call(helper),
  keep(index, R0),
];

export const memoryCases = group('probe_read', [`hook:${HOOK}`], {
  'probe_read_user reads what the caller passed': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, ...read(HELPERS.probe_read_user, 0)]);
    await host.task.call('access', ['/a/bcdefghij', 0]);
    deepStrictEqual(seen.records(), [[0n, textWord('/a/bcdef')]]);
  },
  'probe_read_user_str says how long the text is with its NUL': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, ...read(HELPERS.probe_read_user_str, 0)]);
    await host.task.call('access', ['/abc', 0]);
    const [[length, text = 0n] = []] = seen.records();
    strictEqual(length, 5n);
    strictEqual(text & 0xff_ffff_ffffn, textWord('/abc'));
  },
  'a text that is too long is cut, with a NUL': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, ...read(HELPERS.probe_read_user_str, 0)]);
    await host.task.call('access', ['/a/bcdefghij', 0]);
    deepStrictEqual(seen.records(), [[8n, textWord('/a/bcde')]]);
  },
  'the null pointer fails and leaves zeroes': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, ...read(HELPERS.probe_read_user, 0)]);
    strictEqual(await host.task.call('access', [null, 0]), -EFAULT);
    deepStrictEqual(seen.records(), [[word(-EFAULT), 0n]]);
  },
  'a text at the null pointer fails too': async (host) => {
    const seen = observe(host, HOOK, 1, [
      ...PATH,
      ...place(R1, 0),
      mov(R2, 8),
      mov(R3, R7),
      call(HELPERS.probe_read_user_str),
      keep(0, R0),
    ]);
    await host.task.call('access', [null, 0]);
    deepStrictEqual(seen.records(), [[word(-EFAULT)]]);
  },
  'an address that nothing is mapped at fails': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, ...read(HELPERS.probe_read_user, 0)]);
    await host.task.call('access', [0x1234, 0]);
    deepStrictEqual(seen.records(), [[word(-EFAULT), 0n]]);
  },
  'a page that was never touched is absent': async (host) => {
    const at = await host.task.call('mmap', [0, 8192, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0]);
    strictEqual(at > 0, true);
    const entry = 'raw_tp/sys_enter';
    const seen = observe(host, entry, 2, [
      ldx('dw', R7, R9, 8),
      jne(R7, ACCESS, OUT),
      ldx('dw', R3, R9, 0),
      addField(R3, 'pt_regs.di'),
      ...place(R1, 0),
      mov(R2, 8),
      call(HELPERS.probe_read_kernel),
      ldx('dw', R7, R10, -8),
      ...read(HELPERS.probe_read_user, 0),
    ]);
    await host.task.call('access', [at, 0]);
    deepStrictEqual(seen.records(), [[word(-EFAULT), 0n]]);
  },
  'an address of the kernel is none of the caller': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, mov(R7, R6), ...read(HELPERS.probe_read_user, 0)]);
    await host.task.call('access', ['/', 0]);
    deepStrictEqual(seen.records(), [[word(-EFAULT), 0n]]);
  },
  'probe_read_kernel reads what the kernel has': async (host) => {
    const seen = observe(host, HOOK, 2, [
      ...PATH,
      mov(R7, R6),
      addField(R7, 'pt_regs.orig_ax'),
      ...read(HELPERS.probe_read_kernel, 0),
    ]);
    await host.task.call('access', ['/', 0]);
    deepStrictEqual(seen.records(), [[0n, BigInt(ACCESS)]]);
  },
  'probe_read_kernel does not read what a caller has': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, ...read(HELPERS.probe_read_kernel, 0)]);
    await host.task.call('access', ['/a/bcdefghij', 0]);
    deepStrictEqual(seen.records(), [[word(-ERANGE), 0n]]);
  },
  'probe_read_kernel of no address fails': async (host) => {
    const seen = observe(host, HOOK, 2, [
      ...PATH,
      lddw(R7, 0xffff_8000_0000_1000n),
      ...read(HELPERS.probe_read_kernel, 0),
    ]);
    await host.task.call('access', ['/', 0]);
    const [[result] = []] = seen.records();
    strictEqual(result, word(-EFAULT));
  },
  'reading nothing succeeds wherever it is': async (host) => {
    const seen = observe(host, HOOK, 2, [...PATH, ...read(HELPERS.probe_read_user, 0, 0)]);
    await host.task.call('access', [0x1234, 0]);
    deepStrictEqual(seen.records(), [[0n, word(-1)]]);
  },
});

const field = (index: number, access: string, size: 'w' | 'dw' = 'dw'): readonly Item[] => [
  ldxField(size, R7, R6, access),
  keep(index, R7),
];
const CURRENT: readonly Item[] = [call(HELPERS.get_current_task_btf), mov(R6, R0)];
const ONLY: readonly Item[] = [...PATH, ...CURRENT];

export const coreCases = group('CO-RE', [`hook:${HOOK}`], {
  'task: pid, tgid and comm by name': async (host) => {
    const seen = observe(host, HOOK, 3, [
      ...ONLY,
      ...field(0, 'task_struct.pid', 'w'),
      ...field(1, 'task_struct.tgid', 'w'),
      ...field(2, 'task_struct.comm'),
    ]);
    await host.task.call('access', ['/', 0]);
    const own = BigInt(host.task.pid);
    deepStrictEqual(seen.records(), [[own, own, textWord('suite-dr')]]);
  },
  'credentials: uid and euid through two pointers': async (host) => {
    const child = await host.task.fork();
    strictEqual(await child.call('setresuid', [1000, 1001, 1002]), 0);
    const seen = observe(host, HOOK, 3, [
      ...ONLY,
      ldxField('dw', R6, R6, 'task_struct.cred'),
      ...field(0, 'cred.uid.val', 'w'),
      ...field(1, 'cred.euid.val', 'w'),
      ...field(2, 'cred.suid.val', 'w'),
    ]);
    await child.call('access', ['/', 0]);
    deepStrictEqual(seen.records(), [[1000n, 1001n, 1002n]]);
  },
  'start_boottime is the one that the kernel says of the process': async (host) => {
    const seen = observe(host, HOOK, 1, [...ONLY, ...field(0, 'task_struct.start_boottime')]);
    await host.task.call('access', ['/', 0]);
    const facts = host.kernel.processes(host.scope).find(({ pid }) => pid === host.task.pid);
    const [[start = 0n] = []] = seen.records();
    const apart = start - (facts?.start ?? 0n);
    strictEqual(apart > -20_000_000n && apart < 20_000_000n, true);
  },
  'a member that this kernel lacks is known to be missing': async (host) => {
    const seen = observe(host, HOOK, 2, [
      ...PATH,
      movField(R7, 'task_struct.comm', 'exists'),
      keep(0, R7),
      movField(R7, 'task_struct.no_such_member', 'exists'),
      keep(1, R7),
    ]);
    await host.task.call('access', ['/', 0]);
    deepStrictEqual(seen.records(), [[1n, 0n]]);
  },
  'the size of a member is that of this kernel': async (host) => {
    const seen = observe(host, HOOK, 1, [...PATH, movField(R7, 'task_struct.comm', 'size'), keep(0, R7)]);
    await host.task.call('access', ['/', 0]);
    deepStrictEqual(seen.records(), [[16n]]);
  },
  'the working directory: from task to the name of a dentry': async (host) => {
    strictEqual(await host.task.call('mkdir', [`${host.folder}/inside`, 0o755]), 0);
    strictEqual(await host.task.call('chdir', [`${host.folder}/inside`]), 0);
    const seen = observe(host, HOOK, 2, [
      ...ONLY,
      ldxField('dw', R6, R6, 'task_struct.fs'),
      ldxField('dw', R6, R6, 'fs_struct.pwd.dentry'),
      ldxField('dw', R7, R6, 'dentry.d_name.name'),
      ...read(HELPERS.probe_read_kernel_str, 0),
    ]);
    await host.task.call('access', ['/', 0]);
    const [[length, name = 0n] = []] = seen.records();
    strictEqual(length, 7n);
    strictEqual(name & 0xff_ffff_ffff_ffffn, textWord('inside'));
  },
});
