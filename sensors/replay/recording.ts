import type { StraceArgument, StraceResult } from './value.ts';

/** Where and when something in a recording happened. */
interface At {
  /** Line number, from 1; of a call its last part's. */
  readonly line: number;
  readonly pid: number;
  /** Nanoseconds since the recording's first line; undefined where the recording has no times. */
  readonly time: bigint | undefined;
}

/** A call that completed. */
export interface RecordedCall extends At {
  readonly kind: 'call';
  /** The line that its first part stands in. */
  readonly begin: number;
  readonly abi: 'x86-64' | 'ia32';
  readonly name: string;
  readonly arguments: readonly StraceArgument[];
  readonly result: StraceResult;
}

export type RecordedEvent =
  | RecordedCall
  | (At & { readonly kind: 'exited'; readonly status: number })
  | (At & { readonly kind: 'killed'; readonly signal: string })
  | (At & { readonly kind: 'signal'; readonly signal: string })
  /** The first thread of `pid` ends because the thread `by` called execve; that thread has the id `pid` from here on. */
  | (At & { readonly kind: 'superseded'; readonly by: number });

/** What is wrong with a recording; line 0 is about the whole of it. */
export interface RecordingProblem {
  readonly line: number;
  /** One sentence without file and line: what is wrong and what was expected. */
  readonly message: string;
}

/** An strace log, in the order in which calls completed. */
export interface Recording {
  readonly events: readonly RecordedEvent[];
  readonly problems: readonly RecordingProblem[];
  /** Wall time of the first line, nanoseconds since the Unix epoch; undefined unless the log was made with -ttt. */
  readonly start: bigint | undefined;
}

/** Whether to end at the first problem or to leave out what is wrong. */
export type OnProblem = 'stop' | 'skip';
