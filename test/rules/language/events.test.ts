import { describe, expect, it } from 'vitest';
import {
  callNumber,
  callNumbers,
  EVENT_TYPES,
  eventTypeOf,
  REQUEST_TYPES,
  requestTypeOf,
  X32_BIT,
} from '../../../rules/index.ts';

const event = (type: string) => {
  const found = EVENT_TYPES.get(type);
  if (found === undefined) throw new Error(`no event type ${type}`);
  return found;
};

describe('the tables of system calls', () => {
  it('have a call under numbers of their own', () => {
    expect(callNumber(event('openat'), 'x86-64')).toBe(257);
    expect(callNumber(event('openat'), 'ia32')).toBe(295);
    expect(callNumber(event('openat'), 'x32')).toBe(X32_BIT + 257);
    expect(callNumber(event('newfstatat'), 'ia32')).toBeUndefined();
  });

  // arch/x86/entry/syscalls/syscall_64.tbl, the part below "x32-specific system call numbers"
  it.each([
    ['rt_sigaction', 512],
    ['ioctl', 514],
    ['recvfrom', 517],
    ['execve', 520],
    ['ptrace', 521],
    ['timer_create', 526],
    ['waitid', 529],
    ['vmsplice', 532],
    ['sendmmsg', 538],
    ['process_vm_writev', 540],
    ['setsockopt', 541],
    ['execveat', 545],
    ['pwritev2', 547],
  ])('%s has the number %d in the x32 table', (type, number) => {
    expect(callNumber(event(type), 'x32')).toBe(X32_BIT + number);
    expect(eventTypeOf('x32', X32_BIT + number)).toBe(event(type));
  });

  // arch/x86/entry/syscalls/syscall_32.tbl
  it.each([
    ['setuid', [23, 213]],
    ['setresuid', [164, 208]],
    ['chown', [182, 212]],
    ['ftruncate', [93, 194]],
    ['umount2', [52, 22]],
    ['openat', [295]],
    ['newfstatat', []],
  ])('%s has the numbers %j in the ia32 table', (type, numbers) => {
    expect(callNumbers(event(type), 'ia32')).toStrictEqual(numbers);
  });

  // include/uapi/linux/net.h: SYS_CONNECT is 3, SYS_ACCEPT 5, SYS_SENDMMSG 20
  it.each([
    ['connect', [362, 4096 + 3]],
    ['accept', [4096 + 5]],
    ['sendmmsg', [345, 4096 + 20]],
  ])('%s goes through socketcall too', (type, numbers) => {
    expect(callNumbers(event(type), 'ia32')).toStrictEqual(numbers);
  });

  it('lead back to the call', () => {
    for (const abi of ['x86-64', 'ia32', 'x32'] as const)
      for (const each of EVENT_TYPES.values()) {
        for (const number of callNumbers(each, abi)) expect(eventTypeOf(abi, number)).toBe(each);
      }
    expect(eventTypeOf('x32', X32_BIT + 548)).toBeUndefined();
    expect(eventTypeOf('x32', X32_BIT + 511)).toBeUndefined();
  });
});

describe('operations of io_uring', () => {
  // include/uapi/linux/io_uring.h, enum io_uring_op, by counting
  it.each([
    ['READV', 1],
    ['SENDMSG', 9],
    ['ACCEPT', 13],
    ['CONNECT', 16],
    ['OPENAT', 18],
    ['CLOSE', 19],
    ['SEND', 26],
    ['OPENAT2', 28],
    ['SHUTDOWN', 34],
    ['RENAMEAT', 35],
    ['UNLINKAT', 36],
    ['MKDIRAT', 37],
    ['SYMLINKAT', 38],
    ['LINKAT', 39],
    ['FSETXATTR', 41],
    ['SOCKET', 45],
    ['SEND_ZC', 47],
    ['FTRUNCATE', 55],
    ['BIND', 56],
    ['LISTEN', 57],
  ])('%s has the number %d', (name, opcode) => {
    expect(REQUEST_TYPES.find((type) => type.name === name)?.opcode).toBe(opcode);
  });

  it('stand for calls, with no more members than those have arguments', () => {
    expect(new Set(REQUEST_TYPES.map(({ opcode }) => opcode)).size).toBe(REQUEST_TYPES.length);
    for (const { event: of, members } of REQUEST_TYPES) expect(members.length).toBeLessThanOrEqual(of.arguments.length);
    expect(requestTypeOf('read')?.name).toBe('READ');
    expect(requestTypeOf('renameat2')?.name).toBe('RENAMEAT');
    expect(requestTypeOf('execve')).toBeUndefined();
  });
});
