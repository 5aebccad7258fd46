import { E2BIG, EINVAL } from '../maps/index.ts';
import { clearDynptr, DYNPTR_LOCAL, dynptrAt, MAX_DYNPTR, setDynptr } from './dynptr.ts';
import type { Helper } from './helper.ts';
import { argument, pointer, row, u32 } from './helper-arguments.ts';

/** bpf_dynptr_check_off_len: whether `length` bytes at `offset` lie in a dynptr's `size`. */
const isInside = (offset: number, length: number, size: number): boolean => length <= size && offset <= size - length;

/** Memory with its bounds (kernel/bpf/helpers.c). */
export const dynptrHelpers: readonly Helper[] = [
  row(
    197,
    'dynptr_from_mem',
    ['memory', 'size_or_zero', 'anything', 'dynptr_out'],
    'scalar',
    'all',
    (environment, registers) => {
      const at = pointer('bpf_dynptr_from_mem', environment, registers, 4, 16);
      const size = u32(registers, 2);
      clearDynptr(environment, at);
      if (size > MAX_DYNPTR) return -E2BIG;
      if (argument(registers, 3) !== 0n) return -EINVAL;
      const data = pointer('bpf_dynptr_from_mem', environment, registers, 1, size);
      setDynptr(environment, at, { data, size, type: DYNPTR_LOCAL, readOnly: false });
      return 0;
    },
  ),
  row(
    201,
    'dynptr_read',
    ['memory_out', 'size_or_zero', 'dynptr', 'anything', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const dynptr = dynptrAt(environment, pointer('bpf_dynptr_read', environment, registers, 3, 16));
      const [length, offset] = [u32(registers, 2), u32(registers, 4)];
      if (!dynptr || argument(registers, 5) !== 0n) return -EINVAL;
      if (!isInside(offset, length, dynptr.size)) return -E2BIG;
      const to = pointer('bpf_dynptr_read', environment, registers, 1, length);
      environment.memory.bytes.copyWithin(to, dynptr.data + offset, dynptr.data + offset + length);
      return 0;
    },
  ),
  row(
    202,
    'dynptr_write',
    ['dynptr', 'anything', 'memory', 'size_or_zero', 'anything'],
    'scalar',
    'all',
    (environment, registers) => {
      const dynptr = dynptrAt(environment, pointer('bpf_dynptr_write', environment, registers, 1, 16));
      const [offset, length] = [u32(registers, 2), u32(registers, 4)];
      if (!dynptr || dynptr.readOnly || argument(registers, 5) !== 0n) return -EINVAL;
      if (!isInside(offset, length, dynptr.size)) return -E2BIG;
      const from = pointer('bpf_dynptr_write', environment, registers, 3, length);
      environment.memory.bytes.copyWithin(dynptr.data + offset, from, from + length);
      return 0;
    },
  ),
  row(
    203,
    'dynptr_data',
    ['dynptr', 'anything', 'constant_size'],
    'memory_or_null',
    'all',
    (environment, registers) => {
      const dynptr = dynptrAt(environment, pointer('bpf_dynptr_data', environment, registers, 1, 16));
      const [offset, length] = [u32(registers, 2), u32(registers, 3)];
      if (!dynptr || dynptr.readOnly || !isInside(offset, length, dynptr.size)) return 0;
      return environment.memory.address(dynptr.data + offset);
    },
  ),
];
