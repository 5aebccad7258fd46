import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject, writePointer } from './kernel-object.ts';
import type { Path } from './mounts.ts';
import { PID, PID_NAMESPACE, UPID } from './structs.ts';

/** Levels of namespaces below the first in which a pid can have a number here; Linux has 32 (MAX_PID_NS_LEVEL). */
export const MOST_PID_LEVELS = 3;

/** Numbers processes (struct pid_namespace): the host's own by their ids, those below it from 1 on. */
export class PidNamespace extends KernelObject {
  readonly level: number;
  readonly above: PidNamespace | undefined;
  /** Nobody knows the numbers of sessions and groups, nor of processes below it, nor whose terminal is whose. */
  readonly untold: boolean;
  /** The file that /proc/PID/ns/pid leads to; undefined for one that nobody can look at. */
  path: Path | undefined;
  /** Its first process is gone: nothing can begin in it any more. */
  isOver = false;
  readonly #numbers = new Map<number, number>();
  readonly #pids = new Map<number, number>();
  #last = 0;

  constructor(memory: Memory, above?: PidNamespace, untold = false) {
    super(memory, PID_NAMESPACE.size);
    this.above = above;
    this.untold = untold;
    this.level = above === undefined ? 0 : above.level + 1;
    this.setU32(PID_NAMESPACE.level, this.level);
  }

  /** Gives a host's pid its number here, and in every namespace above that has none for it yet. @param number default the next one */
  add(pid: number, number = this.#last + 1): void {
    if (this.above === undefined) return;
    this.#numbers.set(pid, number);
    this.#pids.set(number, pid);
    if (number > this.#last) this.#last = number;
    if (this.above.numberOf(pid) === undefined) this.above.add(pid);
  }

  /** The number of a host's pid here, undefined where it is of another namespace. */
  numberOf(pid: number): number | undefined {
    return this.above === undefined ? pid : this.#numbers.get(pid);
  }

  /** The host's pid with a number here. */
  pidOf(number: number): number | undefined {
    return this.above === undefined ? number : this.#pids.get(number);
  }

  /** Whether it is another one or lies below it. */
  isBelow(other: PidNamespace): boolean {
    for (let at: PidNamespace | undefined = this; at; at = at.above) if (at === other) return true;
    return false;
  }

  remove(pid: number): void {
    if (this.above === undefined) return;
    const number = this.#numbers.get(pid);
    this.#numbers.delete(pid);
    if (number !== undefined && this.#pids.get(number) === pid) this.#pids.delete(number);
    this.above.remove(pid);
  }
}

/** A pid with its numbers in the namespaces that see it (struct pid). */
export class Pid extends KernelObject {
  constructor(memory: Memory) {
    super(memory, PID.size);
  }

  /** Writes whose it is, as a namespace and those above it number it. */
  set(pid: number, namespace: PidNamespace): void {
    let innermost = namespace;
    while (innermost.above !== undefined && innermost.numberOf(pid) === undefined) innermost = innermost.above;
    this.setU32(PID.level, innermost.level);
    for (let at: PidNamespace | undefined = innermost; at; at = at.above) {
      const offset = PID.numbers + at.level * UPID.size;
      this.setU32(offset + UPID.nr, at.numberOf(pid) ?? 0);
      writePointer(this.memory, this.at + offset + UPID.namespace, at.at);
    }
  }

  release(): void {
    this.free();
  }
}
