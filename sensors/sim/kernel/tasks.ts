import type { Memory } from '../../../engine/vm/index.ts';
import type { SimTask } from '../sim-host.ts';
import type { AddressSpace } from './address-spaces.ts';
import type { Cgroup } from './cgroups.ts';
import type { Cred, Subject } from './credentials.ts';
import type { FilesStruct } from './files.ts';
import type { FsStruct } from './fs-struct.ts';
import { decodeText, isPlain, KernelObject, NOWHERE, writePointer } from './kernel-object.ts';
import { pathText } from './mounts.ts';
import type { NamespaceSet } from './namespaces.ts';
import { Pid } from './pids.ts';
import { PT_REGS, TASK } from './structs.ts';
import type { ThreadGroup } from './thread-group.ts';

/** Of task_struct.flags (include/linux/sched.h). */
export const PF_KTHREAD = 0x0020_0000;
export const PF_EXITING = 0x0000_0004;
export const PF_IO_WORKER = 0x0000_0010;
export const PF_USER_WORKER = 0x0000_4000;
/** The process has not called exec since fork. */
export const PF_FORKNOEXEC = 0x0000_0040;

/** thread_info.status during a 32-bit call (arch/x86/include/asm/thread_info.h). */
export const TS_COMPAT = 2;

/** loginuid while nobody has logged in. */
export const UNSET_LOGINUID = 0xffff_ffff;

/** What a new task starts with. */
export interface TaskInit {
  readonly pid: number;
  /** Undefined for the first thread of a process. */
  readonly leader: Task | undefined;
  readonly realParent: Task | undefined;
  readonly comm: string;
  readonly exepath: string;
  readonly argv: readonly string[];
  readonly mm: AddressSpace | undefined;
  readonly cred: Cred;
  readonly fs: FsStruct;
  readonly files: FilesStruct;
  readonly group: ThreadGroup;
  /** Shared for it. */
  readonly namespaces: NamespaceSet;
  readonly cgroup: Cgroup;
  readonly loginuid: number;
  readonly flags: number;
  readonly startNs: bigint;
}

const idleTasks = new WeakMap<Memory, number>();

/** Where the idle task lies, process 0: it has no program, and is its own parent (init/init_task.c). */
const idleTask = (memory: Memory): number => {
  let at = idleTasks.get(memory);
  if (at === undefined) {
    at = memory.allocate(TASK.size);
    idleTasks.set(memory, at);
    writePointer(memory, at + TASK.realParent, at);
    writePointer(memory, at + TASK.leader, at);
  }
  return at;
};

/** A thread (struct task_struct), with the registers it entered the kernel with. */
export class Task extends KernelObject implements SimTask {
  /** Bytes of its struct pt_regs. */
  static readonly registersSize = PT_REGS.size;
  readonly tgid: number;
  readonly group: ThreadGroup;
  /** Offset in memory of its struct pt_regs. */
  readonly regsAt: number;
  /** First threads of the processes whose real parent is in this process; kept by the first thread. */
  readonly children = new Set<Task>();
  exepath: string;
  argv: readonly string[];
  alive = true;
  killedBy: number | undefined = undefined;
  #cgroup: Cgroup;
  files: FilesStruct;
  fs: FsStruct;
  /** Who traces it with ptrace. */
  tracer: Task | undefined;
  /** exec gives it no more rights (PR_SET_NO_NEW_PRIVS). */
  noNewPrivileges = false;
  /** What personality(2) set. */
  personality = 0;
  /** Whom it looks for a file as, during access(2). */
  actingAs: Subject | undefined;
  readonly #threadPid: Pid;
  #pid: number;
  #leader: Task;
  #startNs: bigint;
  #comm = '';
  #mm: AddressSpace | undefined;
  #cred: Cred;
  #namespaces: NamespaceSet;
  #realParent: Task | undefined;
  #tracees: Set<Task> | undefined;

