import { GIVES_PID, type Step } from './step.ts';

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** Of struct stat: what doesn't hang on where the file lies. A directory's size is its file system's own. */
const statText = (bytes: Uint8Array): string => {
  const at = view(bytes);
  const mode = at.getUint32(24, true);
  const size = (mode & S_IFMT) === S_IFDIR ? '-' : at.getBigInt64(48, true);
  return `nlink ${at.getBigUint64(16, true)} mode ${mode.toString(8)} uid ${at.getUint32(28, true)} gid ${at.getUint32(32, true)} size ${size}`;
};

/** Names of struct linux_dirent64, in no order. */
const direntNames = (bytes: Uint8Array): string => {
  const names: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view(bytes).getUint16(at + 16, true);
    names.push(latin1(bytes.subarray(at + 19, bytes.indexOf(0, at + 19))));
    at += length;
  }
  return names.sort().join('\n');
};

const words = (bytes: Uint8Array): string => [...new Uint32Array(new Uint8Array(bytes).buffer)].join(' ');

/** What siginfo_t tells of a child: code, pid, uid, status. */
const siginfoText = (bytes: Uint8Array, pidOf: (pid: number) => number): string => {
  const at = view(bytes);
  const [signal, code, pid, uid, status] = [0, 8, 16, 20, 24].map((offset) => at.getInt32(offset, true));
  return `signal ${signal} code ${code} pid ${pidOf(pid ?? 0)} uid ${uid} status ${status}`;
};

/** What capget fills in: three sets of one word, and in later versions of two. */
const capabilityBytes = ({ args: [header] }: Step): number => {
  const { version } =
    typeof header === 'object' && header !== null && 'capabilitiesOf' in header ? header.capabilitiesOf : {};
  return version === 0x19980330 ? 12 : 24;
};

const PR_GET_NAME = 16;

type Reader = (bytes: Uint8Array, result: number, step: Step) => string | undefined;

const counted: Reader = (bytes, result) => latin1(bytes.subarray(0, result));
const stat: Reader = (bytes) => statText(bytes);

/** What each call writes, from the bytes it wrote on Linux: those of all its buffers, one after the other. */
const ON_LINUX: Readonly<Record<string, Reader>> = {
  read: counted,
  pread64: counted,
  readlink: counted,
  readlinkat: counted,
  getcwd: (bytes, result) => latin1(bytes.subarray(0, result - 1)),
  stat,
  lstat: stat,
  fstat: stat,
  newfstatat: stat,
  getdents64: (bytes, result) => direntNames(bytes.subarray(0, result)),
  pipe: words,
  pipe2: words,
  socketpair: words,
  getresuid: words,
  getresgid: words,
  getgroups: (bytes, result, step) => (step.args[0] === 0 ? undefined : words(bytes.subarray(0, 4 * result))),
  capget: (bytes, _, step) => words(bytes.subarray(0, capabilityBytes(step))),
  wait4: (bytes, result) => (result > 0 ? String(view(bytes).getInt32(0, true)) : undefined),
  waitid: (bytes) => siginfoText(bytes, (pid) => pid),
  prctl: (bytes, _, step) =>
    step.args[0] === PR_GET_NAME ? latin1(bytes.subarray(0, bytes.indexOf(0))) : words(bytes.subarray(0, 4)),
};

/** The same from what the simulation says it wrote. */
const IN_SIMULATION: Readonly<Record<string, Reader>> = {
  ...ON_LINUX,
  getcwd: (bytes) => latin1(bytes),
  getdents64: (bytes) => latin1(bytes).split('\n').slice(0, -1).sort().join('\n'),
  prctl: (bytes, _, step) => (step.args[0] === PR_GET_NAME ? latin1(bytes) : words(bytes)),
};

const LATE: ReadonlySet<string> = new Set(['wait4', 'waitid']);

const read = (
  readers: Readonly<Record<string, Reader>>,
  step: Step,
  result: number,
  bytes: Uint8Array | undefined,
): string | undefined => {
  const reader = readers[step.call];
  if (reader === undefined || result < 0) return undefined;
  if (bytes === undefined || (bytes.length === 0 && LATE.has(step.call))) return undefined;
  return reader(bytes, result, step);
};

/** What a call's buffers hold that succeeded on Linux; undefined where it got none. */
export const linuxData = (step: Step, result: number, buffers: readonly Uint8Array[]): string | undefined =>
  buffers.length === 0 ? undefined : read(ON_LINUX, step, result, Buffer.concat(buffers));

/** The same in the simulation. @param pidOf from its pids to the sequence's */
export const simData = (
  step: Step,
  result: number,
  bytes: Uint8Array | undefined,
  pidOf: (pid: number) => number,
): string | undefined => {
  if (!step.args.some((argument) => typeof argument === 'object' && argument !== null && 'out' in argument))
    return undefined;
  if (step.call === 'waitid' && result >= 0) return bytes && siginfoText(bytes, pidOf);
  return read(IN_SIMULATION, step, result, bytes ?? (COUNTED.has(step.call) ? new Uint8Array(0) : undefined));
};

const COUNTED: ReadonlySet<string> = new Set(['read', 'pread64', 'readlink', 'readlinkat', 'getdents64']);

/** The result with process ids as the sequence numbers them. */
export const simResult = (step: Step, result: number, pidOf: (pid: number) => number): number =>
  GIVES_PID.has(step.call) && result > 0 ? pidOf(result) : result;
