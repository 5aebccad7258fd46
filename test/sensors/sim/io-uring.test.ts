import { describe, expect, it } from 'vitest';
import {
  add,
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
  R10,
  st,
  stx,
} from '../../../engine/isa/index.ts';
import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { observe, textWord } from './attached.ts';

const [PROBE_READ_KERNEL, PROBE_READ_KERNEL_STR, CURRENT_COMM, CURRENT_PID_TGID] = [113, 115, 16, 14];
const ENOENT = 2;
const EFAULT = 14;
const EINVAL = 22;
const EOPNOTSUPP = 95;

const shell = (host: SimHost): SimTask => host.spawn({ exepath: '/usr/bin/sh' });
const slot = (word: number): number => -8 * (word + 1);
const into = (word: number, helperId: number, size: number): readonly Item[] => [
  mov(R1, R10),
  add(R1, slot(word)),
  mov(R2, size),
  call(helperId),
];
const clear = (words: number): readonly Item[] =>
  Array.from({ length: words }, (_, word) => st('dw', R10, slot(word), 0));
/** r6 = the request, word 0 = its opcode, word 1 = its descriptor. */
const request: readonly Item[] = [
  ldx('dw', R6, R1, 0),
  ldxField('b', R1, R6, 'io_kiocb.opcode'),
  stx('dw', R10, slot(0), R1),
  ldxField('w', R1, R6, 'io_kiocb.cqe.fd'),
  stx('dw', R10, slot(1), R1),
];
/** r7 = a member of the request's operation, of 8 bytes. */
const member = (access: string): readonly Item[] => [
  mov(R3, R6),
  addField(R3, 'io_kiocb.cmd'),
  addField(R3, access),
  ...into(6, PROBE_READ_KERNEL, 8),
  ldx('dw', R7, R10, slot(6)),
];

