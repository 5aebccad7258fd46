import { ECANCELED } from '../../../engine/maps/index.ts';
import { type Abi, callNumber, EVENT_TYPES, requestTypeOf } from '../../../rules/index.ts';
import type { Ring, RingEntry } from '../kernel/io-uring.ts';
import type { Machine } from '../kernel/machine.ts';
import type { Processes } from '../kernel/processes.ts';
import type { Task } from '../kernel/tasks.ts';
import type { CallOptions, CallResult, SimArgument, Via } from '../sim-host.ts';
import { CallError, SystemCall } from './call.ts';
import { IORING_ENTER_GETEVENTS, IORING_SETUP_SQPOLL, prepareRequest, ringOf } from './io-uring.ts';
import { isUnderWay, prepareRecorded, showRefused } from './recorded.ts';
import { clearForExec, enterCall, setResult } from './registers.ts';
import { type CallEntry, callNamed } from './table.ts';
import { traceEntry, traceExit } from './traced.ts';

/** How long calls take, in nanoseconds: the least, and what chance adds. */
const CALL_NS = 1000;
const CALL_JITTER_NS = 4000;

const EXECVE = EVENT_TYPES.get('execve')?.nr ?? 59;

/** Makes system calls happen: hooks, effect, result, and what follows from signals. */
export class SystemCalls {
  readonly #machine: Machine;
  readonly #processes: Processes;
  /** Calls made so far. */
  count = 0;

  constructor(machine: Machine, processes: Processes) {
    this.#machine = machine;
    this.#processes = processes;
  }

  /** @throws Error for an unknown name and for arguments that a call can't have */
  make(task: Task, name: string, args: readonly SimArgument[], options: CallOptions): CallResult {
    if (options.via !== undefined) return this.#submit(task, name, args, options.via);
    const machine = this.#machine;
    const abi = options.abi ?? 'x86-64';
    const entry = find(name, abi);
    const { event } = entry;
    enterCall(machine, task, event, args, abi);
    const call = new SystemCall(machine, this.#processes, task, event, args, abi, options.recorded);
    call.serve = (ring) => this.#serve(task, ring);
    this.count++;
    machine.clock.ns += CALL_NS + (machine.random() % CALL_JITTER_NS);
    machine.current = task;
    this.#setRecorded(options.recorded !== undefined);
    try {
      for (const hook of LSM_HOOKS) machine.hooks[hook].refused = false;
      this.#runSysEnter(task, callNumber(event, abi) ?? -1);
      traceEntry(machine, task, event, abi);
      const result =
        options.recorded === undefined ? effect(call, entry) : this.#play(call, entry, options.recorded.result);
      this.#return(call, result);
      return this.#resultOf(call, result);
    } finally {
      this.#setRecorded(false);
      machine.current = undefined;
    }
  }

  #resultOf(call: SystemCall, result: number): CallResult {
    const { hooks } = this.#machine;
    const deniedBy = result < 0 ? LSM_HOOKS.find((hook) => hooks[hook].refused) : undefined;
    return {
      result,
      ...(call.data === undefined ? {} : { data: call.data }),
      ...(call.fds === undefined ? {} : { fds: call.fds }),
      ...(deniedBy === undefined ? {} : { deniedBy }),
    };
  }

