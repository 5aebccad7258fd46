import { EFAULT, EINVAL, ERANGE } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';
import { STRING_PIECE } from './helpers-probe.ts';
import type { Memory } from './memory.ts';

/** A helper's work on words: the low halves of r1 to r3, and the high half of r3. */
export type QuickFunction = (first: number, second: number, third: number, thirdHigh: number) => number;

/** A helper for compiled code that was verified: no BigInt, no check of what the verifier has checked, nothing allocated. */
export interface QuickHelper {
  /** What becomes r0: the result, with its sign; the address of the offset in memory that it is; or what was put in `registers`. */
  readonly gives: 'number' | 'address' | 'register';
  /** Undefined where the environment hasn't what it takes. */
  readonly make: (environment: VmEnvironment, registers: BigUint64Array) => QuickFunction | undefined;
}

const TWO_32 = 0x1_0000_0000;

const currentTask: QuickHelper = {
  gives: 'address',
  make: (environment) => environment.currentTaskAt && (() => environment.currentTaskAt!()),
};

const register = (value: (environment: VmEnvironment, first: number) => bigint): QuickHelper => ({
  gives: 'register',
  make: (environment, registers) => (first) => {
    registers[0] = value(environment, first);
    return 0;
  },
});

const getCurrentComm: QuickHelper = {
  gives: 'number',
  make: (environment) =>
    environment.currentCommAt &&
    ((first, second) => {
      if (second === 0) return -EINVAL;
      const { bytes } = environment.memory;
      const to = first >>> 0;
      const from = environment.currentCommAt!();
      let at = 0;
      for (let byte = bytes[from] ?? 0; byte !== 0 && at < second - 1; byte = bytes[from + at] ?? 0)
        bytes[to + at++] = byte;
      bytes.fill(0, to + at, to + second);
      return 0;
    }),
};

/** Memory is readable to the end of a page that is in use. */
const PAGE = 4096;

const readableEnd = ({ used }: Memory): number => Math.ceil(used / PAGE) * PAGE;

/** Stretches up to this long are copied and cleared by a loop, which then is faster than the array's functions. */
const SHORT = 64;

const clear = (bytes: Uint8Array, from: number, length: number): void => {
  if (length > SHORT) bytes.fill(0, from, from + length);
  else for (let index = 0; index < length; index++) bytes[from + index] = 0;
};

const copy = (source: Uint8Array, from: number, bytes: Uint8Array, to: number, length: number): void => {
  if (length > SHORT) bytes.set(source.subarray(from, from + length), to);
  else for (let index = 0; index < length; index++) bytes[to + index] = source[from + index] ?? 0;
};

/** What reading kernel memory gives where nothing can be read: -ERANGE for what is no kernel address (mm/maccess.c, copy_from_kernel_nofault_allowed). */
const whyNot = (high: number): number => (high >> 15 === -1 ? -EFAULT : -ERANGE);

const probeReadKernel: QuickHelper = {
  gives: 'number',
  make: (environment) => {
    const { memory } = environment;
    const { bytes } = memory;
    return (first, length, third, high) => {
      const to = first >>> 0;
      const from = length === 0 ? -1 : memory.offsetOf(third, high, 1);
      if (from !== -1 && from + length <= readableEnd(memory)) {
        bytes.copyWithin(to, from, from + length);
        return 0;
      }
      if (length === 0) return 0;
      clear(bytes, to, length);
      return whyNot(high);
    };
  },
};

const probeReadUser: QuickHelper = {
  gives: 'number',
  make: (environment) =>
    environment.userAt &&
    ((first, length, third, high) => {
      if (length === 0) return 0;
      const { bytes } = environment.memory;
      const to = first >>> 0;
      const found = high < 0 ? undefined : environment.userAt!(high * TWO_32 + (third >>> 0), length);
      if (found) copy(found.bytes, found.at, bytes, to, length);
      else clear(bytes, to, length);
      return found ? 0 : -EFAULT;
    }),
};

const probeReadUserString: QuickHelper = {
  gives: 'number',
  make: (environment) =>
    environment.userAt &&
    ((first, length, third, high) => {
      if (length === 0) return 0;
      const { bytes } = environment.memory;
      const to = first >>> 0;
      const address = high * TWO_32 + (third >>> 0);
      for (let done = 0; done < length; ) {
        const at = address + done;
        const size = Math.min(length - done, STRING_PIECE - (at % STRING_PIECE));
        const piece = high < 0 ? undefined : environment.userAt!(at, size);
        if (!piece) {
          clear(bytes, to, length);
          return -EFAULT;
        }
        const { bytes: source, at: from } = piece;
        for (let index = 0; index < size; index++) {
          const byte = source[from + index] ?? 0;
          bytes[to + done + index] = byte;
          if (byte === 0) return done + index + 1;
        }
        done += size;
      }
      bytes[to + length - 1] = 0;
      return length;
    }),
};

const probeReadKernelString: QuickHelper = {
  gives: 'number',
  make: (environment) => {
    const { memory } = environment;
    const { bytes } = memory;
    return (first, length, third, high) => {
      if (length === 0) return 0;
      const to = first >>> 0;
      const from = memory.offsetOf(third, high, 1);
      const end = readableEnd(memory);
      for (let done = 0; from !== -1 && done < length && from + done < end; done++) {
        const byte = bytes[from + done] ?? 0;
        bytes[to + done] = byte;
        if (byte === 0) return done + 1;
      }
      if (from !== -1 && from + length <= end) {
        bytes[to + length - 1] = 0;
        return length;
      }
      clear(bytes, to, length);
      return whyNot(high);
    };
  },
};

/** By id; the others are called as the interpreter calls them. */
export const QUICK_HELPERS: ReadonlyMap<number, QuickHelper> = new Map([
  [16, getCurrentComm],
  [35, currentTask],
  [80, register((environment) => environment.currentCgroupId())],
  [112, probeReadUser],
  [113, probeReadKernel],
  [114, probeReadUserString],
  [115, probeReadKernelString],
  [123, register((environment, level) => (level < 0 ? 0n : environment.currentAncestorCgroupId(level)))],
  [125, register((environment) => environment.bootNs())],
  [158, currentTask],
]);
