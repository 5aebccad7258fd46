import { ECANCELED } from '../../../engine/maps/index.ts';
import { callPlace, EVENT_TYPES, requestTypeOf } from '../../../rules/index.ts';
import { isStill } from '../kernel/found-paths.ts';
import type { Ring, RingEntry } from '../kernel/io-uring.ts';
import type { Machine } from '../kernel/machine.ts';
import { isSamePath, type Path } from '../kernel/mounts.ts';
import type { Processes } from '../kernel/processes.ts';
import type { Task } from '../kernel/tasks.ts';
import type { CallOptions, CallResult, PassedCalls, SimArgument, Via } from '../sim-host.ts';
import { CallError, SystemCall } from './call.ts';
import { IORING_ENTER_GETEVENTS, IORING_SETUP_SQPOLL, prepareRequest, ringOf } from './io-uring.ts';
import { type KnownPath, type PreparedCall, prepareCall } from './prepared.ts';
import { isUnderWay, needsInterpreter, prepareRecorded, showRefused, startAt } from './recorded.ts';
import { clearForExec, enterCall, keepEntry, setResult } from './registers.ts';
import { traceEntry, traceExit } from './traced.ts';

/** How long calls take, in nanoseconds: the least, and what chance adds. */
const CALL_NS = 1000;
const CALL_JITTER_NS = 4000;

const EXECVE = EVENT_TYPES.get('execve')?.nr ?? 59;
const EXECVE_PLACE = callPlace(EXECVE, 'x86-64');

/** Makes system calls happen: hooks, effect, result, and what follows from signals. */
export class SystemCalls {
  readonly #machine: Machine;
  readonly #processes: Processes;
  /** What plays calls, one after the other. */
  #played: SystemCall | undefined;
  /** Calls made so far. */
  count = 0;

  constructor(machine: Machine, processes: Processes) {
    this.#machine = machine;
    this.#processes = processes;
  }

  /** @throws Error for an unknown name and for arguments that a call can't have */
  make(task: Task, name: string, args: readonly SimArgument[], options: CallOptions): CallResult {
    if (options.via !== undefined) return this.#submit(task, name, args, options.via);
    const call = new SystemCall(this.#machine, this.#processes, task, prepareCall(name, args, options), this.#serve);
    return this.#resultOf(call, this.#run(call));
  }

  /** Makes a call whose result nobody asks for. One that changes nothing and that no program looks at only takes its time. */
  play(task: Task, prepared: PreparedCall): void {
    if (this.#passQuiet(task, prepared)) return;
    if (this.#played === undefined) {
      this.#played = new SystemCall(this.#machine, this.#processes, task, prepared, this.#serve);
      this.#played.isRepeated = true;
    } else this.#played.become(task, prepared);
    this.#run(this.#played);
  }

  /**
   * Takes the time of recorded calls that change nothing, up to the first that a program may look at. Returns its index, or `to`.
   * @param begins what is added to their times
   */
  pass({ places, times }: PassedCalls, begins: number, from: number, to: number): number {
    const { hookPoints, clock } = this.#machine;
    let at = from;
    for (; at < to && !hookPoints.looksAt(places[at] as number); at++) {
      const time = begins + (times[at] as number);
      if (time > clock.ns) clock.ns = time;
      this.#passTime();
    }
    hookPoints.passSysExit(at - from);
    return at;
  }

  /** Does what a call does to its caller's descriptors where that is all it does, and takes its time; false, with nothing done, where it has to be made. */
  #passQuiet(task: Task, prepared: PreparedCall): boolean {
    const { quiet, look, light } = prepared;
    if (!quiet && light === undefined) return false;
    const { hookPoints } = this.#machine;
    if (hookPoints.looksAt(prepared.place)) return false;
    if (!quiet && light?.(task, prepared, this.#processes) !== true) return false;
    if (look !== undefined && !this.#leads(task, look)) return false;
    this.#passTime();
    hookPoints.passSysExit(1);
    return true;
  }

  /** Whether the path that a recorded call is about is known to lead somewhere. */
  leads(task: Task, { known, look }: PreparedCall): boolean {
    const path = known ?? look;
    return path !== undefined && this.#leads(task, path);
  }

  /** Whether a path leads somewhere, as far as that is known. */
  #leads(task: Task, path: KnownPath): boolean {
    const { walk } = this.#machine;
    const { root } = task.fs;
    const start = path.isAbsolute ? root : startAt(task, path.fd);
    const { found } = path;
    if (
      found !== undefined &&
      isStill(found) &&
      isSamePath(path.root as Path, root) &&
      (path.isAbsolute || isSamePath(path.start as Path, start))
    )
      return true;
    path.found = walk.found(task, start, path.text, path.follow);
    path.root = root;
    path.start = start;
    return path.found !== undefined;
  }

  #passTime(): void {
    const machine = this.#machine;
    this.count++;
    machine.clock.ns += CALL_NS + (machine.random() % CALL_JITTER_NS);
  }

  /** Gives the result. */
  #run(call: SystemCall): number {
    const machine = this.#machine;
    const { task, prepared } = call;
    const { event, abi, nr, place, recorded } = prepared;
    const looks = machine.hookPoints.looksAt(place) || event.type === 'io_uring_enter';
    if (looks) enterCall(machine, task, prepared);
    if (looks && call.isRepeated && !prepared.once && prepared.image === undefined) keepEntry(machine, task, prepared);
    this.#passTime();
    machine.current = task;
    this.#setRecorded(recorded !== undefined);
    try {
      machine.hookPoints.verdicts.refusedAt = undefined;
      this.#runSysEnter(task, nr);
      if (machine.hookPoints.hasOthers) traceEntry(machine, task, event, abi);
      const result = recorded === undefined ? effect(call) : this.#play(call, recorded.result);
      this.#return(call, result, looks);
      return result;
    } finally {
      this.#setRecorded(false);
      machine.current = undefined;
    }
  }

  #resultOf(call: SystemCall, result: number): CallResult {
    const deniedBy = result < 0 ? this.#machine.hookPoints.verdicts.refusedAt : undefined;
    return {
      result,
      ...(call.data === undefined ? {} : { data: call.data }),
      ...(call.fds === undefined ? {} : { fds: call.fds }),
      ...(call.child === undefined ? {} : { child: call.child }),
      ...(call.from === undefined ? {} : { from: call.from }),
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
      this.#endSignalled(task);
      this.#endSignalled(ring.thread);
    }
    return ring.completions.shift() ?? { result: -ECANCELED };
  }

