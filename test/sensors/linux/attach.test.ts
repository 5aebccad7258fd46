import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  add,
  exit,
  type Item,
  jeq,
  jne,
  label,
  lddw,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  R10,
  stx,
} from '../../../engine/isa/index.ts';
import { BpfError, type LinuxKernel, openLinuxKernel, ProgramRefused } from '../../../sensors/linux/index.ts';
import { liveUnavailable, type TestCgroup, testCgroup } from '../../support/live.ts';
import { countAndReturn, counterSpec, countIn, helper, programOf } from '../../support/live-programs.ts';

const skip = liveUnavailable();
const [EXECVE, PASS] = [59, 1];

interface Place {
  readonly cgroup: TestCgroup;
  readonly kernel: LinuxKernel;
}

/** A test cgroup and a kernel that looks at it only, both gone when the test ends. */
function place(): Place {
  const cgroup = testCgroup();
  onTestFinished(() => cgroup.remove());
  const kernel = openLinuxKernel({ scope: cgroup.path });
  onTestFinished(() => kernel.close());
  return { cgroup, kernel };
}

/** Attaches a program that counts, confined to the cgroup, after `items`; gives what it stands at. */
function counting({ cgroup, kernel }: Place, hook: string, items: readonly Item[] = []): () => number {
  const map = kernel.createMap(counterSpec());
  const out = items.length > 0 ? [label('out'), mov(R0, 0), exit()] : [];
  const confined = cgroup.confine([...items, ...countAndReturn(), ...out]);
  kernel.attach(kernel.loadProgram(programOf('count', hook, confined), new Map([['count', map]])));
  return () => countIn(map);
}

/** Why a kind of program can't be attached on this machine; undefined where the error is another. */
function refusedKind(error: unknown): string | undefined {
  if (error instanceof ProgramRefused && error.errno === 'EPERM' && error.log === '')
    return 'this kernel refuses LSM and fentry programs (EPERM)';
  if (error instanceof BpfError && error.errno === 'EPERM')
    return 'this kernel refuses LSM and fentry programs (EPERM)';
  if (error instanceof Error && /tracefs, which is not mounted/.test(error.message)) return 'tracefs is not mounted';
  if (error instanceof Error && /has no kprobes/.test(error.message)) return 'this kernel has no kprobes';
  return undefined;
}

/** Hooks by which every exec of a command in the cgroup is counted once, with what is tested in front. */
const EXECS: readonly (readonly [hook: string, items: readonly Item[]])[] = [
  ['tp_btf/sched_process_exec', []],
  ['raw_tp/sched_process_exec', []],
  ['raw_tp/sys_enter', [ldx('dw', R1, R6, 8), jne(R1, EXECVE, 'out')]],
  ['tp/syscalls/sys_enter_execve', []],
  ['tp/sched/sched_process_exec', []],
  ['fentry/security_bprm_committed_creds', []],
  ['fexit/security_bprm_committed_creds', []],
  ['kprobe/security_bprm_committed_creds', []],
  ['kretprobe/security_bprm_committed_creds', []],
  ['lsm/bprm_committed_creds', []],
];

