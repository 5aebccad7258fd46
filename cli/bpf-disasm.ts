import { checkReserved, DecodeError, decode, disassemble, type Instruction } from '../engine/isa/index.ts';
import { helperById } from '../engine/vm/index.ts';
import { assembled } from './bpf-code.ts';
import { contentOf, type Input } from './bpf-input.ts';
import { chosenPrograms, readObject } from './bpf-object.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { listing } from './listing.ts';
import type { Output } from './output.ts';
import { count } from './paint.ts';

export interface DisasmOptions {
  readonly section?: string;
}

/** As `bpftool prog dump xlated` prints instructions; reserved fields that are set are told behind them. */
const printCode = (instructions: readonly Instruction[], output: Output): void => {
  const reserved = new Map(checkReserved(instructions).map((field) => [field.at, field]));
  for (const { at, text } of disassemble(instructions, { helper: (id) => helperById(id)?.name })) {
    const opcode = instructions[at]!.opcode.toString(16).padStart(2, '0');
    const field = reserved.get(at) ?? reserved.get(at + 1);
    const note = field && output.paint.yellow(`  ; reserved: ${field.field} is ${field.value}, not 0`);
    output.line(`${output.paint.dim(`${String(at).padStart(4)}: (${opcode})`)} ${text}${note ?? ''}`);
  }
};

const lenient = (bytes: Uint8Array, name: string): Instruction[] => {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof DecodeError) throw new CliError(`${name}: ${error.message}`, EXIT.usage);
    throw error;
  }
};

/** Prints the instructions of bytes, of assembly, or of an object's programs. */
export const disasm = (input: Input, { section }: DisasmOptions, output: Output): ExitCode => {
  const content = contentOf(input);
  if (content.kind !== 'elf') {
    if (section !== undefined) {
      throw new CliError(`${input.name} is no ELF object and has no sections; leave out --section`, EXIT.usage);
    }
    const instructions =
      content.kind === 'code'
        ? lenient(content.bytes, input.name)
        : assembled(content.text, input.name, output.paint.colour).instructions;
    if (instructions.length === 0) throw new CliError(`${input.name} has no instruction`, EXIT.usage);
    printCode(instructions, output);
    return EXIT.fine;
  }
  const object = readObject(content.bytes, input.name);
  for (const [index, program] of chosenPrograms(object, section).entries()) {
    if (index > 0) output.line();
    const slots = count(program.instructions.length, 'slot');
    output.line(output.paint.bold(`${program.name} (${program.hook}): ${slots}`));
    for (const line of listing(program, output.paint, object)) output.line(line);
  }
  return EXIT.fine;
};