  /** A task takes a ring's next entry: the request is prepared, shown to programs, and carried out. */
  readonly #serve = (task: Task, ring: Ring): void => {
    const machine = this.#machine;
    const entry = ring.submissions.shift();
    if (entry === undefined) return;
    const { event } = entry.type;
    const before = machine.current;
    machine.current = task;
    machine.hookPoints.verdicts.refusedAt = undefined;
    const call = new SystemCall(machine, this.#processes, task, prepareCall(event.type, entry.arguments, {}));
    const result = resultOf(() => {
      this.#showRequest(call, entry);
      return call.prepared.handler(call);
    });
    ring.completions.push(this.#resultOf(call, result));
    machine.current = before;
  };

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
    machine.hookPoints.verdicts.ignored = recorded;
  }

  /** A recorded call: made to happen if it succeeded, shown to the LSM hooks it reached if it was refused. */
  #play(call: SystemCall, result: number): number {
    if (result < 0 && !isUnderWay(call.name, result)) showRefused(call, -result);
    else {
      const { known, needs } = call.prepared;
      if (known !== undefined && this.#leads(call.task, known)) call.known = known;
      if (needs && (call.known === undefined || needsInterpreter(call))) prepareRecorded(call);
      effect(call);
    }
    return result;
  }

  #return(call: SystemCall, result: number, looked: boolean): void {
    const { task, child } = call;
    const machine = this.#machine;
    if (!call.exited) {
      const { event, abi, executed } = call;
      const traced = machine.hookPoints.hasOthers;
      const looks = executed ? machine.hookPoints.looksAt(EXECVE_PLACE) : looked;
      if (executed && looks) clearForExec(machine, task, EXECVE);
      this.#runSysExit(task, result, looks);
      if (traced) traceExit(machine, event, abi, executed, result);
      if (child) {
        machine.current = child;
        this.#runSysExit(child, 0, looks);
        if (traced) traceExit(machine, event, abi, executed, 0);
        machine.current = task;
      }
    }
    this.#endSignalled(task);
    this.#endSignalled(child);
    if (call.signalled) for (const signalled of call.signalled) this.#endSignalled(signalled);
    if (!call.exited && looked) task.threadStatus = 0;
  }

  #endSignalled(task: Task | undefined): void {
    const signal = task?.group.fatalSignal;
    if (task && signal !== undefined && task.alive) this.#processes.exitGroup(task, { signal });
  }

  #runSysEnter(task: Task, nr: number): void {
    const hook = this.#machine.hooks['raw_tp/sys_enter'];
    if (!hook.active) return;
    hook.setPointer(0, task.regsAt);
    hook.setNumber(1, nr);
    hook.run();
  }

  /** @param looks whether a program may look at the call, for which the registers were written */
  #runSysExit(task: Task, result: number, looks: boolean): void {
    if (!looks) {
      this.#machine.hookPoints.passSysExit(1);
      return;
    }
    setResult(this.#machine, task, result);
    const hook = this.#machine.hooks['tp_btf/sys_exit'];
    if (!hook.active) return;
    hook.setPointer(0, task.regsAt);
    hook.setNumber(1, result);
    hook.run();
  }
}

/** Lets a call happen; a negative result is an errno. */
const effect = (call: SystemCall): number => {
  try {
    return call.prepared.handler(call);
  } catch (error) {
    if (error instanceof CallError) return -error.errno;
    throw error;
  }
};

const resultOf = (act: () => number): number => {
  try {
    return act();
  } catch (error) {
    if (error instanceof CallError) return -error.errno;
    throw error;
  }
};
