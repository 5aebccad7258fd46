import { deepStrictEqual, strictEqual } from 'node:assert';
import {
  call,
  type Item,
  jeq,
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
import { AT_FDCWD, connect, loopback, make, O_CREAT_WRONLY, open } from '../calls.ts';
import { group } from '../case.ts';
import { attachConfined, HELPERS, keep, OUT, observe, place, textWord } from '../programs.ts';

const [EPERM, EACCES, ECONNREFUSED, SIGKILL] = [1, 13, 111, 9];
const [O_PATH, O_WRONLY_TRUNC] = [0o10000000, 0o1001];

const FIRST: Item = ldx('dw', R6, R9, 0);
const KILL: readonly Item[] = [mov(R1, SIGKILL), call(HELPERS.send_signal)];
const deny = (errno = EPERM): readonly Item[] => [mov(R0, -errno)];

/** The first 8 bytes of a dentry's name, r7 being its address. */
const nameAt = (index: number): readonly Item[] => [
  ldxField('dw', R3, R7, 'dentry.d_name.name'),
  ...place(R1, index),
  mov(R2, 8),
  call(HELPERS.probe_read_kernel_str),
];
/** The name of the opened file, at word 0. */
const FILE_NAME: readonly Item[] = [FIRST, ldxField('dw', R7, R6, 'file.f_path.dentry'), ...nameAt(0)];
/** On only for files whose name begins like this one. */
const onlyName = (name: string): readonly Item[] => [
  ...FILE_NAME,
  ldx('w', R1, R10, -8),
  mov(R0, 0),
  jne(R1, Number(textWord(name) & 0xffff_ffffn) | 0, OUT),
];

export const fileOpenCases = group('lsm/file_open', ['hook:lsm/file_open', 'enforcement'], {
  'sees the file that is opened, through links': async (host) => {
    const path = await make(host, 'target');
    strictEqual(await host.task.call('symlinkat', ['target', AT_FDCWD, `${host.folder}/link`]), 0);
    const seen = observe(host, 'lsm/file_open', 2, [...FILE_NAME, ldxField('w', R7, R6, 'file.f_flags'), keep(1, R7)]);
    await open(host.task, `${host.folder}/link`);
    await open(host.task, path, 1);
    deepStrictEqual(
      seen.records().map(([name = 0n, flags = 0n]) => [name & 0xff_ffff_ffff_ffffn, flags & 3n]),
      [
        [textWord('target'), 0n],
        [textWord('target'), 1n],
      ],
    );
  },
  'denies with its errno, and the file is as it was': async (host) => {
    const path = await make(host, 'deny');
    const fd = await open(host.task, path, 2);
    await host.task.call('pwrite64', [fd, new TextEncoder().encode('kept'), 4, 0]);
    await host.task.call('close', [fd]);
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny(EACCES)]);
    strictEqual(await open(host.task, path, O_WRONLY_TRUNC), -EACCES);
    const other = await make(host, 'other');
    strictEqual((await open(host.task, other)) >= 0, true);
    strictEqual(await host.task.call('truncate', [path, 4]), 0);
  },
  'does not deny tasks outside of the scope': async (host) => {
    const path = await make(host, 'deny');
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny()]);
    const outsider = await host.outsider();
    strictEqual((await outsider.call('openat', [AT_FDCWD, path, 0, 0])) >= 0, true);
    strictEqual(await open(host.task, path), -EPERM);
  },
  'is not asked where nothing is opened': async (host) => {
    const path = await make(host, 'deny');
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny()]);
    strictEqual((await open(host.task, path, O_PATH)) >= 0, true);
    strictEqual(await host.task.call('access', [path, 0]), 0);
  },
  'is asked about what is executed': async (host) => {
    const seen = observe(host, 'lsm/file_open', 1, FILE_NAME);
    strictEqual(await host.task.call('execve', [host.program, ['x'], []]), 0);
    deepStrictEqual(
      seen.records().map(([name = 0n]) => name & 0xffff_ffffn),
      [textWord('suit')],
    );
  },
  'of several programs the newest is asked first, and the first refusal is the answer': async (host) => {
    const path = await make(host, 'deny');
    const older = observe(host, 'lsm/file_open', 1, onlyName('deny'), { end: deny(EPERM) });
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny(EACCES)]);
    strictEqual(await open(host.task, path), -EACCES);
    deepStrictEqual(older.records(), []);
  },
  'can deny and kill: the caller never returns': async (host) => {
    const path = await make(host, 'deny');
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...KILL, ...deny()]);
    const child = await host.task.fork();
    await child.last('openat', [AT_FDCWD, path, 0, 0]);
    strictEqual(child.alive(), false);
  },
  'a program that is replaced denies no more': async (host) => {
    const path = await make(host, 'deny');
    const { link } = attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny()]);
    strictEqual(await open(host.task, path), -EPERM);
    const allows = attachConfined(host, 'lsm/file_open', [...onlyName('deny'), mov(R0, 0)]);
    host.kernel.detach(allows.link);
    const next = host.kernel.replace(link, allows.program);
    strictEqual((await open(host.task, path)) >= 0, true);
    host.kernel.detach(next);
  },
});

