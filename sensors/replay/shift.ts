import { type PreparedCall, preparedAgain, type SimArgument } from '../sim/index.ts';

/** What is added to the process ids of a recording that is played again. */
export interface Shift {
  readonly pids: number;
}

/** Calls whose result is a process id. */
const GIVES_PID = new Set([
  'fork',
  'vfork',
  'clone',
  'clone3',
  'wait4',
  'waitid',
  'setsid',
  'getpgid',
  'getpgrp',
  'getsid',
]);

/** /proc/PID at the beginning of a path. */
const PROC = /^\/proc\/(\d+)(?=\/|$)/;

const isPid = (pids: ReadonlySet<number>, value: number): boolean => pids.has(value) || pids.has(-value);

const shiftArgument = (
  argument: SimArgument,
  kind: string | undefined,
  pids: ReadonlySet<number>,
  by: number,
): SimArgument => {
  if (typeof argument === 'number' && kind === 'pid' && argument !== 0 && isPid(pids, argument))
    return argument > 0 ? argument + by : argument - by;
  if (typeof argument !== 'string' || !argument.startsWith('/proc/')) return argument;
  const pid = Number(PROC.exec(argument)?.[1] ?? 0);
  return pids.has(pid) ? argument.replace(PROC, `/proc/${pid + by}`) : argument;
};

const argumentsOf = (call: PreparedCall, pids: ReadonlySet<number>, by: number): readonly SimArgument[] =>
  call.arguments.map((argument, index) => shiftArgument(argument, call.event.arguments[index]?.kind, pids, by));

const givesPid = ({ event, recorded }: PreparedCall, pids: ReadonlySet<number>): boolean =>
  recorded !== undefined && GIVES_PID.has(event.type) && pids.has(recorded.result);

const namesPids = (call: PreparedCall, pids: ReadonlySet<number>): boolean =>
  argumentsOf(call, pids, 1).some((argument, index) => argument !== call.arguments[index]);

/** What gives a call for other process ids; undefined where it names or gives none of a recording's processes in a way that matters. */
export const shifterOf = (
  call: PreparedCall,
  pids: ReadonlySet<number>,
): ((shift: Shift) => PreparedCall) | undefined => {
  const gives = givesPid(call, pids);
  const names = namesPids(call, pids);
  if (!gives && !names) return undefined;
  return ({ pids: by }) => {
    const { recorded } = call;
    const result = recorded && gives ? { ...recorded, result: recorded.result + by } : recorded;
    return preparedAgain(call, names ? argumentsOf(call, pids, by) : call.arguments, result);
  };
};
