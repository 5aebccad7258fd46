import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject, NOWHERE } from './kernel-object.ts';
import { Pid, type PidNamespace } from './pids.ts';
import { SIGNAL } from './structs.ts';
import type { Task } from './tasks.ts';
import { terminalAt } from './terminals.ts';

/** enum pid_type (include/linux/pid_types.h). */
const PIDTYPE_TGID = 1;
const PIDTYPE_PGID = 2;
const PIDTYPE_SID = 3;

type Disposition = 'ignored' | 'caught';

/** What a process's threads share (struct signal_struct). */
export class ThreadGroup extends KernelObject {
  readonly threads: Task[] = [];
  /** A signal that ends the process once its current call is over. */
  fatalSignal: number | undefined;
  exitStatus: number | undefined;
  /** How the thread ended that ended last: the signal that killed it or 0, and its exit status. */
  ending: { readonly signal: number; readonly status: number } = { signal: 0, status: 0 };
  /** Orphans among its descendants become its children (PR_SET_CHILD_SUBREAPER). */
  isSubreaper = false;
  /** That its process and its threads are numbered in. */
  readonly namespace: PidNamespace;
  readonly #groupPid: Pid;
  readonly #sessionPid: Pid;
  #pgid = 0;
  #sid = 0;
  #tty: string | undefined;
  #dispositions: Map<number, Disposition> | undefined;

  constructor(memory: Memory, pgid: number, sid: number, namespace: PidNamespace) {
    super(memory, SIGNAL.size);
    this.namespace = namespace;
    this.#groupPid = new Pid(memory);
    this.#sessionPid = new Pid(memory);
    this.#pointTo(PIDTYPE_PGID, this.#groupPid);
    this.#pointTo(PIDTYPE_SID, this.#sessionPid);
    this.pgid = pgid;
    this.sid = sid;
    this.tty = undefined;
  }

  /** Signals that don't have their default effect: caught or ignored. */
  get dispositions(): Map<number, Disposition> {
    if (this.#dispositions === undefined) this.#dispositions = new Map();
    return this.#dispositions;
  }

  /** Takes over the dispositions that a forked process had. */
  copyDispositions(from: ThreadGroup): void {
    if (from.#dispositions !== undefined) this.#dispositions = new Map(from.#dispositions);
  }

  /** A new program catches no signal. */
  catchNone(): void {
    if (this.#dispositions === undefined) return;
    for (const [signal, disposition] of this.#dispositions)
      if (disposition === 'caught') this.#dispositions.delete(signal);
  }

  get pgid(): number {
    return this.#pgid;
  }

  set pgid(pgid: number) {
    this.#pgid = pgid;
    this.#groupPid.set(pgid, this.namespace);
  }

  get sid(): number {
    return this.#sid;
  }

  set sid(sid: number) {
    this.#sid = sid;
    this.#sessionPid.set(sid, this.namespace);
  }

  /** The controlling terminal's name below /dev. */
  get tty(): string | undefined {
    return this.#tty;
  }

  set tty(tty: string | undefined) {
    this.#tty = tty;
    this.setPointer(SIGNAL.tty, this.namespace.untold ? NOWHERE : terminalAt(this.memory, tty));
  }

  /** The first thread's pid, which is the process's. */
  set leaderPid(pid: Pid) {
    this.#pointTo(PIDTYPE_TGID, pid);
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
    this.#countThreads();
  }

  remove(task: Task): void {
    this.threads.splice(this.threads.indexOf(task), 1);
    this.#countThreads();
  }

  release(): void {
    this.#groupPid.release();
    this.#sessionPid.release();
    this.free();
  }

  #countThreads(): void {
    this.setU32(SIGNAL.threads, this.namespace.untold ? 0 : this.threads.length);
  }

  #pointTo(type: number, pid: Pid): void {
    this.setPointer(SIGNAL.pids + 8 * type, this.namespace.untold ? NOWHERE : pid.at);
  }
}
