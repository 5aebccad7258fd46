import type { SimHost, SimTask } from '../sim-host.ts';
import { SIGKILL } from '../uapi.ts';
import type { ScenarioEvent, ScenarioObserver } from './events.ts';

/** Calls that end other processes. */
const KILLS: ReadonlySet<string> = new Set(['kill', 'tkill', 'tgkill', 'ptrace']);

type Told<Event> = Event extends unknown ? Omit<Event, 'time'> : never;

/** How a process ended. */
export interface Ending {
  readonly name: string;
  /** Undefined where it exited by itself. */
  readonly signal: number | undefined;
  readonly byPolicy: boolean;
}

/** Keeps an eye on the processes of a scenario and tells who watches it. */
export interface Watch {
  tell(event: Told<ScenarioEvent>): void;
  follow(type: 'present' | 'started' | 'executed', name: string, task: SimTask): void;
  /** Tells of the processes that ended in a call; returns how the given ones did. */
  look(call: string, caller: SimTask): ReadonlyMap<SimTask, Ending>;
}

export const createWatch = (host: SimHost, observer: ScenarioObserver | undefined): Watch => {
  const followed = new Map<SimTask, string>();
  const tell: Watch['tell'] = (event) => observer?.({ time: host.bootNs, ...event } as ScenarioEvent);
  return {
    tell,
    follow: (type, name, task) => {
      followed.set(task, name);
      const { pid, exepath, argv, uid, cgroup, parent } = task;
      tell({ type, process: { name, pid, parentPid: parent?.pid ?? 0, exepath, argv, uid, cgroup } });
    },
    look: (call, caller) => {
      const ended = new Map<SimTask, Ending>();
      for (const [task, name] of followed) {
        if (task.alive) continue;
        followed.delete(task);
        const { pid, killedBy: signal } = task;
        const byPolicy = signal === SIGKILL && (!KILLS.has(call) || task === caller);
        ended.set(task, { name, signal, byPolicy });
        if (signal === undefined) tell({ type: 'ended', name, pid, status: task.exitStatus ?? 0 });
        else tell({ type: 'killed', name, pid, signal, byPolicy });
      }
      return ended;
    },
  };
};
