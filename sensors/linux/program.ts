import { encode, type Instruction } from '../../engine/isa/index.ts';
import { type FunctionInfo, PROGRAM_TYPES, type ProgramType } from '../../engine/object/index.ts';
import { createAttribute } from './attribute.ts';
import { addressOf, bpf, closeFd, withoutSignals } from './call.ts';
import { BpfError } from './error.ts';

const LOAD_BYTES = 152;
const INFO_ATTRIBUTE_BYTES = 16;
const INFO_BYTES = 232;
const LINE_BYTES = 16;
const FIRST_LOG_BYTES = 1 << 20;
/** The kernel's limit is a quarter of 4 GiB; a log of this size says enough. */
const LAST_LOG_BYTES = 1 << 26;
const [E2BIG, EAGAIN, ENOSPC] = [7, 11, 28];
/** What the verifier counts is at the end of its log. */
const END_CHARACTERS = 512;
/** BPF_LOG_LEVEL1, BPF_LOG_LEVEL2, BPF_LOG_STATS of include/linux/bpf_verifier.h. */
const LOG_LEVELS = { none: 0, states: 1, 'all states': 2, statistics: 4 } as const;

/** BPF_F_* of program load (include/uapi/linux/bpf.h). */
export const BPF_F_SLEEPABLE = 1 << 4;

/** A relocated program as BPF_PROG_LOAD takes it. */
export interface LinuxProgramSpec {
  readonly name: string;
  readonly instructions: readonly Instruction[];
  readonly programType: Exclude<ProgramType, 'isa'>;
  /** enum bpf_attach_type's number. */
  readonly attachType?: number;
  /** BTF id of the function, typedef or hook it attaches to, in the kernel's BTF. */
  readonly attachBtfId?: number;
  /** Default `GPL`. */
  readonly license?: string;
  readonly sleepable?: boolean;
  /** BPF_F_* of program load. */
  readonly flags?: number;
  /** Loaded BTF with where its functions begin; callbacks and global functions need it. `lines` are whole struct bpf_line_info. */
  readonly btf?: {
    readonly fd: number;
    readonly functions: readonly Pick<FunctionInfo, 'at' | 'type'>[];
    readonly lines?: Uint8Array;
  };
  /** File descriptors of module BTFs and maps that instructions refer to by index. */
  readonly fds?: readonly number[];
  /** What to log of a program that loads; one that is refused is loaded again for the log of its states (too large a one for its end alone), except with `none`. */
  readonly log?: keyof typeof LOG_LEVELS;
}

/** What the kernel counts of a program (struct bpf_prog_info). */
export interface ProgramRuns {
  readonly runs: number;
  readonly ns: number;
  readonly missed: number;
}

/** A program in the running kernel, attached nowhere. */
export interface LinuxProgram {
  readonly fd: number;
  /** The verifier's log, as far as one was asked for. */
  readonly log: string;
  /** Instructions that the verifier processed. */
  readonly verified: number;
  /** The kernel's id of the program. */
  readonly id: number;
  /** How often it ran and how long all runs took, while statistics are on (`enableStatistics`), and what was left out because it ran already. */
  runs(): ProgramRuns;
  close(): void;
}

const uint32s = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

/** Loads a program; returns its file descriptor or a negative errno, and the log. */
function load(
  spec: LinuxProgramSpec,
  level: number,
  endSuffices = false,
): { readonly result: number; readonly log: string } {
  const attr = createAttribute(LOAD_BYTES);
  const code = encode(spec.instructions);
  const license = Buffer.from(`${spec.license ?? 'GPL'}\0`);
  const functions = uint32s(spec.btf?.functions.flatMap(({ at, type }) => [at, type]) ?? []);
  const fds = uint32s(spec.fds ?? []);
  attr.u32(0, PROGRAM_TYPES[spec.programType]);
  attr.u32(4, spec.instructions.length);
  attr.u64(8, addressOf(code));
  attr.u64(16, addressOf(license));
  attr.u32(44, (spec.flags ?? 0) | (spec.sleepable ? BPF_F_SLEEPABLE : 0));
  attr.name(48, spec.name);
  attr.u32(68, spec.attachType ?? 0);
  attr.u32(108, spec.attachBtfId ?? 0);
  if (spec.btf) {
    attr.u32(72, spec.btf.fd);
    if (functions.length > 0) {
      attr.u32(76, 8);
      attr.u64(80, addressOf(functions));
      attr.u32(88, spec.btf.functions.length);
    }
    if (spec.btf.lines && spec.btf.lines.length > 0) {
      attr.u32(92, LINE_BYTES);
      attr.u64(96, addressOf(spec.btf.lines));
      attr.u32(104, spec.btf.lines.length / LINE_BYTES);
    }
  }
  if (fds.length > 0) attr.u64(120, addressOf(fds));
  return level === 0
    ? { result: bpfAgain(attr.bytes), log: '' }
    : loadWithLog(attr, level, endSuffices, [code, license, functions, fds, spec.btf?.lines]);
}

