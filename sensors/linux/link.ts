import { openSync, readSync } from 'node:fs';
import { ATTACH_TYPES, type ParsedSection } from '../../engine/object/index.ts';
import { createAttribute } from './attribute.ts';
import { addressOf, bpf, closeFd } from './call.ts';
import { BpfError } from './error.ts';
import { kprobeEvent, tracepointEvent } from './perf-event.ts';

const [RAW_TRACEPOINT_BYTES, LINK_BYTES, UPDATE_BYTES, ITERATOR_BYTES] = [16, 64, 16, 8];
/** BPF_PERF_EVENT of enum bpf_attach_type. */
const PERF_EVENT = 41;
const READ_BYTES = 65_536;

/** Where a program attaches beyond what its section names. */
export interface AttachOptions {
  /** Of a program for cgroups: the folder of the cgroup under the cgroup v2 mount. */
  readonly cgroupFolder?: string;
  /** Of an iterator: `union bpf_iter_link_info`, which limits what it goes over. */
  readonly iterator?: Uint8Array;
}

/** An attached program: held by file descriptors only, so that it ends with the process, however that ends. */
export interface LinuxLink {
  readonly fd: number;
  /** Puts another program in place at once; false where links of this kind can't (tracing, LSM, perf events). @throws BpfError */
  update(programFd: number): boolean;
  /** Runs an iterator's program over everything and gives what it wrote. @throws BpfError */
  read(): Uint8Array;
  close(): void;
}

/** What can be attached to, by family of section. */
type Way = 'raw tracepoint' | 'tracing' | 'tracepoint' | 'kprobe' | 'cgroup' | 'iterator';

function wayOf({ family, programType, attach }: ParsedSection): Way | undefined {
  if (attach === 'trace_iter') return 'iterator';
  if (attach === 'lsm_cgroup' || programType.startsWith('cgroup_')) return 'cgroup';
  if (programType === 'tracing' || programType === 'lsm') return 'tracing';
  if (programType === 'raw_tracepoint' || programType === 'raw_tracepoint_writable') return 'raw tracepoint';
  if (programType === 'tracepoint') return 'tracepoint';
  return family === 'kprobe' || family === 'kretprobe' ? 'kprobe' : undefined;
}

function openRawTracepoint(programFd: number, name: string | undefined): number {
  const attr = createAttribute(RAW_TRACEPOINT_BYTES);
  const bytes = Buffer.from(`${name ?? ''}\0`);
  if (name !== undefined) attr.u64(0, addressOf(bytes));
  attr.u32(8, programFd);
  return bpf('BPF_RAW_TRACEPOINT_OPEN', attr.bytes, RAW_TRACEPOINT_BYTES);
}

function create(programFd: number, targetFd: number, attachType: number, iterator?: Uint8Array): number {
  const attr = createAttribute(LINK_BYTES);
  attr.u32(0, programFd);
  attr.u32(4, targetFd);
  attr.u32(8, attachType);
  if (iterator) {
    attr.u64(16, addressOf(iterator));
    attr.u32(24, iterator.length);
  }
  return bpf('BPF_LINK_CREATE', attr.bytes, LINK_BYTES);
}

/**
 * Attaches a loaded program where its section says, by a link.
 * @param subject the program, for messages. @throws BpfError; Error where the section doesn't name one place
 */
export function createLink(
  programFd: number,
  section: ParsedSection,
  subject: string,
  options: AttachOptions = {},
): LinuxLink {
  const { target, attachType = 0 } = section;
  const need = (what: string, example: string): string => {
    if (target) return target;
    throw new Error(`${subject}: its section does not say which ${what} to attach to; write "${example}"`);
  };
  const made = (call: 'BPF_LINK_CREATE' | 'BPF_RAW_TRACEPOINT_OPEN', fd: number): number => {
    if (fd < 0) throw new BpfError(call, -fd, subject);
    return fd;
  };
  const onEvent = (event: number): LinuxLink => {
    try {
      return linkOf(made('BPF_LINK_CREATE', create(programFd, event, PERF_EVENT)), subject, false, [event]);
    } catch (error) {
      closeFd(event);
      throw error;
    }
  };
  switch (wayOf(section)) {
    case 'raw tracepoint':
      return linkOf(
        made('BPF_RAW_TRACEPOINT_OPEN', openRawTracepoint(programFd, need('tracepoint', 'raw_tp/sys_enter'))),
        subject,
        false,
      );
    case 'tracing':
      return linkOf(made('BPF_RAW_TRACEPOINT_OPEN', openRawTracepoint(programFd, undefined)), subject, false);
    case 'tracepoint':
      return onEvent(tracepointEvent(need('tracepoint', 'tp/sched/sched_process_exec'), subject));
    case 'kprobe':
      return onEvent(kprobeEvent(need('function', 'kprobe/do_unlinkat'), section.family === 'kretprobe', subject));
    case 'cgroup': {
      if (options.cgroupFolder === undefined)
        throw new Error(`${subject}: programs of this kind attach to a cgroup; say which`);
      const folder = openSync(options.cgroupFolder, 'r');
      try {
        return linkOf(made('BPF_LINK_CREATE', create(programFd, folder, attachType)), subject, true);
      } finally {
        closeFd(folder);
      }
    }
    case 'iterator':
      return linkOf(
        made('BPF_LINK_CREATE', create(programFd, 0, ATTACH_TYPES.trace_iter, options.iterator)),
        subject,
        true,
      );
    case undefined:
      throw new Error(`${subject}: programs of this kind are loaded here, but not attached`);
  }
}

/** @param others file descriptors that are closed with the link. */
function linkOf(fd: number, subject: string, canUpdate: boolean, others: readonly number[] = []): LinuxLink {
  let closed = false;
  return {
    fd,
    update(programFd) {
      if (!canUpdate) return false;
      const attr = createAttribute(UPDATE_BYTES);
      attr.u32(0, fd);
      attr.u32(4, programFd);
      const result = bpf('BPF_LINK_UPDATE', attr.bytes, UPDATE_BYTES);
      if (result < 0) throw new BpfError('BPF_LINK_UPDATE', -result, subject);
      return true;
    },
    read() {
      const attr = createAttribute(ITERATOR_BYTES);
      attr.u32(0, fd);
      const iterator = bpf('BPF_ITER_CREATE', attr.bytes, ITERATOR_BYTES);
      if (iterator < 0) throw new BpfError('BPF_ITER_CREATE', -iterator, subject);
      try {
        return readAll(iterator);
      } finally {
        closeFd(iterator);
      }
    },
    close() {
      if (closed) return;
      closed = true;
      for (const one of [fd, ...others]) closeFd(one);
    },
  };
}

/** All that a file without a size gives. */
function readAll(fd: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = Buffer.alloc(READ_BYTES);
    const length = readSync(fd, part, 0, READ_BYTES, null);
    if (length === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, length));
  }
}
