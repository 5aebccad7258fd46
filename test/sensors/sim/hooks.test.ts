import { describe, expect, it } from 'vitest';
import {
  add,
  addField,
  assemble,
  call,
  exit,
  type Item,
  jeq,
  label,
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
  stx,
} from '../../../engine/isa/index.ts';
import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { attach, observe, textWord, word } from './attached.ts';

const PROBE_READ_USER_STR = 114;
const PROBE_READ_KERNEL = 113;
const PROBE_READ_USER = 112;
const GET_CURRENT_PID_TGID = 14;
const GET_CURRENT_CGROUP_ID = 80;
const GET_ANCESTOR_CGROUP_ID = 123;
const GET_CURRENT_TASK_BTF = 158;
const SEND_SIGNAL = 109;
const SIGKILL = 9;
const EPERM = 1;
const AT_FDCWD = -100;
const [O_WRONLY, O_TRUNC] = [1, 0o1000];

const shell = (host: SimHost): SimTask => host.spawn({ exepath: '/usr/bin/bash', uid: 0, cgroup: '/user.slice/one' });

/** The program's first argument in r6. */
const FIRST = ldx('dw', R6, R1, 0);
const keep = (index: number, from = R7): Item => stx('dw', R10, -8 * (index + 1), from);
const field = (index: number, access: string): Item[] => [ldxField('dw', R7, R6, access), keep(index)];
const DENY = [mov(R0, -EPERM)];
const KILL = [mov(R1, SIGKILL), call(SEND_SIGNAL)];

/** r6 = the current task. */
const CURRENT = [call(GET_CURRENT_TASK_BTF), mov(R6, R0)];

const REGISTERS = ['orig_ax', 'di', 'si', 'dx', 'r10', 'r8', 'r9', 'ax'];
const observeExit = (host: SimHost, registers = REGISTERS): (() => bigint[][]) =>
  observe(host, 'tp_btf/sys_exit', registers.length + 1, [
    FIRST,
    ldx('dw', R7, R1, 8),
    keep(registers.length),
    ...registers.flatMap((name, index) => field(index, `pt_regs.${name}`)),
  ]);

describe('tp_btf/sys_exit', () => {
  it('sees number, arguments and result', () => {
    const host = createSimHost();
    const records = observeExit(host);
    host.call(shell(host), 'lseek', [7, 11, 13, 17, 19, 23]);
    expect(records()).toEqual([[8n, 7n, 11n, 13n, 17n, 19n, 23n, word(-9), word(-9)]]);
  });

  it('sees 32-bit descriptors without the upper half that a negative number would have', () => {
    const host = createSimHost();
    const records = observeExit(host, ['orig_ax', 'di']);
    host.call(shell(host), 'openat', [AT_FDCWD, '/etc/passwd', 0, 0]);
    expect(records()).toEqual([[257n, 0xffff_ff9cn, 3n]]);
  });

  it('finds a 32-bit call in the ia32 registers with TS_COMPAT set, and its strings below 4 GiB', () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/sys_exit', 5, [
      FIRST,
      ...field(0, 'pt_regs.orig_ax'),
      ...field(1, 'pt_regs.cx'),
      ...field(2, 'pt_regs.bx'),
      mov(R1, R10),
      add(R1, -32),
      mov(R2, 8),
      mov(R3, R7),
      call(PROBE_READ_USER_STR),
      ...CURRENT,
      ldxField('w', R7, R6, 'task_struct.thread_info.status'),
      keep(4),
    ]);
    const task = shell(host);
    host.call(task, 'open', ['/etc/x', 0x41, 0o600], { abi: 'ia32' });
    host.call(task, 'close', [3]);
    const [compat, native] = records();
    expect(compat?.[0]).toBe(5n);
    expect(compat?.[1]).toBe(0x41n);
    expect(compat?.[2]).toBeLessThan(0x1_0000_0000n);
    expect(compat?.[3]).toBe(textWord('/etc/x'));
    expect(compat?.[4]).toBe(2n);
    expect(native?.[0]).toBe(3n);
    expect(native?.[4]).toBe(0n);
  });

  it('runs in the child too when clone returns there with 0', () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/sys_exit', 3, [
      FIRST,
      ldx('dw', R7, R1, 8),
      keep(0),
      ...field(1, 'pt_regs.orig_ax'),
      call(GET_CURRENT_PID_TGID),
      keep(2, R0),
    ]);
    const task = shell(host);
    const { result: pid } = host.call(task, 'clone', [17]);
    expect(records()).toEqual([
      [BigInt(pid), 56n, (BigInt(task.pid) << 32n) | BigInt(task.pid)],
      [0n, 56n, (BigInt(pid) << 32n) | BigInt(pid)],
    ]);
  });

  it('has cleared registers and execve as its number after a successful execveat', () => {
    const host = createSimHost();
    const records = observeExit(host);
    const task = shell(host);
    host.call(task, 'execveat', [AT_FDCWD, '/usr/bin/ls', ['ls'], [], 0]);
    expect(records()).toEqual([[59n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]]);
  });

  it('keeps the registers of an exec that failed', () => {
    const host = createSimHost();
    const records = observeExit(host, ['orig_ax', 'di']);
    host.call(shell(host), 'execve', ['/nothing', ['nothing'], []]);
    const [record] = records();
    expect(record?.[0]).toBe(59n);
    expect(record?.[1]).not.toBe(0n);
    expect(record?.[2]).toBe(word(-2));
  });
});