/** The verifier gives up where a signal waits: then once more without. */
function bpfAgain(attr: Uint8Array): number {
  const load = (): number => bpf('BPF_PROG_LOAD', attr, LOAD_BYTES);
  const result = load();
  return result === -EAGAIN ? withoutSignals(load) : result;
}

/** Takes a larger log as long as there is no room in it; from 6.4 on the kernel keeps the end, where it may suffice. `referenced` are the buffers that the attribute points to. */
function loadWithLog(
  attr: ReturnType<typeof createAttribute>,
  level: number,
  endSuffices: boolean,
  referenced: readonly unknown[],
): { readonly result: number; readonly log: string } {
  for (let size = FIRST_LOG_BYTES; ; size *= 8) {
    const log = Buffer.alloc(size);
    attr.u32(24, level);
    attr.u32(28, size);
    attr.u64(32, addressOf(log));
    const result = bpfAgain(attr.bytes);
    const text = log.toString('latin1', 0, log.indexOf(0));
    const hasEnd = endSuffices && /^processed \d+ insns/m.test(text.slice(-END_CHARACTERS));
    if (result === -ENOSPC && !hasEnd && size < LAST_LOG_BYTES && referenced.length > 0) continue;
    return { result, log: text };
  }
}

/** Loads a program into the running kernel; nothing is attached. @throws BpfError with the verifier's log */
export function loadLinuxProgram(spec: LinuxProgramSpec): LinuxProgram {
  const { result, log } = load(spec, LOG_LEVELS[spec.log ?? 'none']);
  if (result < 0) {
    const level = result === -E2BIG ? LOG_LEVELS.statistics : LOG_LEVELS.states;
    const whole = spec.log === undefined ? load(spec, level, true) : { result, log };
    if (whole.result >= 0) closeFd(whole.result);
    throw new BpfError('BPF_PROG_LOAD', -result, `program "${spec.name}" (${spec.programType})`, whole.log);
  }
  let closed = false;
  return {
    fd: result,
    log,
    get verified() {
      return programInfo(result).readU32(216);
    },
    get id() {
      return programInfo(result).readU32(4);
    },
    runs() {
      const info = programInfo(result);
      return { ns: info.readU64(192), runs: info.readU64(200), missed: info.readU64(208) };
    },
    close() {
      if (closed) return;
      closed = true;
      closeFd(result);
    },
  };
}

/** Loads a program as fast as it goes, without logs or a record: its file descriptor, which the caller closes, or a negative errno. */
export const tryLoad = (spec: LinuxProgramSpec): number => load(spec, 0).result;

/** struct bpf_prog_info. @throws BpfError */
function programInfo(fd: number): ReturnType<typeof createAttribute> {
  const info = createAttribute(INFO_BYTES);
  const attr = createAttribute(INFO_ATTRIBUTE_BYTES);
  attr.u32(0, fd);
  attr.u32(4, INFO_BYTES);
  attr.u64(8, addressOf(info.bytes));
  const result = bpf('BPF_OBJ_GET_INFO_BY_FD', attr.bytes, INFO_ATTRIBUTE_BYTES);
  if (result < 0) throw new BpfError('BPF_OBJ_GET_INFO_BY_FD', -result, `program of fd ${fd}`);
  return info;
}
