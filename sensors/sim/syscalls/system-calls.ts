import { EVENT_TYPES } from '../../../rules/index.ts';
import type { Machine } from '../kernel/machine.ts';
import type { Processes } from '../kernel/processes.ts';
import type { Task } from '../kernel/tasks.ts';
import type { CallOptions, CallResult, SimArgument } from '../sim-host.ts';
import { CallError, SystemCall } from './call.ts';
import { isUnderWay, prepareRecorded, showRefused } from './recorded.ts';
import { clearForExec, enterCall, setResult } from './registers.ts';
import { type CallEntry, callNamed } from './table.ts';
import { traceEntry, traceExit, traceReturn } from './traced.ts';

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
    const machine = this.#machine;
    const abi = options.abi ?? 'x86-64';
    const entry = find(name, abi);
    const { event } = entry;
    enterCall(machine, task, event, args, abi);
    const call = new SystemCall(machine, this.#processes, task, event, args, abi, options.recorded);
    this.count++;
    machine.clock.ns += CALL_NS + (machine.random() % CALL_JITTER_NS);
    machine.current = task;
    this.#setRecorded(options.recorded !== undefined);
    try {
      for (const hook of LSM_HOOKS) machine.hooks[hook].refused = false;
      this.#runSysEnter(task, abi === 'ia32' ? event.nr32 : event.nr);
      traceEntry(machine, task, event, abi);
      const result =
        options.recorded === undefined ? effect(call, entry) : this.#play(call, entry, options.recorded.result);
      this.#return(call, result);
      const deniedBy = result < 0 ? LSM_HOOKS.find((hook) => machine.hooks[hook].refused) : undefined;
      return {
        result,
        ...(call.data === undefined ? {} : { data: call.data }),
        ...(call.fds === undefined ? {} : { fds: call.fds }),
        ...(deniedBy === undefined ? {} : { deniedBy }),
      };
    } finally {
      this.#setRecorded(false);
      machine.current = undefined;
    }
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
      traceReturn(machine, task, event, abi, result);
      this.#runSysExit(task, result);
      traceExit(machine, event, abi, executed, result);
      if (child) {
        machine.current = child;
        this.#runSysExit(child, 0);
        traceExit(machine, event, abi, executed, 0);
        machine.current = task;
      }
    }
    for (const killed of [task, child, ...(call.signalled ?? [])]) {
      const signal = killed?.group.fatalSignal;
      if (killed && signal !== undefined && killed.alive) this.#processes.exitGroup(killed, { signal });
    }
    if (!call.exited) task.threadStatus = 0;
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
const find = (name: string, abi: 'x86-64' | 'ia32'): CallEntry => {
  const entry = callNamed(name);
  if (!entry) throw new Error(`there is no system call "${name}"`);
  if (abi === 'ia32' && entry.event.nr32 < 0) throw new Error(`the ia32 table has no system call "${name}"`);
  return entry;
};

/** Lets a call happen; a negative result is an errno. */
const effect = (call: SystemCall, { handler }: CallEntry): number => {
  try {
    return handler(call);
  } catch (error) {
    if (error instanceof CallError) return -error.errno;
    throw error;
  }
};
