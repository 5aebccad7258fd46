import { E2BIG, EFAULT, EINVAL, ENOENT, ERANGE } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';
import { argument, bytesArgument, i32, size, u32 } from './helper-arguments.ts';
import { type Kfunc, kfunc } from './kfunc.ts';
import { USER_END } from './user-space.ts';

/** XATTR_SIZE_MAX: strings are looked at so far (kernel/bpf/helpers.c). */
const MAX_STRING = 65_536;
const SINCE = { since: '6.17' } as const;

/** Thrown within a string function, for the errno that it answers with. */
class StringProblem extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** The bytes of a kernel string up to its NUL, at most `most` of them. @throws StringProblem */
function text(environment: VmEnvironment, address: bigint, most: number): Uint8Array {
  if (address < USER_END) throw new StringProblem(ERANGE);
  const { memory } = environment;
  const from = memory.offset(address, 1);
  if (from === undefined) throw new StringProblem(EFAULT);
  const limit = Math.min(most, MAX_STRING);
  const nul = memory.bytes.subarray(from, Math.min(from + limit, memory.used)).indexOf(0);
  if (nul >= 0) return memory.bytes.subarray(from, from + nul);
  if (from + limit > memory.used) throw new StringProblem(EFAULT);
  if (limit === MAX_STRING) throw new StringProblem(E2BIG);
  return memory.bytes.subarray(from, from + limit);
}

/** A kernel function on strings, which answers -ERANGE for user addresses, -EFAULT for unmapped ones and -E2BIG for strings without end. */
const string = (
  id: number,
  name: string,
  parameters: number,
  run: (text: (n: number, most?: number) => Uint8Array, registers: BigUint64Array) => number,
): Kfunc =>
  kfunc(
    id,
    name,
    Array.from({ length: parameters }, () => 'anything' as const),
    'scalar',
    'all',
    (environment, registers) => {
      try {
        return run((n, most = MAX_STRING) => text(environment, argument(registers, n), most), registers);
      } catch (error) {
        if (error instanceof StringProblem) return -error.errno;
        throw error;
      }
    },
    SINCE,
  );

const found = (index: number): number => (index < 0 ? -ENOENT : index);
const byte = (registers: BigUint64Array): number => u32(registers, 2) & 0xff;

/** Where the bytes of `needle` lie in `bytes`. */
function indexOf(bytes: Uint8Array, needle: Uint8Array): number {
  for (let at = 0; at + needle.length <= bytes.length; at++)
    if (needle.every((value, i) => bytes[at + i] === value)) return at;
  return -1;
}

/** How many bytes from the start are all, or with `inside` false none, of those in `set`. */
function span(bytes: Uint8Array, set: Uint8Array, inside: boolean): number {
  const end = bytes.findIndex((value) => set.includes(value) !== inside);
  return end < 0 ? bytes.length : end;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i <= Math.min(a.length, b.length); i++) {
    const [left, right] = [a[i] ?? 0, b[i] ?? 0];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Strings in kernel memory (kernel/bpf/helpers.c since Linux 6.17), and one in user memory. */
export const textKfuncs: readonly Kfunc[] = [
  string(20, 'strcmp', 2, (text) => compare(text(1), text(2))),
  string(21, 'strnchr', 3, (text, registers) => {
    const bytes = text(1, u32(registers, 2));
    const wanted = u32(registers, 3) & 0xff;
    if (wanted !== 0) return found(bytes.indexOf(wanted));
    return bytes.length < u32(registers, 2) ? bytes.length : -ENOENT;
  }),
  string(22, 'strchr', 2, (text, registers) =>
    byte(registers) === 0 ? text(1).length : found(text(1).indexOf(byte(registers))),
  ),
  string(23, 'strchrnul', 2, (text, registers) => {
    const index = text(1).indexOf(byte(registers));
    return index < 0 ? text(1).length : index;
  }),
  string(24, 'strrchr', 2, (text, registers) => {
    // Unlike its relatives it takes the character as an int.
    const wanted = i32(registers, 2);
    if (wanted === 0) return text(1).length;
    return wanted < -128 || wanted > 127 ? -ENOENT : found(text(1).lastIndexOf(wanted & 0xff));
  }),
  string(25, 'strnlen', 2, (text, registers) => text(1, u32(registers, 2)).length),
  string(26, 'strlen', 1, (text) => text(1).length),
  string(27, 'strspn', 2, (text) => span(text(1), text(2), true)),
  string(28, 'strcspn', 2, (text) => span(text(1), text(2), false)),
  string(29, 'strnstr', 3, (text, registers) => found(indexOf(text(1, u32(registers, 3)), text(2)))),
  string(30, 'strstr', 2, (text) => found(indexOf(text(1), text(2)))),
  kfunc(
    31,
    'copy_from_user_str',
    ['memory_out', 'size', 'anything', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const to = bytesArgument(
        'bpf_copy_from_user_str',
        environment,
        registers,
        1,
        size('bpf_copy_from_user_str', registers, 2),
      );
      const [address, flags] = [argument(registers, 3), argument(registers, 4)];
      if (flags > 1n || to.length === 0) return -EINVAL;
      for (let i = 0; i < to.length; i++) {
        const value = i === to.length - 1 ? 0 : environment.readUser(address + BigInt(i), 1)?.[0];
        if (value === undefined) {
          to.fill(0);
          return -EFAULT;
        }
        to[i] = value;
        if (value !== 0) continue;
        if (flags === 1n) to.fill(0, i);
        return i + 1;
      }
      return to.length;
    },
    { sleepable: true, since: '6.12' },
  ),
];