describe('raw_tp/sys_enter', () => {
  it('gets the address of pt_regs and the number', () => {
    const host = createSimHost();
    const records = observe(host, 'raw_tp/sys_enter', 2, [
      ldx('dw', R7, R1, 8),
      keep(0),
      ldx('dw', R3, R1, 0),
      addField(R3, 'pt_regs.di'),
      mov(R1, R10),
      add(R1, -16),
      mov(R2, 8),
      call(PROBE_READ_KERNEL),
    ]);
    host.call(shell(host), 'close', [99]);
    expect(records()).toEqual([[3n, 99n]]);
  });

  it('can end the caller, but only after the call took effect', () => {
    const host = createSimHost();
    attach(host, 'raw_tp/sys_enter', [...KILL, mov(R0, 0), exit()]);
    const task = shell(host);
    expect(host.call(task, 'mkdir', ['/tmp/made', 0o755]).result).toBe(0);
    expect(host.fs.exists('/tmp/made')).toBe(true);
    expect(task.alive).toBe(false);
  });
});

describe('tp_btf/sched_process_exec', () => {
  /** pid before, comm, and the first 8 bytes of the arguments. */
  const observeExec = (host: SimHost, end?: readonly Item[]): (() => bigint[][]) =>
    observe(
      host,
      'tp_btf/sched_process_exec',
      4,
      [
        FIRST,
        ldx('dw', R7, R1, 8),
        keep(0),
        ...field(1, 'task_struct.comm'),
        ldxField('dw', R7, R6, 'task_struct.mm'),
        ldxField('dw', R3, R7, 'mm_struct.arg_start'),
        mov(R1, R10),
        add(R1, -24),
        mov(R2, 8),
        call(PROBE_READ_USER),
        keep(3, R0),
      ],
      end === undefined ? {} : { end },
    );

  it('runs when the new memory and name are in place', () => {
    const host = createSimHost();
    const records = observeExec(host);
    const task = shell(host);
    host.call(task, 'execve', ['/bin/cat', ['cat', '/etc/shadow'], ['A=b']]);
    expect(records()).toEqual([[BigInt(task.pid), textWord('cat'), textWord('cat\0/etc'), 0n]]);
    expect(task).toMatchObject({ name: 'cat', exepath: '/usr/bin/cat', argv: ['cat', '/etc/shadow'] });
  });

  it('kills before the first instruction: sys_exit and the exit hook still run, and no further call is made', () => {
    const host = createSimHost();
    const execs = observeExec(host, [...KILL, mov(R0, 0)]);
    const exits = observeExit(host, ['orig_ax']);
    const deaths = observe(host, 'tp_btf/sched_process_exit', 1, [
      FIRST,
      ldxField('w', R7, R6, 'task_struct.pid'),
      keep(0),
    ]);
    const task = shell(host);
    expect(host.call(task, 'execve', ['/bin/cat', ['cat'], []]).result).toBe(0);
    expect(execs()).toHaveLength(1);
    expect(exits()).toEqual([[59n, 0n]]);
    expect(deaths()).toEqual([[BigInt(task.pid)]]);
    expect(task).toMatchObject({ alive: false, killedBy: SIGKILL });
    expect(() => host.call(task, 'getpid', [])).toThrow(`cat (pid ${task.pid}) is dead; it can make no call`);
  });

  it('does not let the first process be killed: bpf_send_signal returns -EPERM', () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/sched_process_exec', 1, [...KILL, keep(0, R0)]);
    expect(host.call(host.root, 'execve', ['/usr/bin/bash', ['bash'], []]).result).toBe(0);
    expect(records()).toEqual([[word(-EPERM)]]);
    expect(host.root.alive).toBe(true);
  });
});

