import fc from 'fast-check';
import { fieldsOf, type Instruction, LDDW, type Opcode } from '../../../engine/isa/index.ts';

/** Any instance of a row: the fields it uses are free, the others are fixed or 0. */
export function instances(row: Opcode): fc.Arbitrary<Instruction[]> {
  const used = fieldsOf(row);
  const field = (name: 'dst' | 'src' | 'offset' | 'imm', values: fc.Arbitrary<number>) =>
    used.has(name) ? values : fc.constant(row.fixed[name] ?? 0);
  const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
  return fc
    .tuple(
      field('dst', fc.integer({ min: 0, max: 10 })),
      field('src', fc.integer({ min: 0, max: 10 })),
      field('offset', fc.integer({ min: -0x8000, max: 0x7fff })),
      field('imm', int32),
      used.has('next') ? int32 : fc.constant(0),
    )
    .map(([dst, src, offset, imm, next]) => {
      const first = { opcode: row.opcode, dst, src, offset, imm };
      return row.opcode === LDDW ? [first, { opcode: 0, dst: 0, src: 0, offset: 0, imm: next }] : [first];
    });
}
