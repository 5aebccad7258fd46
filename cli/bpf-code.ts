import {
  AssemblySyntaxError,
  ClassicError,
  type ClassicKind,
  DecodeError,
  decodeClassic,
  decodeStrict,
  type Instruction,
  type ParsedAssembly,
  parseAssembly,
  parseClassic,
  translateClassic,
} from '../engine/isa/index.ts';
import { HELPERS } from '../engine/vm/index.ts';
import { type Content, contentOf, type Input } from './bpf-input.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT } from './exit.ts';
import { count } from './paint.ts';

const HELPER_IDS: ReadonlyMap<string, number> = new Map(HELPERS.map(({ name, id }) => [name, id]));

/** Assembles a text. @throws CliError with every mistake under its line */
export const assembled = (text: string, name: string, colour = false): ParsedAssembly => {
  try {
    return parseAssembly(text, { helpers: HELPER_IDS, file: name });
  } catch (error) {
    if (!(error instanceof AssemblySyntaxError)) throw error;
    const printed = createDiagnosticPrinter(colour, new Map([[name, text]]));
    const list = error.issues.map(({ line, column, message, nearest }) =>
      printed({
        severity: 'error',
        code: 'assembly',
        file: name,
        line,
        column,
        message,
        ...(nearest !== undefined && { nearest }),
      }),
    );
    throw new CliError(`${name}: ${count(list.length, 'mistake')}\n${list.join('\n')}`, EXIT.usage);
  }
};

/** Instructions of bytes, reserved fields being zero. @throws CliError */
export const decoded = (bytes: Uint8Array, name: string): Instruction[] => {
  try {
    return decodeStrict(bytes);
  } catch (error) {
    if (error instanceof DecodeError) throw new CliError(`${name}: ${error.message}`, EXIT.usage);
    throw error;
  }
};

/** A program that is no ELF object: assembly or instructions. @throws CliError */
export const plainProgram = (
  content: Exclude<Content, { kind: 'elf' }>,
  name: string,
  colour = false,
): ParsedAssembly => {
  if (content.kind === 'text') return assembled(content.text, name, colour);
  return { instructions: decoded(content.bytes, name), relocations: [], labels: new Map(), lines: [] };
};

/** A filter of classic BPF: what `tcpdump -ddd` prints, or raw struct sock_filter. @throws CliError */
export const classicProgram = (input: Input, kind: ClassicKind): Instruction[] => {
  const content = contentOf(input);
  // A filter of one line of numbers alone looks like hexadecimal too; tcpdump's text always has lines of four numbers.
  const text = new TextDecoder().decode(input.bytes);
  try {
    if (content.kind === 'text' || /^\s*\d+\s*\n(\s*\d+ +\d+ +\d+ +\d+\s*\n?)+$/.test(text)) {
      return translateClassic(parseClassic(text), kind);
    }
    return translateClassic(decodeClassic(content.bytes), kind);
  } catch (error) {
    if (error instanceof ClassicError) throw new CliError(`${input.name}: ${error.message}`, EXIT.usage);
    throw error;
  }
};
