import { type Abi, callNumber, EVENT_TYPES, type EventType } from '../../../rules/index.ts';
import type { HookPoint } from '../kernel/hooks.ts';
import { writePointer } from '../kernel/kernel-object.ts';
import type { Machine } from '../kernel/machine.ts';
import { PT_REGS } from '../kernel/structs.ts';
import type { Task } from '../kernel/tasks.ts';
import { ARGUMENT_REGISTERS } from './registers.ts';

/** Where a tracepoint's record has the call's number, its first argument and its result (kernel/trace/trace.h, struct syscall_trace_enter and _exit). */
const [NUMBER_AT, ARGUMENTS_AT, RESULT_AT] = [8, 16, 16];

const runRecord = (
  machine: Machine,
  point: HookPoint | undefined,
  number: number,
  values: (view: DataView, at: number) => void,
): void => {
  if (!point) return;
  const { view } = machine.memory;
  view.setBigInt64(point.context + NUMBER_AT, BigInt(number), true);
  values(view, point.context);
  point.run();
};

/** Entering a call, as the tracepoints and probes see it that rules don't use; those of single calls pass over the tables of ia32 and x32. */
export const traceEntry = (machine: Machine, task: Task, event: EventType, abi: Abi): void => {
  const { hookPoints } = machine;
  const copy = (view: DataView, at: number): void => {
    for (const [index, register] of ARGUMENT_REGISTERS[abi].entries())
      view.setBigUint64(at + ARGUMENTS_AT + 8 * index, view.getBigUint64(task.regsAt + register, true), true);
  };
  const number = callNumber(event, abi) ?? -1;
  runRecord(machine, hookPoints.attached('tp/raw_syscalls/sys_enter'), number, copy);
  if (abi !== 'x86-64') return;
  runRecord(machine, hookPoints.attached(`tp/syscalls/sys_enter_${event.type}`), number, copy);
  const probe = hookPoints.attached(`kprobe/__x64_sys_${event.type}`);
  if (probe) {
    writePointer(machine.memory, probe.context + PT_REGS.di, task.regsAt);
    probe.run();
  }
};

/** Leaving a call. What executes a new program leaves it as execve, whatever it entered (arch/x86/kernel/process_64.c, set_personality_64bit). */
export const traceExit = (machine: Machine, event: EventType, abi: Abi, executed: boolean, result: number): void => {
  const { hookPoints } = machine;
  const seen = executed ? (EVENT_TYPES.get('execve') ?? event) : event;
  const write = (view: DataView, at: number): void => view.setBigInt64(at + RESULT_AT, BigInt(result), true);
  const other = abi !== 'x86-64' && !executed;
  const number = other ? (callNumber(seen, abi) ?? -1) : seen.nr;
  runRecord(machine, hookPoints.attached('tp/raw_syscalls/sys_exit'), number, write);
  if (!other) runRecord(machine, hookPoints.attached(`tp/syscalls/sys_exit_${seen.type}`), number, write);
};
