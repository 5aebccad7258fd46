import { expect, it } from 'vitest';
import { index } from '../support/loaded-object.ts';
import { pack, unpack } from '../support/pack.ts';
import { inSimulation } from '../support/places.ts';
import type { SimulatedObject } from '../support/simulated-object.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const [SYS_close, SYS_dup, SYS_socket, SYS_sendto, SYS_openat] = [3, 32, 41, 44, 257];
const USER = 0x7f00_0000_0000n;

/** Runs a program of tp_btf/sys_exit for a call that returns. */
function sysExit(
  object: SimulatedObject,
  program: string,
  number: number,
  result: number,
  registers: Readonly<Record<string, number | bigint>> = {},
) {
  const regs = object.structs.make('pt_regs', { orig_ax: number, ax: result, ...registers });
  return object.run(program, { context: pack('u64 s64', regs, result) });
}

/** A chain of processes, the last one's parent first; the first one's parent is itself, as pid 0's is. */
function family(object: SimulatedObject, ...pids: readonly number[]): bigint {
  let task = object.structs.make('task_struct', { pid: 0, tgid: 0 });
  object.structs.set(task, 'task_struct', { real_parent: task });
  for (const pid of pids)
    task = object.structs.make('task_struct', { pid, tgid: pid, real_parent: task, comm: `p${pid}` });
  return task;
}

