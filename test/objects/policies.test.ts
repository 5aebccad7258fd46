import { expect, it } from 'vitest';
import { index } from '../support/loaded-object.ts';
import { pack, text, unpack } from '../support/pack.ts';
import { address4 } from '../support/packets.ts';
import { inSimulation } from '../support/places.ts';
import type { SimulatedObject } from '../support/simulated-object.ts';

const EPERM = 1;
const [ALLOW, DENY] = [1, 0];

/** An opened file, or the file of an executable. */
function file(object: SimulatedObject, members: Readonly<Record<string, number>>, device = 0): bigint {
  const i_sb = object.structs.make('super_block', { s_dev: device });
  return object.structs.make('file', { f_inode: object.structs.make('inode', { i_sb, ...members }) });
}

inSimulation((load) => {
  it('connect_firewall: the longest prefix decides, open ports are exceptions, one address is redirected', () => {
    const proxy = 0x0f00_000a;
    const object = load('connect_firewall', { metadata_proxy: proxy });
    const mapped = (address: string) => new Uint8Array([...new Uint8Array(10), 255, 255, ...address4(address)]);
    const rule = (bits: number, address: Uint8Array, verdict: number) =>
      object.update('rules', pack('u32 c16', bits, address), pack('u32 u32', verdict, 0));
    const hits = (bits: number, address: Uint8Array) =>
      unpack('x4 u32', object.lookup('rules', pack('u32 c16', bits, address))!)[0];
    rule(96 + 8, mapped('10.0.0.0'), DENY);
    rule(96 + 24, mapped('10.1.2.0'), ALLOW);
    rule(128, mapped('10.1.2.3'), DENY);
    rule(16, pack('c16', Uint8Array.of(0x20, 0x01)), DENY);
    object.update('open_ports', pack('u16', 443), Uint8Array.of(1));

    const connect4 = (address: string, port: number) => {
      const context = pack('u32 c4 x16 be16 x2 u32 u32 u32 x32', 2, address4(address), port, 2, 1, 6);
      const run = object.run('connect4', { context });
      return { verdict: run.result, to: unpack('x4 u32 x16 be16', run.context) };
    };
    const address = (text: string) => unpack('u32', address4(text))[0];
    expect(connect4('10.9.9.9', 80)).toEqual({ verdict: DENY, to: [address('10.9.9.9'), 80] });
    expect(connect4('10.9.9.9', 443).verdict).toBe(ALLOW);
    expect(connect4('10.1.2.9', 80).verdict).toBe(ALLOW);
    expect(connect4('10.1.2.3', 80).verdict).toBe(DENY);
    expect(connect4('192.0.2.1', 80).verdict).toBe(ALLOW);
    expect(connect4('169.254.169.254', 80)).toEqual({ verdict: ALLOW, to: [proxy, 8080] });

    const connect6 = (bytes: Uint8Array, port: number) =>
      object.run('connect6', { context: pack('u32 x4 c16 be16 x2 u32 u32 u32 x32', 10, bytes, port, 10, 1, 6) }).result;
    expect(connect6(pack('c16', Uint8Array.of(0x20, 0x01, 0x0d, 0xb8)), 22)).toBe(DENY);
    expect(connect6(pack('c16', Uint8Array.of(0x20, 0x01, 0x0d, 0xb8)), 443)).toBe(ALLOW);
    expect(connect6(pack('c16', Uint8Array.of(0x20, 0x02)), 22)).toBe(ALLOW);
    // An IPv4 address over an IPv6 socket is the same rule
    expect(connect6(mapped('10.1.2.3'), 22)).toBe(DENY);
    expect(hits(128, mapped('10.1.2.3'))).toBe(2);
    expect(hits(96 + 8, mapped('10.0.0.0'))).toBe(2);
    object.close();
  });

  it('sock_create: no raw sockets, families by mask, the others get a mark', () => {
    const object = load('sock_create', { mark: 0xbeef });
    const create = (family: number, type: number) => {
      const run = object.run('sock_create', { context: pack('x4 u32 u32 u32 x64', family, type, 0) });
      return [run.result, ...unpack('x16 u32', run.context)];
    };
    expect(create(2, 1)).toEqual([1, 0xbeef]);
    expect(create(1, 2)).toEqual([1, 0xbeef]);
    expect(create(2, 3)).toEqual([0, 0]);
    expect(create(17, 2)).toEqual([0, 0]);
    expect(create(64, 2)).toEqual([0, 0]);
    expect(unpack('u64 u64', object.variable('refused'))).toEqual([1n, 2n]);
    object.close();
  });

  it('sockopt_guard: no marks, no large buffers, the rest as it is', () => {
    const object = load('sockopt_guard', { most_buffer: 4096 });
    const set = (level: number, name: number, value: Uint8Array) => {
      const context = pack('x24 s32 s32 s32 s32', level, name, value.length, 0);
      const run = object.run('sockopt_guard', { context, packet: value });
      return [run.result, ...unpack('x32 s32', run.context), ...(value.length >= 4 ? unpack('u32', run.packet) : [])];
    };
    const [SOL_SOCKET, SOL_TCP, SO_RCVBUF, SO_MARK] = [1, 6, 8, 36];
    expect(set(SOL_SOCKET, SO_RCVBUF, index(1000))).toEqual([ALLOW, 4, 1000]);
    expect(set(SOL_SOCKET, SO_RCVBUF, index(100_000))).toEqual([ALLOW, 4, 4096]);
    expect(set(SOL_SOCKET, SO_RCVBUF, Uint8Array.of(1, 2))[0]).toBe(DENY);
    expect(set(SOL_SOCKET, SO_MARK, index(0))).toEqual([DENY, 4, 0]);
    expect(set(SOL_TCP, 1, index(1))).toEqual([ALLOW, 0, 1]);
    expect([object.number('refused'), object.number('lowered')]).toEqual([2n, 1n]);
    object.close();
  });

  it('user_ports: each user has a map of ports', () => {
    const object = load('user_ports');
    object.update('web', pack('u16', 80), Uint8Array.of(1));
    object.update('mail', pack('u16', 25), Uint8Array.of(1));
    const bind = (uid: number, port: number) => {
      object.surroundings.uid = uid;
      const context = pack('u32 u32 x16 be16 x2 u32 u32 u32 x32', 2, 0, port, 2, 1, 6);
      return object.run('user_ports', { context }).result;
    };
    expect([bind(33, 80), bind(33, 25), bind(33, 8080)]).toEqual([ALLOW, DENY, DENY]);
    expect([bind(8, 80), bind(8, 25)]).toEqual([DENY, ALLOW]);
    expect([bind(1000, 80), bind(1000, 0), bind(1000, 1024)]).toEqual([DENY, ALLOW, ALLOW]);
    object.close();
  });

  it.each([
    // kind, major, minor, access, allowed
    ['c', 1, 3, 'rw', 1],
    ['c', 1, 9, 'r', 1],
    ['c', 1, 9, 'w', 0],
    ['c', 136, 7, 'rw', 1],
    ['c', 136, 7, 'm', 1],
    ['b', 8, 0, 'm', 1],
    ['b', 8, 0, 'r', 0],
    ['c', 10, 200, 'rw', 0],
    ['c', 1, 1, 'r', 0],
  ] as const)('device_policy: %s %i:%i %s is %i', (kind, major, minor, access, allowed) => {
    const object = load('device_policy');
    const bits = { m: 1, r: 2, w: 4 } as const;
    const wanted = [...access].reduce((sum, letter) => sum | bits[letter as keyof typeof bits], 0);
    const type = (kind === 'b' ? 1 : 2) | (wanted << 16);
    expect(object.run('device_policy', { context: pack('u32 u32 u32', type, major, minor) }).result).toBe(allowed);
    expect(object.number('denied')).toBe(BigInt(1 - allowed));
    object.close();
  });

  it('lsm_file_open: device and inode decide, not the name', () => {
    const object = load('lsm_file_open');
    const id = (inode: number, device: number) => pack('u64 u64', inode, device);
    object.update('protected', id(77, 8), pack('u32 u32', 0, 0));
    object.update('protected', id(78, 8), pack('u32 u32', 1000, 0));
    const open = (inode: number, device: number, before = 0) =>
      object.run('file_open', { context: pack('u64 s64', file(object, { i_ino: inode }, device), before) }).result;
    expect(open(77, 8)).toBe(-EPERM);
    expect(open(77, 9)).toBe(0);
    expect(open(78, 8)).toBe(0);
    expect(open(79, 8)).toBe(0);
    expect(open(79, 8, -13)).toBe(-13);
    object.surroundings.uid = 0;
    expect(open(77, 8)).toBe(0);
    expect(open(78, 8)).toBe(-EPERM);
    expect(unpack('u32 u32', object.lookup('protected', id(77, 8))!)).toEqual([0, 1]);
    object.close();
  });

  it('lsm_exec: nothing from /tmp and the like, nothing set-uid', () => {
    const object = load('lsm_exec');
    const { structs } = object;
    const exec = (path: string, mode = 0o100755, before = 0) => {
      const bprm = structs.make('linux_binprm', { file: file(object, { i_mode: mode }), filename: structs.text(path) });
      return object.run('check_exec', { context: pack('u64 s64', bprm, before) }).result;
    };
    expect(exec('/usr/bin/ls')).toBe(0);
    expect(exec('/tmp/x')).toBe(-EPERM);
    expect(exec('/tmpx')).toBe(0);
    expect(exec('/var/tmp/.hidden/miner')).toBe(-EPERM);
    expect(exec('memfd:payload')).toBe(-EPERM);
    expect(exec('/usr/bin/sudo', 0o104755)).toBe(-EPERM);
    expect(exec('/dev/shm')).toBe(0);
    expect(exec('/tmp/x', 0o100755, -2)).toBe(-2);
    expect(object.records('denials').map((record) => unpack('u32 u32 c64', record))).toEqual([
      [100, 1, '/tmp/x'],
      [100, 2, '/var/tmp/.hidden/miner'],
      [100, 4, 'memfd:payload'],
      [100, 100, '/usr/bin/sudo'],
    ]);
    object.close();
  });

  it('lsm_connect: ports for root and for everybody', () => {
    const object = load('lsm_connect');
    object.update('denied_ports', index(4444), Uint8Array.of(2));
    object.update('denied_ports', index(22), Uint8Array.of(1));
    const connect = (port: number, family = 2, length = 16) => {
      const address = object.structs.make('sockaddr', { sa_family: family });
      object.memory.view.setUint16(Number(address & 0xffff_ffffn) + 2, port);
      return object.run('check_connect', { context: pack('u64 u64 s64 s64', 0, address, length, 0) }).result;
    };
    expect([connect(4444), connect(22), connect(80)]).toEqual([-EPERM, 0, 0]);
    expect([connect(4444, 10), connect(4444, 1), connect(4444, 2, 4)]).toEqual([-EPERM, 0, 0]);
    object.surroundings.uid = 0;
    expect(connect(22)).toBe(-EPERM);
    object.close();
  });

  it('lsm_ptrace: only descendants', () => {
    const object = load('lsm_ptrace');
    const { structs, surroundings } = object;
    let task = structs.make('task_struct', { tgid: 1 });
    structs.set(task, 'task_struct', { real_parent: task });
    for (const tgid of [10, 20, 30]) task = structs.make('task_struct', { tgid, real_parent: task });
    const attach = (tracer: number, mode = 2, before = 0) => {
      surroundings.tgid = tracer;
      return object.run('check_ptrace', { context: pack('u64 u64 s64', task, mode, before) }).result;
    };
    expect([attach(20), attach(10), attach(99), attach(30)]).toEqual([0, 0, -EPERM, -EPERM]);
    expect(attach(99, 1)).toBe(0);
    expect(attach(20, 2, -13)).toBe(-13);
    expect(object.number('denied')).toBe(2n);
    object.close();
  });

  it("module_guard: modules from one device only; ids are the kernel's own", () => {
    const object = load('module_guard', { trusted_device: 0x800001 });
    // types.c has READING_MODULE = 3 and LOADING_MODULE = 3, the program's header 2
    const read = (id: number, device: number) =>
      object.run('read_file', { context: pack('u64 u64 u64 s64', file(object, {}, device), id, 1, 0) }).result;
    const loadData = (id: number) => object.run('load_data', { context: pack('u64 u64 s64', id, 0, 0) }).result;
    expect([read(3, 0x800001), read(3, 0x800002), read(2, 0x800002)]).toEqual([0, -EPERM, 0]);
    expect([loadData(3), loadData(2)]).toEqual([-EPERM, 0]);
    expect([object.number('from_file'), object.number('from_memory')]).toEqual([1n, 1n]);
    object.close();
  });

  it('sysctl_guard: guarded settings take no lower value, and no text', () => {
    const object = load('sysctl_guard');
    const name = (path: string) => pack('c48', path);
    object.update('guarded', name('kernel/kptr_restrict'), pack('u64', 1));
    object.update('guarded', name('kernel/yama/ptrace_scope'), pack('u64', 2));
    const set = (path: string, value: string, write = 1) => {
      Object.assign(object.surroundings.sysctl, { name: path, written: new TextEncoder().encode(value) });
      return object.run('sysctl_guard', { context: pack('u32 u32', write, 0) }).result;
    };
    expect(set('kernel/kptr_restrict', '0\n')).toBe(DENY);
    expect(set('kernel/kptr_restrict', '0\n', 0)).toBe(ALLOW);
    expect(set('kernel/kptr_restrict', '2\n')).toBe(ALLOW);
    expect(set('kernel/yama/ptrace_scope', '1')).toBe(DENY);
    expect(set('kernel/yama/ptrace_scope', '10')).toBe(ALLOW);
    expect(set('kernel/yama/ptrace_scope', 'all')).toBe(DENY);
    expect(set('net/ipv4/ip_forward', '1')).toBe(ALLOW);
    expect(object.records('refusals').map(text)).toEqual([
      'kernel/kptr_restrict',
      'kernel/yama/ptrace_scope',
      'kernel/yama/ptrace_scope',
    ]);
    object.close();
  });
});
