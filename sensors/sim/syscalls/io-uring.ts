import { EINVAL, EOPNOTSUPP } from '../../../engine/maps/index.ts';
import { OpenFile } from '../kernel/files.ts';
import { Request, type Ring, type RingEntry } from '../kernel/io-uring.ts';
import { O_CLOEXEC, O_RDWR } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { placeArgument } from './registers.ts';

/** Entries that a ring has room for at most (IORING_MAX_ENTRIES). */
const MAX_ENTRIES = 32_768;
/** Of io_uring_setup's flags: a thread of the kernel takes entries by itself. */
export const IORING_SETUP_SQPOLL = 2;
/** Of io_uring_enter's flags: wait for completions. */
export const IORING_ENTER_GETEVENTS = 1;

/** What opening a file through a ring adds to its flags, as 64-bit calls do (force_o_largefile). */
const O_LARGEFILE = 0o100000;
const O_PATH = 0x20_0000;

/** io_uring_setup(entries, params): a ring behind a descriptor. */
const setup: CallHandler = (call) => {
  const entries = call.unsigned(0);
  if (entries === 0 || entries > MAX_ENTRIES) return -EINVAL;
  const flags = call.isNull(1) ? 0 : (call.structure(1).flags ?? 0);
  const path = call.machine.files.anonymous('anon_inodefs', '[io_uring]', 0o600, call.task.cred);
  const file = new OpenFile(call.machine.memory, path, O_RDWR | O_CLOEXEC);
  const thread = (flags & IORING_SETUP_SQPOLL) === 0 ? undefined : call.processes.ioThread(call.task);
  file.ring = { submissions: [], completions: [], thread };
  call.task.hasRings = true;
  return call.install(file, true);
};

/** io_uring_enter(fd, to_submit, min_complete, flags): how many entries were taken. */
const enter: CallHandler = (call) => {
  const { ring } = call.file(0);
  if (!ring) return -EOPNOTSUPP;
  const count = Math.min(call.unsigned(1), ring.submissions.length);
  if (!ring.thread) for (let taken = 0; taken < count; taken++) call.serve(ring);
  return count;
};

/** Rings of requests that no system call is made for. */
export const ioUringCalls: Readonly<Record<string, CallHandler>> = { io_uring_setup: setup, io_uring_enter: enter };

/** A descriptor of the task's whose ring is served by the kernel's thread, or isn't; undefined where there is none. */
export const ringOf = (task: SystemCall['task'], polled: boolean): { fd: number; ring: Ring } | undefined => {
  for (const fd of task.files.fds) {
    const ring = task.files.get(fd)?.ring;
    if (ring && (ring.thread !== undefined) === polled) return { fd, ring };
  }
  return undefined;
};

/** Of openat2's structure, which the operation keeps as it is. */
const setHow = (call: SystemCall, request: Request): void => {
  const { flags = 0, mode = 0, resolve = 0 } = call.structure(2) as { flags?: number; mode?: number; resolve?: number };
  const large = (flags & O_PATH) === 0 ? O_LARGEFILE : 0;
  request.setMember('io_open.how.flags', 64, flags | large);
  request.setMember('io_open.how.mode', 64, mode);
  request.setMember('io_open.how.resolve', 64, resolve);
};

/** Arguments that are sockets' addresses the kernel copies when it prepares the request, by call. */
const ADDRESS_OF: Readonly<Record<string, number>> = { connect: 1, bind: 1, sendto: 4 };

/**
 * Prepares a request as the kernel does before its tracepoint: members of the operation's structure, and copies of paths and
 * addresses. @throws CallError for what the caller's memory doesn't have
 */
export const prepareRequest = (call: SystemCall, { type, arguments: args }: RingEntry): Request => {
  const { machine } = call;
  const request = new Request(machine.memory, type.opcode);
  try {
    for (const [index, member] of type.members.entries()) {
      if (member === undefined) continue;
      if (member.kind === 'fd') request.fd = call.int(index);
      else if (member.kind === 'filename') request.setPath(member.access, call.path(index));
      else {
        const argument = args[index] ?? 0;
        const value = placeArgument(machine, type.event, argument, 'x86-64');
        request.setMember(member.access, member.bits, value);
      }
    }
    if (type.event.type === 'openat' && (call.int(2) & O_PATH) === 0)
      request.setMember('io_open.how.flags', 64, call.int(2) | O_LARGEFILE);
    if (type.event.type === 'openat2') setHow(call, request);
    const address = ADDRESS_OF[type.event.type];
    if (address !== undefined && !call.isNull(address)) {
      const bytes = call.bytes(address);
      request.setAddress(bytes, type.event.type === 'sendto');
      if (args[address + 1] === undefined && type.event.type !== 'sendto')
        request.setMember(`${type.struct}.addr_len`, 32, bytes.length);
    }
    return request;
  } catch (error) {
    request.release();
    throw error;
  }
};
