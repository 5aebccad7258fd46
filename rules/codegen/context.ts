import type { HookPlan, Plan, ProcessFact, StringPart, StringSlot, TaskDetail } from '../plan/index.ts';
import type { Emitter } from './emitter.ts';
import type { FactRows } from './facts.ts';
import type { Guard, RecordLayout } from './layout.ts';
import type { Matching } from './matching.ts';
import type { NormalForm } from './normal-form.ts';
import { WALK_BYTES } from './path.ts';
import type { PlacedAutomaton } from './rows.ts';
import type { Tables } from './tables.ts';

/** String predicates that one automaton decides together. */
export interface StringGroup {
  readonly of: StringSlot;
  readonly part: StringPart;
  readonly placed: PlacedAutomaton;
  /** The hook's predicates in the order of the automaton's tests; undefined for those of another hook that shares it. */
  readonly predicates: readonly (number | undefined)[];
}

/** Tests of one exec fact that one automaton decides together; the number of its row lies at `at` in a process's value. */
export interface ProcessGroup {
  readonly fact: ProcessFact;
  readonly placed: PlacedAutomaton;
  readonly at: number;
  /** Columns of the tests by their keys. */
  readonly columns: ReadonlyMap<string, number>;
  /** Tests that are asked of any ancestor have groups of their own, so that their rows are short. */
  readonly ofAny: boolean;
  /** The tests in the conditions' words, for listings. */
  readonly texts: readonly string[];
}

/** The facts that automata of their own decide, in the order of their bytes. */
export const PROCESS_FACTS: readonly ProcessFact[] = [
  'name',
  'exe',
  'exepath',
  'args',
  'cmdline',
  'env',
  'memfd',
  'upper',
  'lower',
];

/** Where the rows of process tests lie in the values of the `processes` map: two bytes a group. */
export interface ProcessLayout {
  readonly groups: readonly ProcessGroup[];
  /** A byte of a value: 1 where others share the process's file descriptors, or have since its exec, or where that isn't known. */
  readonly shared: number;
  /** A byte, 0: the executable was not protected when it was executed, whatever the process makes of it since. */
  readonly isProtected: number;
  /** Bytes a value; a multiple of 8. */
  readonly size: number;
}

/** Bytes of struct io_cmd_data (include/linux/io_uring_types.h). */
export const COMMAND_BYTES = 64;

/** Offsets into the scratch area behind the record, from `HookContext.extra` on. */
export const EXTRA = {
  /** What the `calls` map has for the call, or the operation of io_uring. */
  recipe: 0,
  needs: 4,
  path: 8,
  path2: 16,
  dirfd: 24,
  dirfd2: 28,
  address: 32,
  addressLength: 40,
  /** A sockaddr as read, 32 bytes. */
  sockaddr: 48,
  commLength: 80,
  /** 1: `address` is the kernel's copy, 0: the caller's memory. */
  addressCopied: 84,
  /** The address of a text. */
  text: 88,
  /** What an operation of io_uring keeps, `COMMAND_BYTES`. */
  command: 96,
  walk: 96 + COMMAND_BYTES,
  process: 96 + COMMAND_BYTES + WALK_BYTES,
} as const;

/** What a program's parts share while it is emitted. */
export interface HookContext {
  readonly out: Emitter;
  readonly plan: Plan;
  readonly hook: HookPlan;
  readonly layout: RecordLayout;
  readonly processes: ProcessLayout;
  readonly facts: readonly FactRows[];
  /** What is read of the task for the fields that rules name. */
  readonly details: ReadonlySet<TaskDetail>;
  readonly groups: readonly StringGroup[];
  readonly tables: Tables;
  readonly normalForm: NormalForm;
  readonly matching: Matching;
  /** Offset of the area behind the record in the scratch value. */
  readonly extra: number;
  /** Offset in the scratch value of 8 bytes that loops start through. */
  readonly loopCell: number;
  /** Offset in the scratch value of what matching keeps while it goes on. */
  readonly work: number;
  /** Bytes of a scratch value, behind which those of the map `slots` say whether they are in use. */
  readonly slotBytes: number;
  /** Guards that are left out: only tests do that, to show that each is needed. */
  readonly without: ReadonlySet<Guard>;
}