  constructor(memory: Memory, init: TaskInit) {
    super(memory, TASK.size);
    this.#pid = init.pid;
    this.#threadPid = new Pid(memory);
    this.#leader = init.leader ?? this;
    this.tgid = this.#leader.pid;
    this.group = init.group;
    if (this.group.namespace.numberOf(init.pid) === undefined) this.group.namespace.add(init.pid);
    this.setPointer(TASK.threadPid, this.group.namespace.untold ? NOWHERE : this.#threadPid.at);
    this.#startNs = init.startNs;
    this.exepath = init.exepath;
    this.argv = init.argv;
    this.#cgroup = init.cgroup;
    this.files = init.files;
    this.fs = init.fs;
    this.regsAt = memory.allocate(PT_REGS.size);
    this.#cred = init.cred;
    this.#namespaces = init.namespaces;
    this.setU32(TASK.tgid, this.tgid);
    this.setU32(TASK.flags, init.flags);
    this.setPointer(TASK.signal, init.group.at);
    this.setPointer(TASK.files, init.files.at);
    this.setPointer(TASK.fs, init.fs.at);
    this.setPointer(TASK.nsproxy, init.namespaces.at);
    this.setPointer(TASK.cgroups, init.cgroup.cssSetAt);
    this.#writeIdentity();
    this.comm = init.comm;
    this.mm = init.mm;
    this.loginuid = init.loginuid;
    this.realParent = init.realParent;
    this.#writeCred();
    init.group.add(this);
  }

  get pid(): number {
    return this.#pid;
  }

  /** The process's first thread. */
  get leader(): Task {
    return this.#leader;
  }

  get startNs(): bigint {
    return this.#startNs;
  }

  /** exec by another thread than the first: it becomes the first, with its pid and start time (fs/exec.c, de_thread). */
  takeLeadership(): void {
    this.group.namespace.remove(this.#pid);
    this.#pid = this.tgid;
    this.#startNs = this.#leader.startNs;
    this.#leader = this;
    this.#writeIdentity();
  }

  get name(): string {
    return this.#comm;
  }

  get comm(): string {
    return this.#comm;
  }

  /** Cut to 15 bytes (TASK_COMM_LEN). */
  set comm(comm: string) {
    this.setText(TASK.comm, TASK.commSize, comm);
    this.#comm = isPlain(comm) && comm.length < TASK.commSize ? comm : decodeText(this.commBytes);
  }

  /** Offset in memory of its comm. */
  get commAt(): number {
    return this.at + TASK.comm;
  }

  /** Without its NUL. */
  get commBytes(): Uint8Array {
    const { bytes } = this.memory;
    const start = this.at + TASK.comm;
    let end = start;
    while (bytes[end] !== 0) end++;
    return bytes.subarray(start, end);
  }

  get mm(): AddressSpace | undefined {
    return this.#mm;
  }

  set mm(mm: AddressSpace | undefined) {
    this.#mm = mm;
    this.setPointer(TASK.mm, mm?.at ?? 0);
  }

  get cred(): Cred {
    return this.#cred;
  }

  /** Takes new credentials and releases the old ones. */
  set cred(cred: Cred) {
    const before = this.#cred;
    this.#cred = cred;
    this.#writeCred();
    before.release();
  }

  get namespaces(): NamespaceSet {
    return this.#namespaces;
  }

  /** Takes other namespaces and leaves the old ones. */
  set namespaces(namespaces: NamespaceSet) {
    const before = this.#namespaces;
    this.#namespaces = namespaces;
    this.setPointer(TASK.nsproxy, namespaces.at);
    this.#writeCred();
    before.release();
  }

  /** Whom it traces. */
  get tracees(): Set<Task> {
    if (this.#tracees === undefined) this.#tracees = new Set();
    return this.#tracees;
  }

  /** It traces nobody any more, and nobody it. */
  endTracing(): void {
    if (this.#tracees) for (const tracee of this.#tracees) tracee.tracer = undefined;
    this.#tracees = undefined;
    this.tracer?.tracees.delete(this);
    this.tracer = undefined;
  }

  /** Who files are looked for as. */
  get subject(): Subject {
    return this.actingAs ?? this.#cred;
  }

  get realParent(): Task | undefined {
    return this.#realParent;
  }

  /** Tasks without a parent of their own have the idle task. */
  set realParent(parent: Task | undefined) {
    this.#realParent = parent;
    this.setPointer(TASK.realParent, parent?.at ?? idleTask(this.memory));
  }

  get parent(): Task | undefined {
    return this.#realParent?.leader;
  }

  get flags(): number {
    return this.u32(TASK.flags);
  }

  set flags(flags: number) {
    this.setU32(TASK.flags, flags);
  }

  /** TS_COMPAT or 0. */
  set threadStatus(status: number) {
    this.setU32(TASK.threadStatus, status);
  }

  get loginuid(): number {
    return this.u32(TASK.loginuid);
  }

  set loginuid(loginuid: number) {
    this.setU32(TASK.loginuid, loginuid);
  }

  /** Whether its structure lies in a machine's memory, so that it is a task of that machine. */
  isIn(memory: Memory): boolean {
    return this.memory === memory;
  }

  get isKernelThread(): boolean {
    return (this.flags & PF_KTHREAD) !== 0;
  }

  /** It called exec since it came to be. */
  get hasExecuted(): boolean {
    return (this.flags & PF_FORKNOEXEC) === 0;
  }

  get cgroupOf(): Cgroup {
    return this.#cgroup;
  }

  /** Moves the task to another cgroup, as a write to its cgroup.procs does for every thread of a process. */
  set cgroupOf(cgroup: Cgroup) {
    this.#cgroup = cgroup;
    this.setPointer(TASK.cgroups, cgroup.cssSetAt);
  }

  get cgroup(): string {
    return this.#cgroup.path;
  }

  get exitStatus(): number | undefined {
    return this.group.exitStatus;
  }

  get uid(): number {
    return this.#cred.uid;
  }

  get euid(): number {
    return this.#cred.euid;
  }

  get gid(): number {
    return this.#cred.gid;
  }

  get egid(): number {
    return this.#cred.egid;
  }

  get cwd(): string {
    return pathText(this.fs.cwd);
  }

  get fds(): readonly number[] {
    return this.files.fds;
  }

  holds(fd: number): boolean {
    return this.files.get(fd) !== undefined;
  }

  /** Points its structure to the files_struct and fs_struct it has now. */
  writeShared(): void {
    this.setPointer(TASK.files, this.files.at);
    this.setPointer(TASK.fs, this.fs.at);
  }

  /** Gets a table of descriptors of its own where it has it in common with others. */
  unshareFiles(): void {
    const { files } = this;
    if (!files.shared) return;
    this.files = files.copy();
    this.writeShared();
    files.release();
  }

  /** The same for root, working directory and umask. */
  unshareFs(): void {
    const { fs } = this;
    if (!fs.shared) return;
    this.fs = fs.copy();
    this.writeShared();
    fs.release();
  }

  /** Whether it has made a ring whose requests the kernel's threads may serve. */
  set hasRings(has: boolean) {
    this.setPointer(TASK.ioUring, has ? this.at : 0);
  }

  /** What exit takes from it, after the exit hooks ran. */
  releaseResources(): void {
    this.setPointer(TASK.files, 0);
    this.setPointer(TASK.fs, 0);
    this.files.release();
    this.fs.release();
  }

  /** Frees the structure: it has been waited for. */
  release(): void {
    this.group.remove(this);
    if (this.group.threads.length === 0) this.group.release();
    this.#cred.release();
    this.#namespaces.release();
    if (this.group.threads.every(({ pid }) => pid !== this.#pid)) this.group.namespace.remove(this.#pid);
    this.#threadPid.release();
    this.memory.free(this.regsAt, PT_REGS.size);
    this.free();
  }

  #writeIdentity(): void {
    const { view } = this.memory;
    this.setU32(TASK.pid, this.#pid);
    this.#threadPid.set(this.#pid, this.group.namespace);
    if (this.#leader === this) this.group.leaderPid = this.#threadPid;
    this.setPointer(TASK.leader, this.#leader.at);
    view.setBigUint64(this.at + TASK.startTime, this.#startNs, true);
    view.setBigUint64(this.at + TASK.startBoottime, this.#startNs, true);
  }

  #writeCred(): void {
    this.#cred.isConfined = this.#namespaces.of.user.owner !== undefined;
    writePointer(this.memory, this.at + TASK.cred, this.#cred.at);
    writePointer(this.memory, this.at + TASK.realCred, this.#cred.at);
  }
}
