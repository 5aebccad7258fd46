import type { HookName } from '../../engine/object/index.ts';
import { type EventType, type Predicate, Truth } from '../language/index.ts';
import type { AddressTest, NumberTest, StringTest } from './tests.ts';

/** What the kernel reads of a task only where some rule asks for it. */
export type TaskDetail = 'capabilities' | 'tty' | 'vpid' | 'vtid' | 'pvpid' | 'sid' | 'pgid' | 'vpgid' | 'threads';

/**
 * A number that the kernel part has in the event's record. `argument` is a raw argument of the call, read as `bits` signed bits. `mask`
 * names the bits that count: the number is that of the slot with all others cleared.
 */
export type NumberSlot = (
  | { readonly slot: 'result' | 'fd' | 'access' | 'create' | 'typechar' | 'dev' | 'devMajor' | 'devMinor' | 'ino' }
  | { readonly slot: 'tgid' | 'tid' | 'ppid' | 'uid' | 'gid' | 'loginuid' | 'duration' | 'isMain' }
  | { readonly slot: 'tty' | 'vpid' | 'vtid' | 'pvpid' | 'sid' | 'pgid' | 'vpgid' | 'threads' }
  | { readonly slot: 'isSessionLeader' | 'isGroupLeader' | 'isVirtualGroupLeader' }
  | { readonly slot: 'capEffective' | 'capPermitted' | 'capInheritable' }
  | { readonly slot: 'protocol' | 'connected' }
  | { readonly slot: 'argument'; readonly index: number; readonly bits: 32 | 64 }
) & { readonly mask?: readonly number[] };

/** A string that the kernel part reads: the file's resolved path, a path or a text as the caller passed it, or the working directory (`base` at exec). */
export type StringSlot = 'file' | 'path' | 'path2' | 'base' | 'text' | 'cwd';

/** What of a string is tested; `raw`: a path with no folder in front and as it was written. */
export type StringPart = 'whole' | 'directory' | 'filename' | 'raw';

/** Which end of a socket. */
export type End = 'local' | 'remote';

/** Facts as of exec, which the exec program evaluates once a process. */
export type ProcessFact = 'name' | 'exe' | 'exepath' | 'args' | 'cmdline' | 'env' | BooleanFact;

/** Of these, what is true or false: tests of them say `1`. */
export type BooleanFact = 'memfd' | 'upper' | 'lower';

/** How the kernel evaluates a predicate at one hook. */
export type KernelPredicate =
  /** A bit of the process (depth 0), of its parent (1), its nth ancestor, or of any ancestor. */
  | { readonly place: 'process'; readonly depth: number | 'any'; readonly fact: ProcessFact; readonly test: StringTest }
  | { readonly place: 'number'; readonly of: NumberSlot; readonly test: NumberTest }
  | {
      readonly place: 'string';
      readonly of: StringSlot;
      readonly part: StringPart;
      readonly test: StringTest;
    }
  | { readonly place: 'address'; readonly ends: readonly End[]; readonly test: AddressTest }
  | { readonly place: 'port'; readonly ends: readonly End[]; readonly test: NumberTest; readonly negated: boolean }
  /** A column of the source's row, which user space fills in; unknown where there is no row. */
  | { readonly place: 'facts'; readonly of: FactSource; readonly predicate: Predicate }
  | { readonly place: 'scope'; readonly cgroup: string };

/** What becomes of a predicate at one hook for one event type: known at compile time, evaluated in the kernel, or after it (and why). */
export type Placed =
  | { readonly kind: 'constant'; readonly truth: Truth }
  | { readonly kind: 'kernel'; readonly kernel: KernelPredicate }
  | { readonly kind: 'user'; readonly reason: string };

/** Facts that user space tells the kernel: of the record's container by its cgroup's id, of its user, its group and its login user by theirs. */
export type FactSource = 'container' | 'user' | 'group' | 'login';

/** The place a predicate is planned for. */
export interface Site {
  readonly hook: HookName;
  readonly event: EventType;
}

export const constant = (truth: Truth): Placed => ({ kind: 'constant', truth });
export const user = (reason: string): Placed => ({ kind: 'user', reason });
export const ABSENT = constant(Truth.ABSENT);