const BPRM_NAME: readonly Item[] = [
  FIRST,
  ldxField('dw', R7, R6, 'linux_binprm.file'),
  ldxField('dw', R7, R7, 'file.f_path.dentry'),
  ...nameAt(0),
];

export const bprmCases = group('lsm/bprm_check_security', ['hook:lsm/bprm_check_security', 'enforcement'], {
  'denies an exec: the caller goes on as it was': async (host) => {
    const { link } = attachConfined(host, 'lsm/bprm_check_security', deny());
    strictEqual(await host.task.call('execve', [host.program, ['x'], []]), -EPERM);
    host.kernel.detach(link);
    strictEqual(await host.task.call('execve', [host.program, ['x'], []]), 0);
  },
  'sees a script and then its interpreter': async (host) => {
    const script = `${host.folder}/hello`;
    const fd = await host.task.call('openat', [AT_FDCWD, script, O_CREAT_WRONLY, 0o755]);
    const text = `#!${host.program}\n`;
    await host.task.call('pwrite64', [fd, new TextEncoder().encode(text), text.length, 0]);
    await host.task.call('close', [fd]);
    const seen = observe(host, 'lsm/bprm_check_security', 1, BPRM_NAME);
    strictEqual(await host.task.call('execve', [script, ['hello'], []]), 0);
    deepStrictEqual(
      seen.records().map(([name = 0n]) => name & 0xffff_ffffn),
      [textWord('hell'), textWord('suit')],
    );
  },
  'does not deny tasks outside of the scope': async (host) => {
    attachConfined(host, 'lsm/bprm_check_security', deny());
    const outsider = await host.outsider();
    strictEqual(await outsider.call('execve', [host.program, ['x'], []]), 0);
  },
});

export const socketConnectCases = group('lsm/socket_connect', ['hook:lsm/socket_connect', 'enforcement'], {
  "gets the kernel's copy of the address": async (host) => {
    const seen = observe(host, 'lsm/socket_connect', 3, [
      ldx('dw', R3, R9, 8),
      ...place(R1, 0),
      mov(R2, 8),
      call(HELPERS.probe_read_kernel),
      ldx('dw', R7, R9, 16),
      keep(1, R7),
      FIRST,
      ldxField('dw', R6, R6, 'socket.sk'),
      mov(R0, 0),
      jeq(R6, 0, OUT),
      ldxField('w', R7, R6, 'sock.__sk_common.skc_daddr'),
      keep(2, R7),
    ]);
    strictEqual(await connect(host, host.ports.open), 0);
    const port = host.ports.open;
    const wanted = new DataView(loopback(port).buffer).getBigUint64(0, true);
    deepStrictEqual(seen.records(), [[wanted, 16n, 0n]]);
  },
  'denies a connection': async (host) => {
    const { link } = attachConfined(host, 'lsm/socket_connect', deny());
    strictEqual(await connect(host, host.ports.open), -EPERM);
    host.kernel.detach(link);
    strictEqual(await connect(host, host.ports.open), 0);
  },
  'without a program ports answer as they do': async (host) => {
    strictEqual(await connect(host, host.ports.open), 0);
    strictEqual(await connect(host, host.ports.closed), -ECONNREFUSED);
  },
});

export const signalCases = group('send_signal', ['hook:tp_btf/sched_process_exec', 'enforcement'], {
  'at exec kills before the first instruction': async (host) => {
    attachConfined(host, 'tp_btf/sched_process_exec', [...KILL, mov(R0, 0)]);
    const child = await host.task.fork();
    await child.last('execve', [host.program, ['x'], []]);
    strictEqual(child.alive(), false);
    strictEqual(host.task.alive(), true);
  },
  'at the end of a call lets it take effect': async (host) => {
    attachConfined(host, 'tp_btf/sys_exit', [
      FIRST,
      ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
      mov(R0, 0),
      jne(R7, 83, OUT),
      ...KILL,
      mov(R0, 0),
    ]);
    const child = await host.task.fork();
    await child.last('mkdir', [`${host.folder}/made`, 0o755]);
    strictEqual(await host.task.call('access', [`${host.folder}/made`, 0]), 0);
  },
  'does not kill tasks outside of the scope': async (host) => {
    attachConfined(host, 'tp_btf/sched_process_exec', [...KILL, mov(R0, 0)]);
    const outsider = await host.outsider();
    strictEqual(await outsider.call('execve', [host.program, ['x'], []]), 0);
  },
});
