import { DecodeError, decode, SLOT_BYTES } from './encode.ts';
import type { Instruction } from './instruction.ts';
import { fieldsOf, LDDW, type Opcode, opcodeOf } from './opcodes.ts';

/** A field that RFC 9669 (section 3.1) wants to be zero because the instruction does not use it; `at` is its slot. */
export interface ReservedField {
  readonly at: number;
  readonly field: 'dst' | 'src' | 'offset' | 'imm';
  readonly value: number;
}

const FIELDS = ['dst', 'src', 'offset', 'imm'] as const;

/** The first field that a row does not use and that is not zero in an instance of it. */
export function reservedField(row: Opcode, instruction: Instruction): Omit<ReservedField, 'at'> | undefined {
  const used = fieldsOf(row);
  for (const field of FIELDS) {
    const value = instruction[field];
    if (value !== 0 && !used.has(field) && row.fixed[field] === undefined) return { field, value };
  }
  return undefined;
}

/** All reserved fields that are not zero, at most one a slot; the second slot of a wide instruction included. */
export function checkReserved(instructions: readonly Instruction[]): ReservedField[] {
  const found: ReservedField[] = [];
  for (let at = 0; at < instructions.length; at++) {
    const instruction = instructions[at]!;
    const row = opcodeOf(instruction);
    if (!row) continue;
    const reserved = reservedField(row, instruction);
    if (reserved) found.push({ at, ...reserved });
    if (instruction.opcode !== LDDW) continue;
    const next = instructions[++at]?.imm ?? 0;
    if (next !== 0 && !fieldsOf(row).has('next')) found.push({ at, field: 'imm', value: next });
  }
  return found;
}

/** As `decode`, and every field that an instruction does not use must be zero. @throws DecodeError */
export function decodeStrict(bytes: Uint8Array): Instruction[] {
  const instructions = decode(bytes);
  const [reserved] = checkReserved(instructions);
  if (!reserved) return instructions;
  const { at, field, value } = reserved;
  throw new DecodeError(at * SLOT_BYTES, `the field ${field} is reserved here and must be 0, it is ${value}`);
}