describe('tp_btf/sched_process_fork and exit', () => {
  it('run for processes and threads', () => {
    const host = createSimHost();
    const forks = observe(host, 'tp_btf/sched_process_fork', 3, [
      FIRST,
      ldx('dw', R1, R1, 8),
      ldxField('w', R7, R6, 'task_struct.pid'),
      keep(0),
      ldxField('w', R7, R1, 'task_struct.pid'),
      keep(1),
      ldxField('w', R7, R1, 'task_struct.tgid'),
      keep(2),
    ]);
    const exits = observe(host, 'tp_btf/sched_process_exit', 2, [
      FIRST,
      ldxField('w', R7, R6, 'task_struct.pid'),
      keep(0),
      ldxField('dw', R6, R6, 'task_struct.signal'),
      ldxField('w', R7, R6, 'signal_struct.live.counter'),
      keep(1),
    ]);
    const task = shell(host);
    const CLONE_THREAD = 0x10000 | 0x800 | 0x100;
    const { result: tid } = host.call(task, 'clone', [CLONE_THREAD]);
    const { result: pid } = host.call(task, 'fork', []);
    const [own, thread, child] = [task.pid, tid, pid].map(BigInt);
    expect(forks()).toEqual([
      [own, thread, own],
      [own, child, child],
    ]);
    host.call(task, 'exit_group', [0]);
    expect(exits()).toEqual([
      [own, 1n],
      [thread, 0n],
    ]);
    expect(host.task(pid)?.parent?.pid).toBe(1);
  });
});