describe('work through a ring', () => {
  it('is seen before it happens, with the path as the kernel copied it', () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/io_uring_submit_req', 7, [
      ...clear(7),
      ...request,
      ...member('io_open.filename'),
      mov(R3, R7),
      addField(R3, 'filename.name'),
      ...into(6, PROBE_READ_KERNEL, 8),
      ldx('dw', R3, R10, slot(6)),
      ...into(2, PROBE_READ_KERNEL_STR, 8),
      ...member('io_open.how.flags'),
      stx('dw', R10, slot(3), R7),
    ]);
    const task = shell(host);
    const opened = host.call(task, 'openat', [-100, '/tmp/new', 0x41, 0o600], { via: 'io_uring' });
    expect(opened.result).toBe(4);
    expect(host.fs.exists('/tmp/new')).toBe(true);
    const [seen] = records();
    expect(seen?.slice(0, 4)).toStrictEqual([18n, 0n, textWord('/tmp/ne'), 0x8041n]);
  });

  it('acts like the calls it stands for', () => {
    const host = createSimHost();
    host.network.declareRemote('203.0.113.5', 80);
    const task = shell(host);
    const ring = (name: string, ...args: Parameters<SimHost['call']>[2]): number =>
      host.call(task, name, args, { via: 'io_uring' }).result;
    const socket = ring('socket', 2, 1, 0);
    expect(ring('connect', socket, { address: '203.0.113.5', port: 80 })).toBe(0);
    expect(ring('connect', socket, { address: '203.0.113.5', port: 81 })).toBe(-106);
    expect(ring('mkdirat', -100, '/tmp/d', 0o755)).toBe(0);
    const fd = ring('openat2', -100, '/tmp/d/f', { flags: 0x42, mode: 0o644 });
    expect(ring('write', fd, 'text', 4)).toBe(4);
    expect(ring('linkat', -100, '/tmp/d/f', -100, '/tmp/d/g', 0)).toBe(0);
    expect(ring('symlinkat', '/etc/shadow', -100, '/tmp/d/s')).toBe(0);
    expect(ring('renameat2', -100, '/tmp/d/f', -100, '/tmp/d/h', 0)).toBe(0);
    expect(ring('unlinkat', -100, '/tmp/d/g', 0)).toBe(0);
    expect(ring('ftruncate', fd, 2)).toBe(0);
    expect(ring('close', fd)).toBe(0);
    expect(host.fs.list('/tmp/d')).toStrictEqual(['h', 's']);
    expect(host.fs.read('/tmp/d/h')).toBe('te');
    expect(ring('unlinkat', -100, '/tmp/none', 0)).toBe(-ENOENT);
  });

  it('is not seen by sys_exit, but setting the ring up and entering it are', () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/sys_exit', 1, [
      ldx('dw', R2, R1, 0),
      ldxField('dw', R7, R2, 'pt_regs.orig_ax'),
      stx('dw', R10, slot(0), R7),
    ]);
    const task = shell(host);
    host.call(task, 'openat', [-100, '/etc/passwd', 0], { via: 'io_uring' });
    host.call(task, 'openat', [-100, '/etc/group', 0], { via: 'io_uring' });
    expect(records()).toStrictEqual([[425n], [426n], [426n]]);
  });

  it('that a thread of the kernel takes is seen in that thread of the process, and enters nothing', () => {
    const host = createSimHost();
    const calls = observe(host, 'tp_btf/sys_exit', 1, [
      ldx('dw', R2, R1, 0),
      ldxField('dw', R7, R2, 'pt_regs.orig_ax'),
      stx('dw', R10, slot(0), R7),
    ]);
    const seen = observe(host, 'tp_btf/io_uring_submit_req', 3, [
      ...clear(3),
      mov(R1, R10),
      add(R1, slot(1)),
      mov(R2, 16),
      call(CURRENT_COMM),
      call(CURRENT_PID_TGID),
      stx('dw', R10, slot(2), R0),
    ]);
    const task = shell(host);
    const opened = host.call(task, 'openat', [-100, '/etc/passwd', 0], { via: 'io_uring_sqpoll' });
    expect(task.fds).toContain(opened.result);
    host.call(task, 'close', [opened.result], { via: 'io_uring_sqpoll' });
    expect(calls()).toStrictEqual([[425n]]);
    const [first, ...more] = seen();
    expect(more).toHaveLength(1);
    expect((first?.[2] ?? 0n) >> 32n).toBe(BigInt(task.pid));
    expect((first?.[2] ?? 0n) & 0xffff_ffffn).not.toBe(BigInt(task.pid));
    expect(first?.[1]).toBe(textWord('iou-sqp-'));
  });

  it('shows an address as the kernel copied it', () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/io_uring_submit_req', 7, [
      ...clear(7),
      ...request,
      ldxField('dw', R3, R6, 'io_kiocb.async_data'),
      ...into(2, PROBE_READ_KERNEL, 8),
      ldxField('dw', R3, R6, 'io_kiocb.async_data'),
      addField(R3, 'io_async_msghdr.addr'),
      ...into(3, PROBE_READ_KERNEL, 8),
    ]);
    const task = shell(host);
    const fd = host.call(task, 'socket', [2, 2, 0]).result;
    const address = { address: '127.0.0.1', port: 0x1234 };
    host.call(task, 'connect', [fd, address], { via: 'io_uring' });
    host.call(task, 'sendto', [fd, 'text', 4, 0, address], { via: 'io_uring' });
    const [connected, sent] = records();
    expect(connected?.slice(0, 3)).toStrictEqual([16n, BigInt(fd), 0x0100007f_34120002n]);
    expect([sent?.[0], sent?.[1], sent?.[3]]).toStrictEqual([26n, BigInt(fd), 0x0100007f_34120002n]);
  });

  it('fails before anybody sees it where the caller has no such memory', () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/io_uring_submit_req', 2, [...clear(2), ...request]);
    const task = shell(host);
    expect(host.call(task, 'unlinkat', [-100, null, 0], { via: 'io_uring' }).result).toBe(-EFAULT);
    expect(host.call(task, 'unlinkat', [-100, '', 0], { via: 'io_uring' }).result).toBe(-ENOENT);
    expect(records()).toStrictEqual([]);
  });

  it('needs an operation, and a ring', () => {
    const host = createSimHost();
    const task = shell(host);
    expect(() => host.call(task, 'ptrace', [0, 0, 0, 0], { via: 'io_uring' })).toThrow(
      'io_uring has no operation that does what ptrace does',
    );
    expect(host.call(task, 'io_uring_enter', [0, 1, 1, 0]).result).toBe(-EOPNOTSUPP);
    expect(host.call(task, 'io_uring_setup', [0, { flags: 0 }]).result).toBe(-EINVAL);
  });
});
