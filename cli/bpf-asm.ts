import { writeFileSync } from 'node:fs';
import { type ClassicKind, encode, type Instruction, SLOT_BYTES } from '../engine/isa/index.ts';
import { assembled, classicProgram, plainProgram } from './bpf-code.ts';
import { contentOf, type Input } from './bpf-input.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import type { Output } from './output.ts';
import { count } from './paint.ts';

export interface AsmOptions {
  readonly output?: string;
  readonly classic?: ClassicKind;
}

/** Bytes of slots in hexadecimal, a slot a line. */
const hexLines = (bytes: Uint8Array): string[] =>
  Array.from({ length: bytes.length / SLOT_BYTES }, (_, slot) =>
    [...bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(' '),
  );

const instructionsOf = (input: Input, { classic }: AsmOptions, colour: boolean): readonly Instruction[] => {
  if (classic !== undefined) return classicProgram(input, classic);
  const content = contentOf(input);
  if (content.kind === 'elf') {
    throw new CliError(`${input.name} is an ELF object already; see it with "shrike bpf disasm"`, EXIT.usage);
  }
  if (content.kind === 'code') return plainProgram(content, input.name).instructions;
  const { instructions, relocations } = assembled(content.text, input.name, colour);
  const [named] = relocations;
  if (named && 'map' in named) {
    throw new CliError(
      `${input.name}: slot ${named.at} refers to the map '${named.map}' by name, which only an object can; give its number as map[id:4]`,
      EXIT.usage,
    );
  }
  return instructions;
};

/** Assembles a program and prints its bytes, or writes them to a file. */
export const asm = (input: Input, options: AsmOptions, output: Output): ExitCode => {
  const bytes = encode(instructionsOf(input, options, output.paint.colour));
  if (bytes.length === 0) throw new CliError(`${input.name} has no instruction`, EXIT.usage);
  if (options.output === undefined) {
    for (const line of hexLines(bytes)) output.line(line);
    return EXIT.fine;
  }
  try {
    writeFileSync(options.output, bytes);
  } catch (error) {
    throw new CliError(`can't write ${options.output}: ${messageOf(error)}`, EXIT.environment);
  }
  output.line(`${options.output}: ${count(bytes.length / SLOT_BYTES, 'slot')}, ${count(bytes.length, 'byte')}`);
  return EXIT.fine;
};