describe('lsm/file_open', () => {
  it('denies: the call returns -EPERM and the file is as it was', () => {
    const host = createSimHost();
    host.fs.write('/etc/keep', 'before');
    attach(host, 'lsm/file_open', [...DENY, exit()]);
    const exits = observeExit(host, ['orig_ax']);
    const task = shell(host);
    expect(host.call(task, 'open', ['/etc/keep', O_WRONLY | O_TRUNC, 0]).result).toBe(-EPERM);
    expect(exits()).toEqual([[2n, word(-EPERM)]]);
    expect(host.fs.read('/etc/keep')).toBe('before');
    expect(task.fds).toEqual([0, 1, 2]);
  });

  it('asks the newest program first and stops at the first refusal', () => {
    const host = createSimHost();
    const older = attach(host, 'lsm/file_open', [mov(R0, 0), exit()]);
    attach(host, 'lsm/file_open', [mov(R0, -13), exit()]);
    expect(host.call(shell(host), 'open', ['/etc/passwd', 0, 0]).result).toBe(-13);
    expect(host.kernel.stats()).toContainEqual({
      program: older.name,
      hook: 'lsm/file_open',
      runs: 0,
      ns: 0,
      missed: 0,
    });
  });

  it('can deny and kill: -EPERM is the result, then the caller dies', () => {
    const host = createSimHost();
    attach(host, 'lsm/file_open', [...KILL, ...DENY, exit()]);
    const exits = observeExit(host, ['orig_ax']);
    const task = shell(host);
    expect(host.call(task, 'open', ['/etc/passwd', 0, 0]).result).toBe(-EPERM);
    expect(exits()).toEqual([[2n, word(-EPERM)]]);
    expect(task).toMatchObject({ alive: false, killedBy: SIGKILL });
  });

  it('is asked about programs that are executed too', () => {
    const host = createSimHost();
    const flags = observe(host, 'lsm/file_open', 1, [FIRST, ldxField('w', R7, R6, 'file.f_flags'), keep(0)]);
    host.call(shell(host), 'execve', ['/bin/ls', ['ls'], []]);
    expect(flags()).toEqual([[0x8020n]]);
  });
});

describe('lsm/bprm_check_security', () => {
  it('denies an exec: the caller goes on as it was', () => {
    const host = createSimHost();
    attach(host, 'lsm/bprm_check_security', [...DENY, exit()]);
    const task = shell(host);
    expect(host.call(task, 'execve', ['/bin/ls', ['ls'], []]).result).toBe(-EPERM);
    expect(task).toMatchObject({ alive: true, name: 'bash', exepath: '/usr/bin/bash' });
  });

  it('sees a script and then its interpreter', () => {
    const host = createSimHost();
    host.fs.write('/usr/local/bin/hello', '#!/bin/sh -e\necho hello\n', 0o755);
    const names = observe(host, 'lsm/bprm_check_security', 1, [
      FIRST,
      ldxField('dw', R7, R6, 'linux_binprm.file'),
      ldxField('dw', R7, R7, 'file.f_path.dentry'),
      ldxField('dw', R3, R7, 'dentry.d_name.name'),
      mov(R1, R10),
      add(R1, -8),
      mov(R2, 8),
      call(PROBE_READ_KERNEL),
    ]);
    const task = shell(host);
    host.call(task, 'execve', ['/usr/local/bin/hello', ['hello', 'you'], []]);
    expect(names().map(([name]) => (name ?? 0n) & 0xff_ffffn)).toEqual([textWord('hel'), textWord('sh')]);
    expect(task).toMatchObject({
      name: 'hello',
      exepath: '/usr/bin/sh',
      argv: ['/bin/sh', '-e', '/usr/local/bin/hello', 'you'],
    });
  });
});

describe('lsm/socket_connect', () => {
  it("gets the socket and the kernel's copy of the address, and denies", () => {
    const host = createSimHost();
    host.network.declareRemote('203.0.113.5', 4444);
    const records = observe(
      host,
      'lsm/socket_connect',
      4,
      [
        FIRST,
        ldx('dw', R7, R1, 16),
        keep(2),
        ldx('dw', R7, R1, 8),
        ldxField('h', R3, R7, 'sockaddr.sa_family'),
        keep(0, R3),
        mov(R1, R10),
        add(R1, -16),
        mov(R2, 8),
        mov(R3, R7),
        call(PROBE_READ_KERNEL),
        ldxField('dw', R7, R6, 'socket.sk'),
        jeq(R7, 0, 'no sock'),
        ldxField('h', R7, R7, 'sock.__sk_common.skc_family'),
        label('no sock'),
        keep(3),
      ],
      { end: DENY },
    );
    const task = shell(host);
    const { result: fd } = host.call(task, 'socket', [2, 1, 0]);
    expect(host.call(task, 'connect', [fd, { address: '203.0.113.5', port: 4444 }]).result).toBe(-EPERM);
    // sin_family 2, port 0x115c in network order, then the address
    expect(records()).toEqual([[2n, 0x05_71_00_cb_5c_11_00_02n, 16n, 2n]]);
    expect(host.call(task, 'getpeername', [fd]).result).toBe(-107);
  });
});

