import { disassemble } from '../engine/isa/index.ts';
import type { ProgramSpec } from '../engine/object/index.ts';
import { helperById } from '../engine/vm/index.ts';
import type { Paint } from './paint.ts';

/** A program's instructions in the kernel's notation, each part under what it came from; maps and members by name. */
export const listing = (program: ProgramSpec, paint: Paint): readonly string[] => {
  const relocations = new Map(program.relocations.map((relocation) => [relocation.at, relocation]));
  const origins = new Map<number, string[]>();
  for (const { at, text } of program.lines) origins.set(at, [...(origins.get(at) ?? []), text]);
  const instructions = disassemble(program.instructions, {
    helper: (id) => helperById(id)?.name,
    relocation: (at) => relocations.get(at),
  });
  return instructions.flatMap(({ at, text }) => [
    ...(origins.get(at) ?? []).map((origin) => paint.cyan(`        ; ${origin}`)),
    `${paint.dim(String(at).padStart(6))}: ${text}`,
  ]);
};