inSimulation((load) => {
  it('exec_snoop: pid, parent, uid, name and arguments', () => {
    const object = load('exec_snoop');
    const { structs, surroundings } = object;
    const args = bytes('curl\0-s\0http://203.0.113.9/x\0');
    surroundings.user.set(USER, args);
    surroundings.comm = 'curl';
    const exec = (start: bigint, length: number) => {
      const mm = structs.make('mm_struct', { arg_start: start, arg_end: start + BigInt(length) });
      const cred = structs.make('cred', { 'uid.val': 1000, 'euid.val': 0 });
      const parent = structs.make('task_struct', { tgid: 41 });
      const task = structs.make('task_struct', { tgid: 42, pid: 43, real_parent: parent, cred, mm });
      const bprm = structs.make('linux_binprm', { argc: 3, filename: structs.text('/usr/bin/curl') });
      object.run('exec_snoop', { context: pack('u64 s64 u64', task, 43, bprm) });
    };
    exec(USER, args.length);
    exec(USER, 300);
    exec(USER + 4000n, 300);
    const [first, second, third] = object.records('records');
    const format = 'u32 u32 u32 u32 c16 c64 u32 u32';
    const facts = [42, 41, 1000, 3, 'curl', '/usr/bin/curl'];
    expect(unpack(format, first!)).toEqual([...facts, args.length, 0]);
    expect([...first!.subarray(104, 104 + args.length)]).toEqual([...args]);
    expect(unpack(format, second!)).toEqual([...facts, 256, 1]);
    // The next page isn't there
    expect(unpack(format, third!)).toEqual([...facts, 0, 1]);
    object.close();
  });

  it('open_snoop: paths of opens, all or failed ones only', () => {
    for (const only_failures of [0, 1]) {
      const object = load('open_snoop', { only_failures });
      object.surroundings.user.set(USER, bytes('/etc/passwd\0'));
      object.surroundings.user.set(USER + 0x1000n, bytes('/root/.ssh/id_rsa\0'));
      sysExit(object, 'open_snoop', SYS_openat, 3, { di: -100, si: USER, dx: 0o2000000 });
      sysExit(object, 'open_snoop', 2, -13, { di: USER + 0x1000n, si: 1 });
      sysExit(object, 'open_snoop', SYS_openat, -14, { di: -100, si: 0x1234, dx: 2 });
      sysExit(object, 'open_snoop', SYS_close, 0, { di: 3 });
      const failed = [
        [100, -13, 1, 18, '/root/.ssh/id_rsa'],
        [100, -14, 2, -14, ''],
      ];
      expect(object.records('records').map((record) => unpack('u32 s32 u32 s32 c128', record))).toEqual(
        only_failures ? failed : [[100, 3, 0o2000000, 12, '/etc/passwd'], ...failed],
      );
      object.close();
    }
  });

  it('open_counts: by process', () => {
    const object = load('open_counts');
    for (const [tgid, result] of [
      [7, 3],
      [7, -2],
      [8, -13],
      [7, 4],
      [8, -13],
    ] as const) {
      object.surroundings.tgid = tgid;
      sysExit(object, 'open_counts', SYS_openat, result);
      sysExit(object, 'open_counts', SYS_close, 0);
    }
    const counts = (pid: number) => object.lookupPerCpu('opens', index(pid))!.map((value) => unpack('u64 u64', value));
    expect(counts(7)).toEqual([[2n, 1n]]);
    expect(counts(8)).toEqual([[0n, 2n]]);
    expect(object.keys('opens')).toHaveLength(2);
    object.close();
  });

  it('process_tree: three ways to walk find the same ancestors', () => {
    const object = load('process_tree');
    const programs = ['with_bounded_loop', 'with_bpf_loop', 'with_iterator'];
    const walk = (...pids: readonly number[]) => {
      const context = pack('u64 u64 u64', family(object, ...pids), 0, 0);
      return programs.map((program, row) => {
        object.run(program, { context });
        const [depth, ...found] = unpack(`u32${' u32'.repeat(16)}`, object.lookup('ancestries', index(row))!);
        return found.slice(0, Number(depth));
      });
    };
    const three = <T>(one: T): T[] => [one, one, one];
    expect(walk(1, 20, 300, 4000)).toEqual(three([300, 20, 1]));
    expect(walk(1)).toEqual(three([]));
    const many = Array.from({ length: 20 }, (_, i) => i + 1);
    expect(walk(...many)).toEqual(three(many.slice(3, 19).reverse()));
    object.close();
  });

  it('dentry_path: from the descriptor to the path, over a mount', () => {
    const object = load('dentry_path');
    const { structs } = object;
    const dentry = (name: string, parent?: bigint): bigint => {
      const at = structs.make('dentry', { 'd_name.name': structs.text(name), 'd_name.len': name.length });
      structs.set(at, 'dentry', { d_parent: parent ?? at });
      return at;
    };
    const mount = (root: bigint, above?: bigint, mountpoint = 0n): bigint => {
      const at = structs.make('mount', { 'mnt.mnt_root': root, mnt_mountpoint: mountpoint });
      structs.set(at, 'mount', { mnt_parent: above ?? at });
      return at;
    };
    const root = dentry('/');
    const home = dentry('home', root);
    const rootMount = mount(root);
    const disk = dentry('/');
    const diskMount = mount(disk, rootMount, home);
    const deep = Array.from({ length: 30 }, (_, i) => `d${i}`).reduce((parent, name) => dentry(name, parent), disk);
    const file = (at: bigint, where: bigint) =>
      structs.make('file', {
        'f_path.dentry': at,
        'f_path.mnt': structs.member(where, 'mount', 'mnt'),
      });
    const files = [
      file(dentry('id_rsa', dentry('.ssh', dentry('alice', disk))), diskMount),
      file(dentry('passwd', dentry('etc', root)), rootMount),
      file(disk, diskMount),
      file(deep, diskMount),
      file(dentry('x'.repeat(64), root), rootMount),
    ];
    const fdt = structs.make('fdtable', { max_fds: files.length, fd: structs.words(...files) });
    const task = structs.make('task_struct', { files: structs.make('files_struct', { fdt }) });
    object.surroundings.task = task;
    for (const fd of [...files.keys(), 99, -2]) sysExit(object, 'dentry_path', SYS_openat, fd);
    expect(object.records('records').map((record) => new TextDecoder().decode(record))).toEqual([
      '/home/alice/.ssh/id_rsa',
      '/etc/passwd',
      '/home',
      // The last 24 components; the walk ends there
      Array.from({ length: 24 }, (_, i) => `/d${i + 6}`).join(''),
      // A name beyond the longest ends the walk at once
      '',
    ]);
    object.close();
  });

  it('bloom_prefilter: only what may be wanted is looked up', () => {
    const object = load('bloom_prefilter');
    const name = (path: string) => pack('c32', path);
    for (const path of ['/usr/bin/nc', '/usr/bin/nmap']) {
      object.update('maybe', undefined, name(path));
      object.update('wanted', name(path), index(0));
    }
    // In the filter, but in no list
    object.update('maybe', undefined, name('/usr/bin/socat'));
    const run = (path: string) => {
      const bprm = object.structs.make('linux_binprm', { filename: object.structs.text(path) });
      object.run('bloom_prefilter', { context: pack('u64 u64 u64', family(object, 1), 0, bprm) });
    };
    for (const path of ['/usr/bin/nc', '/usr/bin/ls', '/usr/bin/nc', '/usr/bin/socat', '/bin/sh']) run(path);
    expect(object.number('seen')).toBe(5n);
    expect(object.number('found')).toBe(2n);
    expect(object.number('passed')).toBe(3n);
    expect(unpack('u32', object.lookup('wanted', name('/usr/bin/nc'))!)).toEqual([2]);
    expect(unpack('u32', object.lookup('wanted', name('/usr/bin/nmap'))!)).toEqual([0]);
    object.close();
  });

  it('ring_discard: discards what is not wanted, counts what finds no room', () => {
    const object = load('ring_discard', { wanted: SYS_openat });
    sysExit(object, 'ring_discard', SYS_close, 0, { di: 5 });
    sysExit(object, 'ring_discard', SYS_openat, 3, { di: 1, si: 2, dx: 3, r10: 4, r8: 5, r9: 6 });
    const format = 'u64 u32 u32 u64 u64 u64 u64 u64 u64';
    expect(object.records('records').map((record) => unpack(format, record))).toEqual([
      [1n, 100, SYS_openat, 1n, 2n, 3n, 4n, 5n, 6n],
    ]);
    expect(object.number('discarded')).toBe(1n);
    // A record takes 72 bytes of the 4,096, of which one stays free
    for (let i = 0; i < 60; i++) sysExit(object, 'ring_discard', SYS_openat, 3);
    expect(object.records('records')).toHaveLength(56);
    expect(object.number('lost')).toBe(4n);
    expect(object.number('sequence')).toBe(58n);
    object.close();
  });

  it('syscall_table: actions by number, and by argument where the table says so', () => {
    const object = load('syscall_table');
    const enter = (number: bigint, di = 0n) => {
      const regs = object.structs.make('pt_regs', { di });
      object.run('syscall_table', { context: pack('u64 u64', regs, number) });
    };
    enter(1n);
    enter(0n);
    enter(101n);
    enter(165n, 99n);
    enter(41n, 2n);
    enter(41n, 17n);
    enter(56n, 0x11n);
    enter(56n, 0x1000_0000n);
    enter(0x4000_0001n);
    enter(600n);
    const count = (action: number) =>
      object.lookupPerCpu('counts', index(action))!.map((value) => unpack('u64', value)[0]);
    expect([0, 1, 2, 3, 4].map((action) => count(action)[0])).toEqual([4n, 2n, 0n, 0n, 4n]);
    expect(object.records('refusals').map((record) => unpack('u32 u32 u64', record))).toEqual([
      [100, 165, 99n],
      [100, 41, 17n],
      [100, 56, 0x1000_0000n],
      [100, 0x4000_0001, 0n],
    ]);
    object.close();
  });

  it('task_state: a sequence of calls by one task, whatever others do between', () => {
    const object = load('task_state');
    const { surroundings, structs } = object;
    surroundings.user.set(USER, bytes('/etc/shadow\0'));
    surroundings.user.set(USER + 0x1000n, bytes('/etc/shadows\0'));
    const [one, other] = [structs.make('task_struct', { pid: 5 }), structs.make('task_struct', { pid: 6 })];
    const call = (task: bigint, number: number, registers: Readonly<Record<string, bigint>> = {}, result = 3) => {
      surroundings.task = task;
      surroundings.tgid = task === one ? 5 : 6;
      surroundings.now += 1000n;
      sysExit(object, 'task_state', number, result, registers);
    };
    call(other, SYS_socket);
    call(one, SYS_openat, { si: USER + 0x1000n });
    call(one, SYS_openat, { si: USER }, -13);
    call(one, SYS_openat, { si: USER });
    call(other, SYS_sendto);
    call(one, SYS_sendto);
    call(one, SYS_socket);
    call(other, SYS_openat, { si: USER });
    call(one, SYS_sendto);
    const findings = object.records('findings').map((record) => unpack('u32 u32 u64', record));
    expect(findings).toEqual([[5, 4, 5000n]]);
    // The next call ends what is known of the task; then it begins again
    call(one, SYS_socket);
    call(one, SYS_openat, { si: USER });
    call(one, SYS_socket);
    call(one, SYS_sendto);
    call(other, SYS_sendto);
    expect(object.records('findings').map((record) => unpack('u32 u32 u64', record))).toEqual([[5, 3, 2000n]]);
    object.close();
  });

  it('fd_tracker: open descriptors through fork and exit', () => {
    const object = load('fd_tracker');
    const { surroundings, structs } = object;
    const watched = (pid: number) => {
      const value = object.lookup('watched', index(pid));
      return value && unpack('u64 u32 u32', value);
    };
    const call = (pid: number, number: number, result: number, di = 0) => {
      surroundings.tgid = pid;
      sysExit(object, 'on_sys_exit', number, result, { di });
    };
    const task = (pid: number, tgid = pid) => structs.make('task_struct', { pid, tgid });
    object.update('watched', index(10), pack('u64 u32 u32', 0b111, 0, 0));
    call(10, SYS_openat, 3);
    call(10, SYS_dup, 5);
    call(10, SYS_openat, -2);
    call(10, SYS_close, 0, 1);
    call(10, SYS_openat, 100);
    call(11, SYS_openat, 3);
    expect(watched(10)).toEqual([0b101101n, 3, 0]);
    object.run('on_fork', { context: pack('u64 u64', task(10), task(20)) });
    object.run('on_fork', { context: pack('u64 u64', task(10), task(12, 10)) });
    object.run('on_fork', { context: pack('u64 u64', task(11), task(21)) });
    expect(watched(20)).toEqual([0b101101n, 0, 10]);
    expect(object.keys('watched')).toHaveLength(2);
    object.run('on_exit', { context: pack('u64 u64', task(12, 10), 0) });
    object.run('on_exit', { context: pack('u64 u64', task(10), 1) });
    object.run('on_exit', { context: pack('u64 u64', task(99), 1) });
    expect(watched(10)).toBeUndefined();
    expect(object.number('most')).toBe(5n);
    expect(object.number('ended')).toBe(1n);
    object.close();
  });

  it('work_queue: the queue loses its oldest, the stack refuses its newest', () => {
    const object = load('work_queue');
    const task = (tgid: number) => object.structs.make('task_struct', { tgid });
    const fork = (child: number) => object.run('on_fork', { context: pack('u64 u64', task(1), task(child)) });
    const exit = () => object.run('on_exit', { context: pack('u64 u64', task(0), 0) });
    for (const child of [11, 12, 13, 14, 15, 16]) fork(child);
    for (let i = 0; i < 6; i++) exit();
    expect(object.records('pairs').map((record) => unpack('u32 u32 u32 u32 s32', record))).toEqual([
      [1, 13, 1, 14, 14],
      [1, 14, 1, 13, 15],
      [1, 15, 1, 12, 16],
      [1, 16, 1, 11, -1],
    ]);
    object.close();
  });

  it('signal_snoop: who sends what to whom', () => {
    const object = load('signal_snoop');
    const send = (signal: number, pid: number, result = 0) =>
      object.run('signal_snoop', {
        context: pack('x8 s32 s32 s32 c16 s32 s32 s32', signal, 0, 0, 'target', pid, 1, result),
      });
    send(9, 50);
    send(9, 50);
    send(15, 50);
    send(9, 51, 1);
    object.surroundings.tgid = 200;
    send(15, 50);
    const count = (from: number, to: number, signal: number) => {
      const value = object.lookup('signals', pack('u32 u32 u32', from, to, signal));
      return value && unpack('u32', value)[0];
    };
    expect([count(100, 50, 9), count(100, 50, 15), count(100, 51, 9), count(200, 50, 15)]).toEqual([
      2,
      1,
      undefined,
      1,
    ]);
    expect(object.number('kills')).toBe(3n);
    object.close();
  });

  it('tcp_connect: entry and return of one thread belong together', () => {
    const object = load('tcp_connect');
    const { structs, surroundings } = object;
    const sock = structs.make('sock', {
      '__sk_common.skc_daddr': 0x0971_00cb,
      '__sk_common.skc_rcv_saddr': 0x0100_000a,
      '__sk_common.skc_dport': 0xbb01,
      '__sk_common.skc_family': 2,
    });
    const registers = (members: Readonly<Record<string, number | bigint>>) => {
      const at = Number(structs.make('pt_regs', members) & 0xffff_ffffn);
      const memory = object.memory.bytes.slice(at, at + 168);
      return { context: memory };
    };
    surroundings.comm = 'curl';
    surroundings.pid = 1;
    object.run('connect_entry', registers({ di: sock }));
    surroundings.pid = 2;
    object.run('connect_return', registers({ ax: 0 }));
    surroundings.pid = 1;
    object.run('connect_return', registers({ ax: BigInt.asUintN(64, -115n) }));
    object.run('connect_return', registers({ ax: 0 }));
    expect(object.records('records').map((record) => unpack('u32 s32 u32 u32 u16 u16 c16', record))).toEqual([
      [100, -115, 0x0100_000a, 0x0971_00cb, 443, 2, 'curl'],
    ]);
    expect(object.keys('pending')).toHaveLength(0);
    object.close();
  });

  it('tcp_connect_fentry: arguments at entry, the result at exit', () => {
    const object = load('tcp_connect_fentry');
    const { structs } = object;
    const address = (family: number, to: number) => {
      const at = structs.make('sockaddr', { sa_family: family });
      object.memory.view.setUint32(Number(at & 0xffff_ffffn) + 4, to, true);
      return at;
    };
    const sock = structs.make('sock', { '__sk_common.skc_family': 2 });
    const begin = (at: bigint) => object.run('connect_begins', { context: pack('u64 u64 s64', sock, at, 16) });
    begin(address(2, 0x0100_000a));
    begin(address(2, 0x0100_000a));
    begin(address(2, 0x0200_000a));
    begin(address(10, 0x0300_000a));
    begin(0x1234n);
    const count = (to: number) => {
      const value = object.lookup('attempts', pack('u32 u32', 100, to));
      return value && unpack('u64', value)[0];
    };
    expect([count(0x0100_000a), count(0x0200_000a), count(0x0300_000a)]).toEqual([2n, 1n, undefined]);
    const end = (result: number) =>
      object.run('connect_ends', { context: pack('u64 u64 s64 s64', sock, 0, 16, result) });
    for (const result of [0, -111, -115]) end(result);
    expect(object.number('failures')).toBe(2n);
    object.close();
  });

  it('readline_snoop: lines of bash only', () => {
    const object = load('readline_snoop');
    const { surroundings, structs } = object;
    surroundings.user.set(USER, bytes('cat /etc/shadow\0'));
    surroundings.user.set(USER + 0x1000n, bytes('\0'));
    const run = (ax: bigint) => {
      const at = Number(structs.make('pt_regs', { ax }) & 0xffff_ffffn);
      object.run('readline_snoop', { context: object.memory.bytes.slice(at, at + 168) });
    };
    for (const comm of ['bash', 'bashful', 'sh']) {
      surroundings.comm = comm;
      for (const line of [USER, USER + 0x1000n, 0n, 0x10n]) run(line);
    }
    expect(object.records('records').map((record) => unpack('u32 u32 s32 c16 c80', record))).toEqual([
      [100, 1000, 16, 'bash', 'cat /etc/shadow'],
    ]);
    object.close();
  });
});