  /** Puts an entry on the task's ring and waits for its completion. @throws Error where io_uring has no such operation */
  #submit(task: Task, name: string, args: readonly SimArgument[], via: Via): CallResult {
    const type = requestTypeOf(name);
    if (type === undefined) throw new Error(`io_uring has no operation that does what ${name} does`);
    const polled = via === 'io_uring_sqpoll';
    const found = ringOf(task, polled);
    const flags = polled ? IORING_SETUP_SQPOLL : 0;
    const fd = found?.fd ?? this.make(task, 'io_uring_setup', [8, { flags }], {}).result;
    const ring = task.files.get(fd)?.ring;
    if (ring === undefined) return { result: fd };
    ring.submissions.push({ type, arguments: args });
    if (ring.thread === undefined) this.make(task, 'io_uring_enter', [fd, 1, 1, IORING_ENTER_GETEVENTS, null, 0], {});
    else {
      this.#machine.scratch.reset('x86-64');
      this.#serve(ring.thread, ring);
      this.#endSignalled([task, ring.thread]);
    }
    return ring.completions.shift() ?? { result: -ECANCELED };
  }

  /** A task takes a ring's next entry: the request is prepared, shown to programs, and carried out. */
  #serve(task: Task, ring: Ring): void {
    const machine = this.#machine;
    const entry = ring.submissions.shift();
    if (entry === undefined) return;
    const { event } = entry.type;
    const before = machine.current;
    machine.current = task;
    for (const hook of LSM_HOOKS) machine.hooks[hook].refused = false;
    const call = new SystemCall(machine, this.#processes, task, event, entry.arguments, 'x86-64', undefined);
    const result = resultOf(() => {
      this.#showRequest(call, entry);
      return find(event.type, 'x86-64').handler(call);
    });
    ring.completions.push(this.#resultOf(call, result));
    machine.current = before;
  }

  #showRequest(call: SystemCall, entry: RingEntry): void {
    const request = prepareRequest(call, entry);
    const { hooks, hookPoints } = this.#machine;
    for (const hook of [hooks['tp_btf/io_uring_submit_req'], hookPoints.attached('tp_btf/io_uring_submit_sqe')]) {
      hook?.setPointer(0, request.at);
      hook?.run();
    }
    request.release();
  }

  #setRecorded(recorded: boolean): void {
    const machine = this.#machine;
    if (machine.recorded === recorded) return;
    machine.recorded = recorded;
    machine.permissions.lifted = recorded;
    for (const name of LSM_HOOKS) machine.hooks[name].ignoresReturn = recorded;
  }

  /** A recorded call: made to happen if it succeeded, shown to the LSM hooks it reached if it was refused. */
  #play(call: SystemCall, entry: CallEntry, result: number): number {
    if (result < 0 && !isUnderWay(call, result)) showRefused(call, -result);
    else {
      prepareRecorded(call);
      effect(call, entry);
    }
    return result;
  }

  #return(call: SystemCall, result: number): void {
    const { task, child } = call;
    const machine = this.#machine;
    if (!call.exited) {
      const { event, abi, executed } = call;
      if (executed) clearForExec(machine, task, EXECVE);
      this.#runSysExit(task, result);
      traceExit(machine, event, abi, executed, result);
      if (child) {
        machine.current = child;
        this.#runSysExit(child, 0);
        traceExit(machine, event, abi, executed, 0);
        machine.current = task;
      }
    }
    this.#endSignalled([task, child, ...(call.signalled ?? [])]);
    if (!call.exited) task.threadStatus = 0;
  }

  #endSignalled(tasks: readonly (Task | undefined)[]): void {
    for (const killed of tasks) {
      const signal = killed?.group.fatalSignal;
      if (killed && signal !== undefined && killed.alive) this.#processes.exitGroup(killed, { signal });
    }
  }

  #runSysEnter(task: Task, nr: number): void {
    const hook = this.#machine.hooks['raw_tp/sys_enter'];
    if (!hook.active) return;
    hook.setPointer(0, task.regsAt);
    hook.setNumber(1, nr);
    hook.run();
  }

  #runSysExit(task: Task, result: number): void {
    setResult(this.#machine, task, result);
    const hook = this.#machine.hooks['tp_btf/sys_exit'];
    if (!hook.active) return;
    hook.setPointer(0, task.regsAt);
    hook.setNumber(1, result);
    hook.run();
  }
}

const LSM_HOOKS = ['lsm/file_open', 'lsm/bprm_check_security', 'lsm/socket_connect'] as const;

/** @throws Error for what is no system call of the table */
const find = (name: string, abi: Abi): CallEntry => {
  const entry = callNamed(name);
  if (!entry) throw new Error(`there is no system call "${name}"`);
  if (callNumber(entry.event, abi) === undefined) throw new Error(`the ${abi} table has no system call "${name}"`);
  return entry;
};

/** Lets a call happen; a negative result is an errno. */
const effect = (call: SystemCall, { handler }: CallEntry): number => resultOf(() => handler(call));

const resultOf = (act: () => number): number => {
  try {
    return act();
  } catch (error) {
    if (error instanceof CallError) return -error.errno;
    throw error;
  }
};
