import { disassemble } from '../engine/isa/index.ts';
import { describeCore, type ElfObject, type ProgramSpec } from '../engine/object/index.ts';
import { helperById } from '../engine/vm/index.ts';
import type { Paint } from './paint.ts';

/**
 * A program's instructions in the kernel's notation, each part under what it came from; maps, members and kernel functions by name.
 * `object` is what CO-RE relocations refer to.
 */
export const listing = (program: ProgramSpec<string>, paint: Paint, object?: ElfObject): readonly string[] => {
  const relocations = new Map(program.relocations.map((relocation) => [relocation.at, relocation]));
  const origins = new Map<number, string[]>();
  let last: string | undefined;
  for (const { at, text } of program.lines) {
    if (text !== last) origins.set(at, [...(origins.get(at) ?? []), text.trim()]);
    last = text;
  }
  const instructions = disassemble(program.instructions, {
    helper: (id) => helperById(id)?.name,
    relocation: (at) => relocations.get(at),
  });
  const functions = new Map((program.functions ?? []).map(({ at, name }) => [at, name]));
  const adjusted = (at: number): string => {
    const relocation = relocations.get(at);
    return relocation?.kind === 'core' && object?.btf ? paint.dim(`  ; ${describeCore(relocation, object.btf)}`) : '';
  };
  return instructions.flatMap(({ at, text }) => [
    ...(functions.has(at) ? [`${functions.get(at)}:`] : []),
    ...(origins.get(at) ?? []).map((origin) => paint.cyan(`        ; ${origin}`)),
    `${paint.dim(String(at).padStart(6))}: ${text}${adjusted(at)}`,
  ]);
};
