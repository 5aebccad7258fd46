import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { simData, simResult } from './data.ts';
import { ACTORS, type Argument, fromSimPid, type Outcome, SLOTS, type Step, simArgument, toSimPid } from './step.ts';

const JAIL = '/jail';
const MEMORY = 16 * 1024 * 1024;
/** Files and tasks of so many sequences have room in one host. */
const RUNS_PER_HOST = 60;
/** ERESTARTSYS: the call would still be waiting. */
const WAITS = -512;
const MNT_DETACH = 2;
const CLONE_NEWNS = 0x2_0000;

/** The simulation of one sequence under way. */
export interface Run {
  /** By slot; undefined where no task was made yet. */
  readonly tasks: readonly (SimTask | undefined)[];
  /** What its pids are more than those of the sequence's own pid namespace. */
  readonly pidOffset: number;
  make(step: Step): Outcome;
  /** What a call gives that changes nothing and is no part of the sequence, as its outcome has it; undefined where it fails. */
  look(slot: number, call: string, args: readonly Argument[]): string | undefined;
  /** Ends all its tasks and takes its files away. */
  end(): void;
}

let shared: { readonly host: SimHost; runs: number; lastPid: number } | undefined;

const nextHost = (): NonNullable<typeof shared> => {
  if (shared === undefined || shared.runs === RUNS_PER_HOST) {
    const host = createSimHost({ memory: MEMORY });
    host.fs.mkdir(JAIL);
    shared = { host, runs: 0, lastPid: 1000 };
  }
  shared.runs++;
  return shared;
};

/** Makes the tree below a new jail and the first tasks, which have no open files yet. */
export const startRun = (setUp: readonly Step[]): Run => {
  const place = nextHost();
  const { host } = place;
  const pidOffset = place.lastPid;
  host.call(host.root, 'mount', ['tmpfs', JAIL, 'tmpfs', 0, null]);
  host.call(host.root, 'chmod', [JAIL, 0o755]);
  const first = host.spawn({ exepath: '/usr/bin/bash', pid: toSimPid(2, pidOffset) - 1 });
  const made = new Set<SimTask>();
  for (const [call, ...args] of [
    ['unshare', CLONE_NEWNS],
    ['chdir', JAIL],
    ['mkdir', 'old', 0o700],
    ['pivot_root', '.', 'old'],
    ['chdir', '/'],
    ['umount2', '/old', MNT_DETACH],
    ['rmdir', '/old'],
  ] as const) {
    const { result } = host.call(first, call, args);
    if (result < 0) throw new Error(`${call}(${args.join(', ')}) gave ${result}`);
  }
  host.call(first, 'umask', [0]);
  for (const step of setUp) {
    const { result } = host.call(
      first,
      step.call,
      step.args.map((argument) => simArgument(argument, pidOffset)),
    );
    if (result < 0) throw new Error(`set-up: ${step.call}(${JSON.stringify(step.args)}) gave ${result}`);
  }
  host.call(first, 'umask', [0o022]);
  for (let fd = 0; fd < 3; fd++) host.call(first, 'close', [fd]);
  const tasks: (SimTask | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  const hold = (slot: number, pid: number): void => {
    const task = host.task(pid);
    tasks[slot] = task;
    if (task) made.add(task);
    place.lastPid = Math.max(place.lastPid, pid);
  };
  for (let slot = 0; slot < ACTORS; slot++) hold(slot, host.call(first, 'fork', []).result);
  host.call(first, 'exit_group', [0]);
  const living = (): number[] => [...tasks.keys()].filter((slot) => tasks[slot]?.alive === true);
  const pidOf = (pid: number): number => fromSimPid(pid, pidOffset);
  const make = (step: Step): Outcome => {
    const task = tasks[step.by];
    if (!task?.alive) return { result: 'gone', data: undefined, living: living() };
    const answer = host.call(
      task,
      step.call,
      step.args.map((argument) => simArgument(argument, pidOffset)),
    );
    if (step.child !== undefined && answer.result > 0) hold(step.child, answer.result);
    if (!task.alive) return { result: 'ended', data: undefined, living: living() };
    if (answer.result === WAITS) return { result: 'waits', data: undefined, living: living() };
    const written = answer.fds ? new Uint8Array(new Int32Array(answer.fds).buffer) : answer.data;
    return {
      result: simResult(step, answer.result, pidOf),
      data: simData(step, answer.result, written, pidOf),
      living: living(),
    };
  };
  return {
    tasks,
    pidOffset,
    make,
    look: (slot, call, args) => make({ by: slot, call, args }).data,
    end: () => {
      for (const task of made) host.end(task, { signal: 9 });
      const { result } = host.call(host.root, 'umount2', [JAIL, MNT_DETACH]);
      if (result < 0) throw new Error(`umount2 gave ${result}`);
    },
  };
};

/** What a sequence comes to in the simulation, up to a call that would go on waiting. */
export const playInSimulation = (setUp: readonly Step[], steps: readonly Step[]): Outcome[] => {
  const run = startRun(setUp);
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    const outcome = run.make(step);
    outcomes.push(outcome);
    if (outcome.result === 'waits') break;
  }
  run.end();
  return outcomes;
};
