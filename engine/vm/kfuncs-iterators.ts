import { E2BIG, EFAULT, EINVAL, ENOMEM } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';
import type { ArgumentType } from './helper.ts';
import { argument, i32, pointer, u32 } from './helper-arguments.ts';
import { type Kfunc, kfunc } from './kfunc.ts';

/** BPF_MAX_LOOPS of include/linux/bpf.h. */
const MAX_LOOPS = 8 * 1024 * 1024;
/** BITS_ITER_NR_WORDS_MAX of kernel/bpf/helpers.c. */
const MAX_WORDS = 511;

const iterator = (name: string, bytes: number, state: 'new' | 'next' | 'destroy'): ArgumentType => ({
  iterator: name,
  bytes,
  state,
});
const NUMBER = { memory: 4, nullable: true } as const;

/** The 8 bytes of struct bpf_iter_num: the number given last, and the end. */
function numbers(environment: VmEnvironment, registers: BigUint64Array) {
  const at = pointer('bpf_iter_num', environment, registers, 1, 8);
  const { view } = environment.memory;
  const set = (current: number, end: number): void => {
    view.setInt32(at, current, true);
    view.setInt32(at + 4, end, true);
  };
  return { at, current: view.getInt32(at, true), end: view.getInt32(at + 4, true), set };
}

/** The 16 bytes of struct bpf_iter_bits: offset in memory of the words, how many bits they have, and the bit given last. */
function bits(environment: VmEnvironment, registers: BigUint64Array) {
  const at = pointer('bpf_iter_bits', environment, registers, 1, 16);
  const { view } = environment.memory;
  const set = (words: number, count: number, bit: number): void => {
    view.setBigUint64(at, BigInt(words), true);
    view.setInt32(at + 8, count, true);
    view.setInt32(at + 12, bit, true);
  };
  const words = Number(view.getBigUint64(at, true));
  return { at, words, count: view.getInt32(at + 8, true), bit: view.getInt32(at + 12, true), set };
}

/** Iterators over numbers and bits (kernel/bpf/bpf_iter.c, kernel/bpf/helpers.c). */
export const iteratorKfuncs: readonly Kfunc[] = [
  kfunc(
    1,
    'iter_num_new',
    [iterator('bpf_iter_num', 8, 'new'), 'anything', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const { set } = numbers(environment, registers);
      const [start, end] = [i32(registers, 2), i32(registers, 3)];
      set(0, 0);
      if (start > end) return -EINVAL;
      if (end - start > MAX_LOOPS) return -E2BIG;
      set(start - 1, end);
      return 0;
    },
    { since: '6.4' },
  ),
  kfunc(
    2,
    'iter_num_next',
    [iterator('bpf_iter_num', 8, 'next')],
    NUMBER,
    'all',
    (environment, registers) => {
      const { current, end, set } = numbers(environment, registers);
      const next = (current + 1) | 0;
      if (next >= end) {
        set(0, 0);
        return 0;
      }
      set(next, end);
      return argument(registers, 1);
    },
    { since: '6.4' },
  ),
  kfunc(
    3,
    'iter_num_destroy',
    [iterator('bpf_iter_num', 8, 'destroy')],
    'void',
    'all',
    (environment, registers) => {
      numbers(environment, registers).set(0, 0);
      return 0;
    },
    { since: '6.4' },
  ),
  kfunc(
    4,
    'iter_bits_new',
    [iterator('bpf_iter_bits', 16, 'new'), 'anything', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const { memory } = environment;
      const { set } = bits(environment, registers);
      const count = u32(registers, 3);
      set(0, 0, -1);
      if (argument(registers, 2) === 0n || count === 0) return -EINVAL;
      if (count > MAX_WORDS) return -E2BIG;
      const from = memory.offset(argument(registers, 2), count * 8);
      if (from === undefined) return -EFAULT;
      const words = memory.tryAllocate(count * 8);
      if (words === 0) return -ENOMEM;
      memory.bytes.copyWithin(words, from, from + count * 8);
      set(words, count * 64, -1);
      return 0;
    },
    { since: '6.11' },
  ),
  kfunc(
    5,
    'iter_bits_next',
    [iterator('bpf_iter_bits', 16, 'next')],
    NUMBER,
    'all',
    (environment, registers) => {
      const { at, words, count, bit, set } = bits(environment, registers);
      for (let next = bit + 1; next < count; next++) {
        if (((environment.memory.bytes[words + (next >> 3)]! >> (next & 7)) & 1) === 0) continue;
        set(words, count, next);
        return environment.memory.address(at + 12);
      }
      set(words, count, count);
      return 0;
    },
    { since: '6.11' },
  ),
  kfunc(
    6,
    'iter_bits_destroy',
    [iterator('bpf_iter_bits', 16, 'destroy')],
    'void',
    'all',
    (environment, registers) => {
      const { words, count, set } = bits(environment, registers);
      if (words !== 0) environment.memory.free(words, count / 8);
      set(0, 0, 0);
      return 0;
    },
    { since: '6.11' },
  ),
];
