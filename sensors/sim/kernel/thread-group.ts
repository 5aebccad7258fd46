import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject } from './kernel-object.ts';
import { SIGNAL } from './structs.ts';
import type { Task } from './tasks.ts';

/** What a process's threads share (struct signal_struct). */
export class ThreadGroup extends KernelObject {
  readonly threads: Task[] = [];
  /** A signal that ends the process once its current call is over. */
  fatalSignal: number | undefined;
  exitStatus: number | undefined;
  pgid: number;
  sid: number;
  tty: string | undefined;
  /** Signals that don't have their default effect: caught or ignored. */
  readonly dispositions = new Map<number, 'ignored' | 'caught'>();

  constructor(memory: Memory, pgid: number, sid: number) {
    super(memory, SIGNAL.size);
    this.pgid = pgid;
    this.sid = sid;
  }

  /** Threads that have not begun to exit. */
  get live(): number {
    return this.u32(SIGNAL.live);
  }

  set live(live: number) {
    this.setU32(SIGNAL.live, live);
  }

  add(task: Task): void {
    this.threads.push(task);
    this.live++;
    this.setU32(SIGNAL.threads, this.threads.length);
  }

  remove(task: Task): void {
    this.threads.splice(this.threads.indexOf(task), 1);
    this.setU32(SIGNAL.threads, this.threads.length);
  }

  release(): void {
    this.free();
  }
}