describe('memory that programs reach', () => {
  it("reads user strings of the current task only, and neither side's address on the other", () => {
    const host = createSimHost();
    const records = observe(host, 'tp_btf/sys_exit', 3, [
      FIRST,
      ldxField('dw', R7, R6, 'pt_regs.di'),
      ...[PROBE_READ_USER, PROBE_READ_KERNEL].flatMap((helper, index) => [
        mov(R1, R10),
        add(R1, -24),
        mov(R2, 8),
        mov(R3, R7),
        call(helper),
        keep(index, R0),
      ]),
      mov(R1, R10),
      add(R1, -24),
      mov(R2, 8),
      mov(R3, R6),
      call(PROBE_READ_USER),
      keep(2, R0),
    ]);
    host.call(shell(host), 'chdir', ['/tmp']);
    const [record] = records();
    expect(record?.[0]).toBe(0n);
    expect(record?.[1]).not.toBe(0n);
    expect(record?.[2]).not.toBe(0n);
  });

  it('gives the current cgroup and its ancestors', () => {
    const host = createSimHost();
    const ancestor = (level: number): Item[] => [mov(R1, level), call(GET_ANCESTOR_CGROUP_ID), keep(level, R0)];
    const records = observe(host, 'tp_btf/sys_exit', 5, [
      ...[0, 1, 2, 3].flatMap(ancestor),
      call(GET_CURRENT_CGROUP_ID),
      keep(4, R0),
    ]);
    host.call(shell(host), 'getpid', []);
    const ids = ['/', '/user.slice', '/user.slice/one'].map((path) => host.kernel.cgroupId(path));
    expect(records()).toEqual([[...ids, 0n, ids[2]]]);
    expect(host.kernel.cgroupPath(ids[2] ?? 0n)).toBe('/user.slice/one');
    expect(host.kernel.cgroupId('/nowhere')).toBeUndefined();
  });
});

describe('links', () => {
  const load = (host: SimHost, name: string, result: number) =>
    host.kernel.loadProgram({ name, hook: 'lsm/file_open', ...assemble([mov(R0, result), exit()]) }, new Map());
  const open = (host: SimHost): number => host.call(host.root, 'open', ['/etc/passwd', 0, 0]).result;

  it('puts another program in the place of one, and takes it away', () => {
    const host = createSimHost();
    const link = host.kernel.attach(load(host, 'denies', -EPERM));
    expect(open(host)).toBe(-EPERM);
    const replaced = host.kernel.replace(link, load(host, 'allows', 0));
    expect(open(host)).toBe(3);
    host.kernel.detach(replaced);
    expect(open(host)).toBe(4);
    expect(host.kernel.stats()).toEqual([
      { program: 'denies', hook: 'lsm/file_open', runs: 1, ns: 0, missed: 0 },
      { program: 'allows', hook: 'lsm/file_open', runs: 1, ns: 0, missed: 0 },
    ]);
    expect(() => host.kernel.detach(replaced)).toThrow('program allows is not attached to lsm/file_open by this link');
  });

  it('runs nothing once the kernel is closed', () => {
    const host = createSimHost();
    host.kernel.attach(load(host, 'denies', -EPERM));
    host.kernel.close();
    expect(open(host)).toBe(3);
  });

  it("takes no other host's program", () => {
    const program = load(createSimHost(), 'stranger', 0);
    expect(() => createSimHost().kernel.attach(program)).toThrow('program stranger was not loaded into this kernel');
  });
});
