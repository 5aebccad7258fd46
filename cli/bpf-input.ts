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

/** Characters of what is wrong that a message shows. */
const SHOWN = 20;

/** The value of a hexadecimal digit by its character code, -1 for every other character. */
const DIGITS = Int8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase()),
);
const digitAt = (text: string, at: number): number => DIGITS[text.charCodeAt(at)] ?? -1;

/** Bytes in hexadecimal with blanks between them, or none at all. @throws CliError naming the byte */
export const hexBytes = (text: string, what: string): Uint8Array => {
  const bytes = new Uint8Array(text.length / 2 + 1);
  let length = 0;
  for (let at = 0; at < text.length; ) {
    if (isBlank(text.charCodeAt(at))) {
      at++;
      continue;
    }
    if (text.startsWith('0x', at)) at += 2;
    const [high, low] = [digitAt(text, at), digitAt(text, at + 1)];
    if (high === -1 || low === -1) {
      const [word = ''] = /^\S*/.exec(text.slice(at, at + SHOWN)) ?? [];
      throw new CliError(
        `${what}: byte ${length} is '${word}'; expected two hexadecimal digits a byte, as in "b7 00 00 00"`,
        EXIT.usage,
      );
    }
    bytes[length++] = high * 16 + low;
    at += 2;
  }
  return bytes.slice(0, length);
};

/** Blank, tab, line feed, carriage return. */
const isBlank = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/** Tells an ELF file, hexadecimal, assembly and raw instructions apart. */
export const contentOf = ({ name, bytes }: Input): Content => {
  if (ELF_MAGIC.every((byte, at) => bytes[at] === byte)) return { kind: 'elf', bytes };
  const text = textOf(bytes);
  if (text === undefined) return { kind: 'code', bytes };
  if (/^[\s0-9a-fx]*$/i.test(text) && /^\s*(?:0x)?[0-9a-f]{2}/i.test(text)) {
    return { kind: 'code', bytes: hexBytes(text, name) };
  }
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
