import { BPF_PSEUDO_FUNC, type Instruction, LDDW, OPCODES } from '../../../engine/isa/index.ts';
import type { Random } from '../../support/random.ts';

const isJump = ({ opcode, src }: Instruction): 'offset' | 'imm' | undefined => {
  if (opcode === LDDW) return src === BPF_PSEUDO_FUNC ? 'imm' : undefined;
  const klass = opcode & 7;
  const operation = opcode & 0xf0;
  if (klass === 6) return operation === 0 ? 'imm' : 'offset';
  if (klass !== 5 || operation === 0x90) return undefined;
  if (operation === 0x80) return src === 1 ? 'imm' : undefined;
  return 'offset';
};

/** The program with the slots from `at` on replaced; jumps over the place go on to where they went. */
export function splice(
  program: readonly Instruction[],
  at: number,
  removed: number,
  inserted: readonly Instruction[],
): Instruction[] {
  const shift = inserted.length - removed;
  const moved = (slot: number): number => (slot >= at + removed ? slot + shift : slot > at ? at : slot);
  const fixed = program.map((instruction, slot) => {
    const field = isJump(instruction);
    if (!field || (slot > 0 && program[slot - 1]!.opcode === LDDW)) return instruction;
    const target = slot + 1 + instruction[field];
    return { ...instruction, [field]: moved(target) - moved(slot) - 1 };
  });
  return [...fixed.slice(0, at), ...inserted, ...fixed.slice(at + removed)];
}

const OPCODE_NUMBERS = [...new Set(OPCODES.map(({ opcode }) => opcode))];

/** The fields that say something in an instruction of this class; the others are reserved. */
function fieldsOf({ opcode }: Instruction): ReadonlySet<'src' | 'offset' | 'imm'> {
  const klass = opcode & 7;
  const byRegister = (opcode & 8) !== 0;
  if (klass === 0) return new Set(['imm']);
  if (klass === 1) return new Set(['src', 'offset']);
  if (klass === 2) return new Set(['offset', 'imm']);
  if (klass === 3) return new Set(['src', 'offset']);
  const operand = byRegister ? 'src' : 'imm';
  if (klass === 4 || klass === 7) return new Set([operand]);
  if (opcode === 0x95) return new Set();
  return opcode === 0x85 ? new Set(['imm']) : new Set([operand, 'offset']);
}

const isStackStore = ({ opcode, dst }: Instruction): boolean =>
  ((opcode & 7) === 2 || (opcode & 7) === 3) && dst === 10;

/** Where to change something; seldom a store to the stack, since privileged programs may read there what was never written. */
function place(program: readonly Instruction[], random: Random): number {
  const at = random.below(program.length);
  return isStackStore(program[at]!) && random.chance(0.85) ? place(program, random) : at;
}

/** Helpers that may be called by accident: they reach maps only, and give the same in both kernels. */
const HARMLESS = [1, 2, 3, 87, 88, 89, 130, 131, 132, 133, 164, 181, 0, 9999];

const isHarmless = ({ opcode, src, imm }: Instruction): boolean =>
  opcode !== 0x85 || src === 1 || (src === 0 && HARMLESS.includes(imm));

/** One small change, as a slip of the pen would make it. No helper gets called that reaches out of the program's maps. */
export function mutate(program: readonly Instruction[], random: Random): Instruction[] {
  const changed = change(program, random);
  return changed.every((it, at) => isHarmless(it) || (at > 0 && changed[at - 1]!.opcode === LDDW))
    ? changed
    : [...program];
}

function change(program: readonly Instruction[], random: Random): Instruction[] {
  const at = place(program, random);
  const it = program[at]!;
  const isSecond = at > 0 && program[at - 1]!.opcode === LDDW;
  const slots = it.opcode === LDDW ? 2 : 1;
  const put = (changed: Partial<Instruction>): Instruction[] => program.with(at, { ...it, ...changed });
  if (isSecond) return put({ imm: random.number32() });
  const register = (): number => random.below(random.chance(0.95) ? 11 : 16);
  const used = fieldsOf(it);
  const weight = (field: 'src' | 'offset' | 'imm', full: number): number => (used.has(field) ? 10 * full : full);
  switch (
    random.weighted([
      [40, 'delete'],
      [30, 'dst'],
      [weight('src', 3), 'src'],
      [weight('offset', 4), 'offset'],
      [weight('imm', 4), 'imm'],
      [50, 'opcode'],
      [10, 'swap'],
      [10, 'copy'],
    ] as const)
  ) {
    case 'delete':
      return program.length > 2 ? splice(program, at, slots, []) : [...program];
    case 'dst':
      return put({ dst: register() });
    case 'src':
      return put({ src: it.opcode === LDDW ? it.src : register() });
    case 'offset':
      return put({ offset: (it.offset + random.pick([-8, -4, -2, -1, 1, 2, 4, 8])) | 0 });
    case 'imm':
      if (it.opcode === 0x85 && it.src === 0) return put({ imm: random.pick(HARMLESS) });
      return slots === 2 && it.src !== 0
        ? [...program]
        : put({ imm: random.chance(0.5) ? random.number32() : (it.imm + random.pick([-1, 1])) | 0 });
    case 'opcode': {
      if (slots === 2) return [...program];
      const near = OPCODE_NUMBERS.filter((opcode) => (opcode & 7) === (it.opcode & 7));
      return put({ opcode: random.chance(0.3) ? it.opcode ^ (1 << random.below(8)) : random.pick(near) });
    }
    case 'swap': {
      const next = program[at + slots];
      if (slots === 2 || !next || next.opcode === LDDW || isJump(it) || isJump(next)) return [...program];
      return program.with(at, next).with(at + 1, it);
    }
    case 'copy':
      return splice(program, at, 0, program.slice(at, at + slots));
  }
}
