import { CLONE_FILES, CLONE_FS, CLONE_PARENT, CLONE_THREAD, CLONE_VM, SIGCHLD, SIGKILL } from '../uapi.ts';
import type { Machine } from './machine.ts';
import { moveToCopies, namespacesFor, ownCopy } from './new-namespaces.ts';
import type { PidNamespace } from './pids.ts';
import { PF_EXITING, PF_FORKNOEXEC, PF_IO_WORKER, PF_USER_WORKER, Task } from './tasks.ts';
import { ThreadGroup } from './thread-group.ts';

/** How a process ended. */
export type ExitReason = { readonly signal: number } | { readonly status: number };

/** pids wrap round at kernel.pid_max's default; those below 300 are not given out again (RESERVED_PIDS). */
const PID_MAX = 4_194_304;
const RESERVED_PIDS = 300;

/** Lets processes come and go. */
export class Processes {
  readonly #machine: Machine;
  #lastPid = RESERVED_PIDS;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** The next free pid. */
  nextPid(): number {
    const { tasks } = this.#machine;
    do this.#lastPid = this.#lastPid + 1 >= PID_MAX ? RESERVED_PIDS : this.#lastPid + 1;
    while (tasks.has(this.#lastPid));
    return this.#lastPid;
  }

  /** The living task with a thread id. */
  living(pid: number): Task | undefined {
    const task = this.#machine.tasks.get(pid);
    return task?.alive ? task : undefined;
  }

  /** Puts a new task among the others. A process's first thread becomes its parent's child. */
  add(task: Task): void {
    this.#machine.tasks.set(task.pid, task);
    if (task.leader === task) task.realParent?.leader.children.add(task);
    if (task.pid > this.#lastPid) this.#lastPid = task.pid;
  }

  /** Makes a process or thread as clone does, and runs sched_process_fork. @param pid default the next free one */
  fork(parent: Task, flags: number, pid = this.nextPid()): Task {
    const child = this.#copy(parent, flags, pid);
    const hook = this.#machine.hooks['tp_btf/sched_process_fork'];
    if (hook.active) {
      hook.setPointer(0, parent.at);
      hook.setPointer(1, child.at);
      hook.run();
    }
    return child;
  }

  /** Makes the thread of the process that takes a ring's requests (io_uring/sqpoll.c, create_io_thread): no hook sees it begin. */
  ioThread(parent: Task): Task {
    const thread = this.#copy(parent, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_THREAD, this.nextPid());
    thread.comm = `iou-sqp-${parent.tgid}`;
    thread.flags |= PF_IO_WORKER | PF_USER_WORKER;
    return thread;
  }

  #copy(parent: Task, flags: number, pid: number): Task {
    const { memory, clock } = this.#machine;
    const thread = (flags & CLONE_THREAD) !== 0;
    const namespaces = namespacesFor(this.#machine, parent, flags);
    const pids = namespaces.set.of.pid.pids ?? parent.group.namespace;
    const group = thread ? parent.group : this.#copyGroup(parent, pids);
    const child = new Task(memory, {
      pid,
      leader: thread ? parent.leader : undefined,
      realParent: thread || (flags & CLONE_PARENT) !== 0 ? parent.realParent : parent,
      comm: parent.comm,
      exepath: parent.exepath,
      argv: parent.argv,
      mm: (flags & CLONE_VM) !== 0 ? parent.mm?.share() : parent.mm?.copy(),
      cred: namespaces.isNewUser ? ownCopy(memory, parent.cred) : parent.cred.share(),
      fs: (flags & CLONE_FS) !== 0 ? parent.fs.share() : parent.fs.copy(),
      files: (flags & CLONE_FILES) !== 0 ? parent.files.share() : parent.files.copy(),
      group,
      namespaces: namespaces.set,
      cgroup: parent.cgroupOf,
      loginuid: parent.loginuid,
      flags: parent.flags | PF_FORKNOEXEC,
      startNs: clock.bootNs,
    });
    child.noNewPrivileges = parent.noNewPrivileges;
    child.personality = parent.personality;
    if (namespaces.copies) moveToCopies(child.fs, namespaces.copies);
    memory.bytes.copyWithin(child.regsAt, parent.regsAt, parent.regsAt + Task.registersSize);
    this.add(child);
    return child;
  }

  /** Ends a process: every thread, the given one first. Exit hooks run with each dying thread as the current task. */
  exitGroup(task: Task, reason: ExitReason): void {
    const { group } = task;
    this.exitThread(task, reason);
    for (const thread of [...group.threads]) if (thread.alive) this.exitThread(thread, reason);
  }

  /** Ends one thread, and with the last one the process. */
  exitThread(task: Task, reason: ExitReason): void {
    const { group } = task;
    this.#die(task, reason);
    this.#handOverChildren(task);
    if (group.live > 0) {
      if (task !== task.leader) this.#forget(task);
      return;
    }
    for (const thread of [...group.threads]) if (thread !== thread.leader) this.#forget(thread);
    this.#endNamespace(task.leader);
    this.#onProcessDeath(task.leader);
  }

  /** With the first process of a pid namespace all others in it end (kernel/pid_namespace.c, zap_pid_ns_processes). */
  #endNamespace(leader: Task): void {
    const { namespace } = leader.group;
    if (namespace.above === undefined || namespace.numberOf(leader.pid) !== 1) return;
    namespace.isOver = true;
    for (const other of [...this.#machine.tasks.values()])
      if (other.leader === other && other !== leader && other.group.namespace.isBelow(namespace)) {
        if (other.group.live > 0) this.exitGroup(other, { signal: SIGKILL });
        if (this.#machine.tasks.get(other.pid) === other && other.group.live === 0) this.reap(other);
      }
  }

  /** A parent has waited for a dead child, which now goes for good. */
  reap(zombie: Task): void {
    zombie.realParent?.leader.children.delete(zombie);
    this.#forget(zombie);
  }

  /** Before exec: the other threads die, and the caller takes the first one's place. */
  becomeSingleThreaded(task: Task): void {
    const { group, leader } = task;
    for (const thread of [...group.threads]) {
      if (thread === task) continue;
      if (thread.alive) this.#die(thread, { signal: SIGKILL });
      if (thread !== leader) this.#forget(thread);
    }
    for (const child of leader.children) for (const thread of child.group.threads) thread.realParent = task;
    if (task === leader) return;
    const { tasks } = this.#machine;
    tasks.delete(task.pid);
    task.takeLeadership();
    const parent = leader.realParent?.leader;
    parent?.children.delete(leader);
    parent?.children.add(task);
    for (const child of leader.children) task.children.add(child);
    leader.release();
    tasks.set(task.pid, task);
  }

  /** What do_exit does up to the notification of the parent. */
  #die(task: Task, reason: ExitReason): void {
    task.group.live--;
    task.flags |= PF_EXITING;
    if ('signal' in reason) {
      task.killedBy = reason.signal;
      task.group.ending = { signal: reason.signal, status: 0 };
    } else {
      task.group.exitStatus = reason.status & 0xff;
      task.group.ending = { signal: 0, status: reason.status & 0xff };
    }
    const { mm } = task;
    task.mm = undefined;
    mm?.release();
    this.#runExitHook(task);
    task.alive = false;
    task.releaseResources();
    task.endTracing();
  }

  #runExitHook(task: Task): void {
    const hook = this.#machine.hooks['tp_btf/sched_process_exit'];
    if (!hook.active) return;
    const before = this.#machine.current;
    this.#machine.current = task;
    hook.setPointer(0, task.at);
    hook.run();
    this.#machine.current = before;
  }

  #copyGroup(parent: Task, pids: PidNamespace): ThreadGroup {
    const group = new ThreadGroup(this.#machine.memory, parent.group.pgid, parent.group.sid, pids);
    group.tty = parent.group.tty;
    group.copyDispositions(parent.group);
    return group;
  }

  /** Children of a dead thread go to another thread of its process, else to init. */
  #handOverChildren(task: Task): void {
    const { leader, group } = task;
    const heir = group.live > 0 ? group.threads.find((thread) => thread.alive) : this.#reaper(leader);
    if (!heir) return;
    for (const child of leader.children) {
      if (group.live > 0 && child.realParent !== task) continue;
      for (const thread of child.group.threads) thread.realParent = heir;
      if (heir.leader === leader) continue;
      leader.children.delete(child);
      heir.leader.children.add(child);
      if (child.group.live === 0 && !this.#isWaitedFor(child)) this.reap(child);
    }
  }

  /** Who gets a dead process's children (kernel/exit.c, find_new_reaper). */
  #reaper(leader: Task): Task | undefined {
    const { namespace } = leader.group;
    for (let above = leader.realParent; above; above = above.leader.realParent) {
      const { group } = above;
      if (group.namespace !== namespace) break;
      if (group.isSubreaper && group.live > 0) return group.threads.find((thread) => thread.alive);
    }
    const init = namespace.pidOf(1);
    return (init === undefined ? undefined : this.living(init)) ?? this.living(1);
  }

  /** Whether a dead process stays until its parent asks for it; init does so at once. */
  #isWaitedFor(leader: Task): boolean {
    const parent = leader.realParent?.leader;
    return (
      parent !== undefined &&
      parent.group.live > 0 &&
      parent.tgid !== 1 &&
      parent.group.dispositions.get(SIGCHLD) !== 'ignored'
    );
  }

  #onProcessDeath(leader: Task): void {
    if (!this.#isWaitedFor(leader)) this.reap(leader);
  }

  #forget(task: Task): void {
    this.#machine.tasks.delete(task.pid);
    this.#machine.proc.forget(task.pid);
    task.release();
  }
}
