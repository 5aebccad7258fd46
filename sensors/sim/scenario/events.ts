import type { Step } from './scenario.ts';

/** What a step came to. */
export interface StepOutcome {
  /** The step's number, from 1. */
  readonly step: number;
  /** The step as people read it. */
  readonly text: string;
  /** The system call, or `wait`. */
  readonly call: string;
  readonly by: string | undefined;
  /** The pid of the process that made the call; undefined where none was made. */
  readonly pid: number | undefined;
  /** Negative is -errno; undefined where no call was made. */
  readonly result: number | undefined;
  /** A policy denied the call. */
  readonly denied: boolean;
  /** A policy killed the caller. */
  readonly killed: boolean;
  /** Why there was no call: a policy had ended or denied what it needs. */
  readonly skipped: string | undefined;
}

/** A process that a watcher of a scenario sees. */
export interface SeenProcess {
  /** What steps call it. */
  readonly name: string;
  readonly pid: number;
  readonly parentPid: number;
  readonly exepath: string;
  readonly argv: readonly string[];
  readonly uid: number;
  readonly cgroup: string;
}

/** What a watcher of a scenario is told, as it happens. `time` is nanoseconds since boot. */
export type ScenarioEvent = { readonly time: bigint } & (
  | { readonly type: 'step'; readonly step: Step }
  /** A process that was there before the first step. */
  | { readonly type: 'present'; readonly process: SeenProcess }
  /** A process was forked and, by an exec step, runs its own program. */
  | { readonly type: 'started'; readonly process: SeenProcess }
  /** A process put another program in its own place. */
  | { readonly type: 'executed'; readonly process: SeenProcess }
  | { readonly type: 'call'; readonly outcome: StepOutcome }
  | { readonly type: 'denied'; readonly outcome: StepOutcome }
  | { readonly type: 'skipped'; readonly outcome: StepOutcome }
  | { readonly type: 'ended'; readonly name: string; readonly pid: number; readonly status: number }
  | {
      readonly type: 'killed';
      readonly name: string;
      readonly pid: number;
      readonly signal: number;
      /** By an attached program, not by another process of the scenario. */
      readonly byPolicy: boolean;
    }
);

/** Is told what happens, in order; must not throw. */
export type ScenarioObserver = (event: ScenarioEvent) => void;
