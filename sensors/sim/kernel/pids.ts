import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject, writePointer } from './kernel-object.ts';
import { PID, PID_NAMESPACE, UPID } from './structs.ts';

/** Numbers processes (struct pid_namespace): the host's own by their ids, one below it from 1 on. */
export class PidNamespace extends KernelObject {
  readonly level: 0 | 1;
  readonly above: PidNamespace | undefined;
  /** Nobody knows the numbers of sessions and groups, nor of processes below it, nor whose terminal is whose. */
  readonly untold: boolean;
  readonly #numbers = new Map<number, number>();
  #last = 0;

  constructor(memory: Memory, above?: PidNamespace, untold = false) {
    super(memory, PID_NAMESPACE.size);
    this.above = above;
    this.untold = untold;
    this.level = above === undefined ? 0 : 1;
    this.setU32(PID_NAMESPACE.level, this.level);
  }

  /** Gives a host's pid its number here. @param number default the next one */
  add(pid: number, number = this.#last + 1): void {
    this.#numbers.set(pid, number);
    if (number > this.#last) this.#last = number;
  }

  /** The number of a host's pid here, undefined where it is of another namespace. */
  numberOf(pid: number): number | undefined {
    return this.above === undefined ? pid : this.#numbers.get(pid);
  }

  remove(pid: number): void {
    this.#numbers.delete(pid);
  }
}

/** A pid with its numbers in the namespaces that see it (struct pid). */
export class Pid extends KernelObject {
  constructor(memory: Memory) {
    super(memory, PID.size);
  }

  /** Writes whose it is, as a namespace and the one above it number it. */
  set(pid: number, namespace: PidNamespace): void {
    const inner = namespace.numberOf(pid);
    const deep = namespace.above !== undefined && inner !== undefined;
    this.setU32(PID.level, deep ? 1 : 0);
    this.#number(0, pid, namespace.above ?? namespace);
    if (deep) this.#number(1, inner, namespace);
  }

  release(): void {
    this.free();
  }

  #number(level: number, number: number, { at }: PidNamespace): void {
    const offset = PID.numbers + level * UPID.size;
    this.setU32(offset + UPID.nr, number);
    writePointer(this.memory, this.at + offset + UPID.namespace, at);
  }
}
