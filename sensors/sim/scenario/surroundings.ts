import type { EnforcementSwitch, SensorClock } from '../../kernel.ts';
import type { SimHost } from '../sim-host.ts';

/** What happens in a scenario beside its calls: time passes, the agent hangs, somebody switches enforcement. */
export interface Surroundings {
  readonly clock: SensorClock;
  readonly enforcement: EnforcementSwitch;
  /** Whether the agent does nothing at the moment. */
  readonly hangs: boolean;
  /** Lets nanoseconds pass; what is due meanwhile is done in its time, unless the agent hangs. */
  pass(ns: number): void;
  /** Does what is due by now. */
  catchUp(): void;
  hang(hangs: boolean): void;
  switchOff(isOff: boolean): void;
}

interface Timer {
  readonly every: bigint;
  readonly act: () => void;
  due: bigint;
}

export const createSurroundings = (host: SimHost): Surroundings => {
  const timers = new Set<Timer>();
  const listeners = new Set<(by: string) => void>();
  let [hangs, isOff] = [false, false];
  const catchUp = (): void => {
    if (hangs) return;
    for (const timer of timers) {
      if (timer.due > host.bootNs) continue;
      timer.due = host.bootNs + timer.every;
      timer.act();
    }
  };
  const nextDue = (): bigint | undefined => {
    let next: bigint | undefined;
    if (!hangs) for (const { due } of timers) if (next === undefined || due < next) next = due;
    return next;
  };
  return {
    clock: {
      now: () => host.bootNs,
      every: (ns, act) => {
        const timer = { every: ns, act, due: host.bootNs + ns };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    },
    enforcement: {
      get isOff() {
        return isOff;
      },
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    get hangs() {
      return hangs;
    },
    pass: (ns) => {
      const end = host.bootNs + BigInt(Math.round(ns));
      for (let due = nextDue(); due !== undefined && due <= end; due = nextDue()) {
        if (due > host.bootNs) host.advance(due - host.bootNs);
        catchUp();
      }
      if (end > host.bootNs) host.advance(end - host.bootNs);
    },
    catchUp,
    hang: (does) => {
      hangs = does;
    },
    switchOff: (off) => {
      isOff = off;
      for (const listener of listeners) listener('the scenario');
    },
  };
};
