import { BPF_F_RDONLY_PROG } from '../object/index.ts';
import { Rejection } from './error.ts';
import { dereferenced } from './memory.ts';
import { isConstant } from './scalar.ts';
import type { State } from './state.ts';

/** A NUL-terminated string in a read-only array (check_reg_const_str of kernel/bpf/verifier.c). @throws Rejection */
export function checkString(state: State, register: number): void {
  const value = dereferenced(state, register);
  if (value.target.kind !== 'map_value') throw new Rejection(`r${register} must be a string in a read-only map`);
  const { spec } = value.target;
  if (spec.type !== 'array' || ((spec.flags ?? 0) & BPF_F_RDONLY_PROG) === 0) {
    throw new Rejection(`r${register} must be a string in a read-only map; programs may write to ${spec.name}`);
  }
  if (!isConstant(value.variable)) throw new Rejection(`r${register} must be a string at a constant offset`);
  const content = spec.contents?.find(([key]) => key.every((byte) => byte === 0))?.[1];
  const start = value.offset;
  if (start < 0 || start >= spec.valueSize || !content || content.indexOf(0, start) < 0) {
    throw new Rejection(`r${register} must be a string that ends with a NUL byte inside the value of ${spec.name}`);
  }
}
