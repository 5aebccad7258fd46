import { offeredHook } from '../engine/object/index.ts';
import { ASKED_BY_FANOTIFY, type Compiled, type EventRecord, fanotifyName, fanotifyTask } from '../rules/index.ts';
import type { Answered, Gate, Kernel, KernelMap } from '../sensors/index.ts';
import { hookAsked, recordOf } from './answered-record.ts';

/** Nanoseconds after which a call is told of, whatever has arrived of its process. */
const LAG = 100_000_000n;
/** How long after it ended the process that answers is started again, in milliseconds. */
const AGAIN_MS = 1_000;

/** Hooks that fanotify stands for: those of its kind that rules deny at and the kernel takes no programs at, where there are mounts to ask about. */
export const hooksAsked = (
  kernel: Kernel,
  compiled: Compiled,
  mounts: readonly string[],
  warn?: (sentence: string) => void,
): ReadonlySet<string> => {
  if (mounts.length === 0 || kernel.openGate === undefined) return new Set();
  const { task, left } = fanotifyTask(compiled);
  const isMissing = (hook: string): boolean => offeredHook(hook, kernel.features.hooks) === undefined;
  const found = new Set<string>(task.rules.map(({ on }) => hookAsked(on)).filter(isMissing));
  const missing = Object.keys(ASKED_BY_FANOTIFY).some(isMissing);
  if (!missing) warn?.(`${kernel.features.name} has LSM hooks, which decide opens and execs: fanotify is not used`);
  else
    for (const { rule, why } of left)
      warn?.(
        `${compiled.plan.rules[rule]?.name ?? ''}: fanotify can't decide it (${why}), and the kernel has no LSM hook`,
      );
  return found;
};

/** Answers for opens and execs while policies run. */
export interface Asking {
  /** The hooks it stands for. */
  readonly hooks: ReadonlySet<string>;
  /** Tells of calls up to a time; without one, of all. */
  tell(until?: { readonly seen: bigint; readonly now: bigint }): void;
  /** Nobody else answers any more: from now on it also tells of what it let through. */
  alone(): void;
  close(): Promise<void>;
}

export interface AskingOptions {
  readonly kernel: Kernel;
  readonly scope: string;
  readonly mounts: readonly string[];
  readonly compiled: Compiled;
  readonly maps: ReadonlyMap<string, KernelMap>;
  readonly hooks: ReadonlySet<string>;
  /** Another one answers still, which tells of what both let through. */
  readonly isSecond?: boolean;
  readonly onRecord: (record: EventRecord) => void;
  readonly warn?: ((sentence: string) => void) | undefined;
}

const noneAsked: Asking = {
  hooks: new Set(),
  tell: () => undefined,
  alone: () => undefined,
  close: async () => undefined,
};

/** Opens what answers for the kernel's questions; where that can't be, a warning says so and the hooks are nobody's. */
export const openAsking = async (options: AskingOptions): Promise<Asking> => {
  const { kernel, scope, mounts, compiled, maps, hooks, onRecord, warn } = options;
  if (hooks.size === 0 || kernel.openGate === undefined) return noneAsked;
  const names = [...hooks].map(fanotifyName).join(' and ');
  const { task } = fanotifyTask(compiled);
  let isSecond = options.isSecond === true;
  let waiting: Answered[] = [];
  let gate: Gate | undefined;
  let again: NodeJS.Timeout | undefined;
  let isClosed = false;
  const open = async (): Promise<void> => {
    gate = await kernel.openGate?.({
      mounts,
      scope,
      task: { ...task, rules: task.rules.filter(({ on }) => hooks.has(hookAsked(on))) },
      maps,
      onAnswered: (answered) => {
        if (!isSecond || answered.answer.denied) waiting.push(answered);
      },
      onProblem: (sentence) => warn?.(sentence),
      onEnd: (why) => {
        gate = undefined;
        if (isClosed) return;
        warn?.(
          `${names}: the process that answers has ended (${why}): everything is let through until another has begun`,
        );
        retry();
      },
    });
    if (isClosed) await gate?.close();
  };
  const retry = (): void => {
    again = setTimeout(() => {
      open().catch((error: unknown) => {
        warn?.(`${names}: ${error instanceof Error ? error.message : String(error)}`);
        if (!isClosed) retry();
      });
    }, AGAIN_MS);
    again.unref();
  };
  try {
    await open();
  } catch (error) {
    warn?.(`${names}: nothing is denied there: ${error instanceof Error ? error.message : String(error)}`);
    return noneAsked;
  }
  return {
    hooks,
    tell: (until) => {
      if (waiting.length === 0) return;
      const isDue = ({ asked: { time } }: Answered): boolean =>
        until === undefined || time <= until.seen || time + LAG <= until.now;
      const due = waiting.filter(isDue);
      if (due.length === 0) return;
      waiting = waiting.filter((each) => !isDue(each));
      for (const answered of due) onRecord(recordOf(answered, compiled.layouts));
    },
    alone: () => {
      isSecond = false;
    },
    close: async () => {
      isClosed = true;
      clearTimeout(again);
      await gate?.close();
    },
  };
};
