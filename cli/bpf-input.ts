import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { CliError, EXIT, messageOf } from './exit.ts';

/** What a command reads: a file, or standard input where none is named. */
export interface Input {
  /** For messages: the file's name, `standard input`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What bytes hold, told by the bytes themselves. */
export type Content =
  | { readonly kind: 'elf'; readonly bytes: Uint8Array }
  /** Instructions, given as they are or in hexadecimal. */
  | { readonly kind: 'code'; readonly bytes: Uint8Array }
  | { readonly kind: 'text'; readonly text: string };

/** @throws CliError where there is nothing to read */
export const readInput = async (path: string | undefined): Promise<Input> => {
  if (path !== undefined && path !== '-') return { name: basename(path), bytes: readFile(path) };
  if (isatty(0)) {
    throw new CliError('nothing comes in; name a file, or pipe one to standard input', EXIT.usage);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return { name: 'standard input', bytes: new Uint8Array(Buffer.concat(chunks)) };
};

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'it may not be read',
};

const readFile = (path: string): Uint8Array => {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new CliError(`can't read ${path}: ${REASONS[code] ?? messageOf(error)}`, EXIT.usage);
  }
};

/** Bytes in hexadecimal with blanks between them, or none at all. @throws CliError naming the byte */
export const hexBytes = (text: string, what: string): Uint8Array => {
  const words = text.split(/\s+/).filter(Boolean);
  const pairs = words.flatMap((word) => word.replace(/^0x/i, '').match(/.{1,2}/g) ?? []);
  const wrong = pairs.findIndex((pair) => !/^[0-9a-f]{2}$/i.test(pair));
  if (wrong !== -1) {
    throw new CliError(
      `${what}: byte ${wrong} is '${pairs[wrong]}'; expected two hexadecimal digits a byte, as in "b7 00 00 00"`,
      EXIT.usage,
    );
  }
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
};

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/** Tells an ELF file, hexadecimal, assembly and raw instructions apart. */
export const contentOf = ({ name, bytes }: Input): Content => {
  if (ELF_MAGIC.every((byte, at) => bytes[at] === byte)) return { kind: 'elf', bytes };
  const text = textOf(bytes);
  if (text === undefined) return { kind: 'code', bytes };
  if (/^\s*(?:(?:0x)?[0-9a-f]{2}\s*)+$/i.test(text)) return { kind: 'code', bytes: hexBytes(text, name) };
  return { kind: 'text', text };
};

/** The text that bytes are, undefined where they have control characters or are no UTF-8. */
const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return /[^\P{Cc}\t\n\r]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
};
