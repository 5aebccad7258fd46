import { deepStrictEqual, strictEqual } from 'node:assert';
import {
  call,
  type Item,
  jeq,
  jne,
  label,
  ldx,
  ldxField,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R9,
  R10,
  stx,
} from '../../../../engine/isa/index.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { attachConfined, HELPERS, keep, OUT, observe, place, textWord } from '../programs.ts';

const [EPERM, EACCES, ECONNREFUSED, SIGKILL] = [1, 13, 111, 9];
const [AT_FDCWD, O_CREAT_WRONLY, O_PATH, O_WRONLY_TRUNC] = [-100, 0o101, 0o10000000, 0o1001];
const [AF_INET, SOCK_STREAM] = [2, 1];

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

const open = (host: Host, path: string, flags = 0) => host.task.call('openat', [AT_FDCWD, path, flags, 0o644]);
const make = async (host: Host, name: string): Promise<string> => {
  const path = `${host.folder}/${name}`;
  const fd = await open(host, path, O_CREAT_WRONLY);
  strictEqual(await host.task.call('close', [fd]), 0);
  return path;
};

export const fileOpenCases = group('lsm/file_open', ['hook:lsm/file_open', 'enforcement'], {
  'sees the file that is opened, through links': async (host) => {
    const path = await make(host, 'target');
    strictEqual(await host.task.call('symlinkat', ['target', AT_FDCWD, `${host.folder}/link`]), 0);
    const seen = observe(host, 'lsm/file_open', 2, [...FILE_NAME, ldxField('w', R7, R6, 'file.f_flags'), keep(1, R7)]);
    await open(host, `${host.folder}/link`);
    await open(host, path, 1);
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
    const fd = await open(host, path, 2);
    await host.task.call('pwrite64', [fd, new TextEncoder().encode('kept'), 4, 0]);
    await host.task.call('close', [fd]);
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny(EACCES)]);
    strictEqual(await open(host, path, O_WRONLY_TRUNC), -EACCES);
    const other = await make(host, 'other');
    strictEqual((await open(host, other)) >= 0, true);
    strictEqual(await host.task.call('truncate', [path, 4]), 0);
  },
  'does not deny tasks outside of the scope': async (host) => {
    const path = await make(host, 'deny');
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny()]);
    const outsider = await host.outsider();
    strictEqual((await outsider.call('openat', [AT_FDCWD, path, 0, 0])) >= 0, true);
    strictEqual(await open(host, path), -EPERM);
  },
  'is not asked where nothing is opened': async (host) => {
    const path = await make(host, 'deny');
    attachConfined(host, 'lsm/file_open', [...onlyName('deny'), ...deny()]);
    strictEqual((await open(host, path, O_PATH)) >= 0, true);
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
    strictEqual(await open(host, path), -EACCES);
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
    strictEqual(await open(host, path), -EPERM);
    const allows = attachConfined(host, 'lsm/file_open', [...onlyName('deny'), mov(R0, 0)]);
    host.kernel.detach(allows.link);
    const next = host.kernel.replace(link, allows.program);
    strictEqual((await open(host, path)) >= 0, true);
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

const address = (port: number): Uint8Array =>
  Uint8Array.from([AF_INET, 0, port >> 8, port & 0xff, 127, 0, 0, 1, ...new Uint8Array(8)]);
const connect = async (host: Host, port: number, task = host.task): Promise<number> => {
  const fd = await task.call('socket', [AF_INET, SOCK_STREAM, 0]);
  strictEqual(fd >= 0, true);
  const result = await task.call('connect', [fd, address(port), 16]);
  await task.call('close', [fd]);
  return result;
};

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
    const wanted = new DataView(address(port).buffer).getBigUint64(0, true);
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

const CONNECT4 = 'cgroup/connect4';
const [USER_IP4, USER_PORT] = [4, 24];
const LOOPBACK = 0x0100_007fn;
/** A port as the program sees it: 16 bits in network order. */
const swapped = (port: number): number => ((port & 0xff) << 8) | (port >> 8);

const connecting = (index: number, offset: number): readonly Item[] => [ldx('w', R7, R9, offset), keep(index, R7)];

export const connect4Cases = group(CONNECT4, [`hook:${CONNECT4}`], {
  'sees where a connection goes': async (host) => {
    const seen = observe(
      host,
      CONNECT4,
      3,
      [...connecting(0, USER_IP4), ...connecting(1, USER_PORT), ...connecting(2, 32)],
      { allow: 1 },
    );
    strictEqual(await connect(host, host.ports.open), 0);
    deepStrictEqual(seen.records(), [[LOOPBACK, BigInt(swapped(host.ports.open)), BigInt(SOCK_STREAM)]]);
  },
  'is not asked by tasks in other cgroups': async (host) => {
    const seen = observe(host, CONNECT4, 1, connecting(0, USER_PORT), { allow: 1 });
    const outsider = await host.outsider();
    strictEqual(await connect(host, host.ports.open, outsider), 0);
    deepStrictEqual(seen.records(), []);
  },
  'refuses with 0': [
    ['enforcement'],
    async (host) => {
      const { link } = attachConfined(host, CONNECT4, [mov(R0, 0)], { allow: 1 });
      strictEqual(await connect(host, host.ports.open), -EPERM);
      host.kernel.detach(link);
      strictEqual(await connect(host, host.ports.open), 0);
    },
  ],
  'sends a connection elsewhere': [
    ['enforcement'],
    async (host) => {
      const { open: there, closed } = host.ports;
      strictEqual(await connect(host, closed), -ECONNREFUSED);
      const config = host.createMap({
        name: 'ports',
        type: 'array',
        keySize: 4,
        valueSize: 8,
        maxEntries: 1,
        contents: [[new Uint8Array(4), new Uint8Array(Uint32Array.of(swapped(closed), swapped(there)).buffer)]],
      });
      attachConfined(
        host,
        CONNECT4,
        [
          loadMapValue(R6, 'ports', 0),
          ldx('w', R7, R9, USER_PORT),
          ldx('w', R1, R6, 0),
          jne(R7, R1, 'out of it'),
          ldx('w', R1, R6, 4),
          stx('w', R9, USER_PORT, R1),
          label('out of it'),
          mov(R0, 1),
        ],
        { allow: 1, maps: [config] },
      );
      strictEqual(await connect(host, closed), 0);
    },
  ],
  'replace: an attached program is exchanged at once': async (host) => {
    const first = observe(host, CONNECT4, 1, [mov(R7, 1), keep(0, R7)], { allow: 1 });
    const second = observe(host, CONNECT4, 1, [mov(R7, 2), keep(0, R7)], { allow: 1 });
    host.kernel.detach(second.link);
    const link = host.kernel.replace(first.link, second.program);
    strictEqual(await connect(host, host.ports.open), 0);
    deepStrictEqual([first.records(), second.records()], [[], [[2n]]]);
    host.kernel.detach(link);
    strictEqual(await connect(host, host.ports.open), 0);
    deepStrictEqual(second.records(), []);
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
