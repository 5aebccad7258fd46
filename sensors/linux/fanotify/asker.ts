import { fstatSync, readFileSync, readlinkSync } from 'node:fs';
import { type ParsedSection, parseSection } from '../../../engine/object/index.ts';
import { ASKING, type Asked } from '../../../rules/index.ts';
import { createLink } from '../link.ts';
import { fileOf } from './file.ts';

/** PF_KTHREAD (include/linux/sched.h). */
const PF_KTHREAD = 0x0020_0000;
const COMM_BYTES = 16;
const ITERATOR_INFO_BYTES = 16;
const decoder = new TextDecoder();

const SECTION: ParsedSection = parseSection('iter/task');

/** The cgroup v2 path of a thread (proc_pid_cgroup(5)). */
const cgroupPathOf = (tid: number): string | undefined => {
  try {
    return /^0::(\/.*)$/m.exec(readFileSync(`/proc/${tid}/cgroup`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
};

/** Asks the kernel by an iterator over one task who a thread is: `ASKING`'s bytes, or undefined where it is not in the program's scope. */
const identityOf = (program: number, tid: number): DataView | undefined => {
  const iterator = new Uint8Array(ITERATOR_INFO_BYTES);
  new DataView(iterator.buffer).setUint32(0, tid, true);
  const link = createLink(program, SECTION, 'program "asking_task" (iter/task)', { iterator });
  try {
    const bytes = link.read();
    return bytes.length < ASKING.size ? undefined : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } finally {
    link.close();
  }
};

/**
 * Who asks to open or execute the file of a descriptor; undefined where that is nobody of the scope. Nothing is opened but files of /proc.
 * @param program the descriptor of a loaded `askingTaskProgram`. @throws Error where the kernel does not tell
 */
export const askedBy = (program: number, tid: number, fd: number, on: Asked['on']): Asked | undefined => {
  const view = identityOf(program, tid);
  if (view === undefined) return undefined;
  const [u32, u64] = [(at: number) => view.getUint32(at, true), (at: number) => view.getBigUint64(at, true)];
  const comm = new Uint8Array(view.buffer, view.byteOffset + ASKING.comm, COMM_BYTES);
  const exeIno = u64(ASKING.exeIno);
  return {
    on,
    ...fileOf(readlinkSync(`/proc/self/fd/${fd}`), fstatSync(fd, { bigint: true })),
    pid: u32(ASKING.pid),
    tid: u32(ASKING.tid),
    start: u64(ASKING.start),
    comm: decoder.decode(comm.subarray(0, comm.indexOf(0) < 0 ? COMM_BYTES : comm.indexOf(0))),
    parentPid: u32(ASKING.parentPid),
    parentStart: u64(ASKING.parentStart),
    uid: u32(ASKING.uid),
    gid: u32(ASKING.gid),
    loginuid: u32(ASKING.loginuid),
    cgroup: u64(ASKING.cgroup),
    cgroupPath: cgroupPathOf(tid),
    isKernelThread: (u32(ASKING.flags) & PF_KTHREAD) !== 0,
    exe: exeIno === 0n ? undefined : { ino: exeIno, dev: u64(ASKING.exeDev) },
    time: u64(ASKING.asOf),
  };
};