describe.skipIf(skip)(`programs attached to the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it.for(EXECS)('%s sees every exec in the cgroup, and none outside', async ([hook, items], context) => {
    const here = place();
    let counted: () => number;
    try {
      counted = counting(here, hook, items);
    } catch (error) {
      const reason = refusedKind(error);
      if (reason !== undefined) return context.skip(reason);
      throw error;
    }
    const outside = testCgroup();
    onTestFinished(() => outside.remove());
    const before = counted();
    expect((await outside.run('/bin/true')).code).toBe(0);
    expect(counted() - before).toBe(0);
    expect((await here.cgroup.run('/bin/sh', ['-c', '/bin/true; /bin/true; exec /bin/true'])).code).toBe(0);
    expect(counted() - before).toBe(4);
  });

  it('cgroup/connect4 sees the connects of the cgroup that it is attached to, by default the scope', async () => {
    const { cgroup, kernel } = place();
    const map = kernel.createMap(counterSpec());
    const program = programOf('connect', 'cgroup/connect4', countAndReturn('count', PASS));
    kernel.attach(kernel.loadProgram(program, new Map([['count', map]])));
    const connect = 'for i in 1 2 3; do (: < /dev/tcp/127.0.0.1/9) 2>/dev/null; done; true';
    const outside = testCgroup();
    onTestFinished(() => outside.remove());
    expect((await outside.run('/bin/bash', ['-c', connect])).code).toBe(0);
    expect(countIn(map)).toBe(0);
    expect((await cgroup.run('/bin/bash', ['-c', connect])).code).toBe(0);
    expect(countIn(map)).toBe(3);
  });

  it('iter/task goes over the tasks there are, as often as it is read', async () => {
    const { cgroup, kernel } = place();
    const child = cgroup.start('/bin/sleep', ['60']);
    onTestFinished(() => void child.kill('SIGKILL'));
    const procs = `${cgroup.folder}/cgroup.procs`;
    await expect.poll(() => readFileSync(procs, 'utf8')).toBe(`${child.pid}\n`);
    const items = [
      mov(R6, R1),
      ldx('dw', R7, R6, 8),
      jeq(R7, 0, 'out'),
      ldxField('dw', R8, R7, 'task_struct.cgroups'),
      jeq(R8, 0, 'out'),
      ldxField('dw', R8, R8, 'css_set.dfl_cgrp'),
      ldxField('dw', R8, R8, 'cgroup.kn'),
      ldxField('dw', R8, R8, 'kernfs_node.id'),
      lddw(R1, cgroup.id),
      jne(R8, R1, 'out'),
      ldxField('w', R1, R7, 'task_struct.tgid'),
      stx('dw', R10, -8, R1),
      ldx('dw', R1, R6, 0),
      ldxField('dw', R1, R1, 'bpf_iter_meta.seq'),
      mov(R2, R10),
      add(R2, -8),
      mov(R3, 8),
      helper('bpf_seq_write'),
      label('out'),
      mov(R0, 0),
      exit(),
    ];
    const link = kernel.attach(kernel.loadProgram(programOf('tasks', 'iter/task', items), new Map()));
    const pids = (): number[] => {
      const bytes = kernel.iterate(link);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      return Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigUint64(8 * i, true)));
    };
    expect(pids()).toEqual([child.pid]);
    child.kill('SIGKILL');
    await expect.poll(() => readFileSync(procs, 'utf8')).toBe('');
    await expect.poll(pids).toEqual([]);
  });
});

describe.skipIf(skip)(`what can't be attached${skip ? ` (skipped: ${skip})` : ''}`, () => {
  const zero = [mov(R0, 0), exit()];
  const refusal = (hook: string, confined = true): string => {
    const { cgroup } = place();
    const kernel = openLinuxKernel();
    onTestFinished(() => kernel.close());
    const items = confined ? cgroup.confine(zero) : zero;
    const program = kernel.loadProgram(programOf('zero', hook, items), new Map());
    try {
      kernel.attach(program);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    throw new Error('it was attached');
  };

  it('says what is missing and how to name it', () => {
    expect(refusal('xdp', false)).toBe('program "zero" (xdp): programs of this kind are loaded here, but not attached');
    expect(refusal('cgroup/connect4', false)).toBe(
      'program "zero" (cgroup/connect4): programs of this kind attach to a cgroup; say which',
    );
    expect(refusal('raw_tp')).toBe(
      'program "zero" (raw_tp): its section does not say which tracepoint to attach to; write "raw_tp/sys_enter"',
    );
    expect(refusal('raw_tp/sys_entre')).toBe(
      'program "zero" (raw_tp/sys_entre): BPF_RAW_TRACEPOINT_OPEN failed with ENOENT (this kernel has no such tracepoint or function)',
    );
  });

  it('says that tracefs is needed for tracepoints by name', (context) => {
    if (existsSync('/sys/kernel/tracing/events')) return context.skip('tracefs is mounted');
    expect(refusal('tp/sched/sched_process_exec')).toBe(
      'program "zero" (tp/sched/sched_process_exec): the number of a tracepoint is read from tracefs, which is not mounted; `mount -t tracefs tracefs /sys/kernel/tracing`, or use a raw tracepoint',
    );
  });

  it('says whose program or link it is not', () => {
    const [{ kernel: one, cgroup }, { kernel: other }] = [place(), place()];
    const program = one.loadProgram(programOf('zero', 'tp_btf/sched_process_exec', cgroup.confine(zero)), new Map());
    expect(() => other.attach(program)).toThrow('program zero was not loaded into this kernel');
    const link = one.attach(program);
    one.detach(link);
    expect(() => one.detach(link)).toThrow('program zero is not attached to tp_btf/sched_process_exec by this link');
  });
});
