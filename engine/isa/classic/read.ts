import { ClassicError, type ClassicInstruction, MAX_CLASSIC } from './instruction.ts';

const BYTES = 8;

/** Instructions of a raw filter: an array of struct sock_filter, little endian. @throws ClassicError */
export function decodeClassic(bytes: Uint8Array): ClassicInstruction[] {
  if (bytes.length % BYTES !== 0) {
    throw new ClassicError(
      { at: Math.floor(bytes.length / BYTES) },
      `the filter ends inside an instruction; its length, ${bytes.length}, is no multiple of 8`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / BYTES }, (_, at) => ({
    code: view.getUint16(at * BYTES, true),
    jt: view.getUint8(at * BYTES + 2),
    jf: view.getUint8(at * BYTES + 3),
    k: view.getUint32(at * BYTES + 4, true),
  }));
}

const FIELDS = [
  ['code', 0xffff],
  ['jt', 0xff],
  ['jf', 0xff],
  ['k', 0xffff_ffff],
] as const;

/** Instructions of what `tcpdump -ddd` prints: their number, then `code jt jf k` a line, all decimal. @throws ClassicError */
export function parseClassic(text: string): ClassicInstruction[] {
  const lines = text.split('\n').map((each, index) => ({ line: index + 1, text: each.trim() }));
  const [head, ...rest] = lines.filter((each) => each.text !== '');
  if (head === undefined) throw new ClassicError(undefined, 'the text is empty; expected what tcpdump -ddd prints');
  if (!/^\d+$/.test(head.text)) {
    throw new ClassicError({ line: head.line }, `expected the number of instructions, found '${head.text}'`);
  }
  const wanted = Number(head.text);
  if (wanted > MAX_CLASSIC) {
    throw new ClassicError({ line: head.line }, `a filter has at most ${MAX_CLASSIC} instructions, not ${head.text}`);
  }
  const instructions = rest.map(parseInstruction);
  if (instructions.length !== wanted) {
    const last = rest.at(-1) ?? head;
    throw new ClassicError(
      { line: last.line },
      `the first line promises ${wanted} instructions, but there are ${instructions.length}`,
    );
  }
  return instructions;
}

function parseInstruction({ line, text }: { readonly line: number; readonly text: string }): ClassicInstruction {
  const words = text.split(/\s+/);
  const numbers = words.map((word) => (/^\d+$/.test(word) ? Number(word) : Number.NaN));
  if (words.length !== FIELDS.length || numbers.some(Number.isNaN)) {
    throw new ClassicError({ line }, `expected four decimal numbers (code jt jf k), found '${text}'`);
  }
  for (const [index, [field, greatest]] of FIELDS.entries()) {
    if (numbers[index]! > greatest) {
      throw new ClassicError({ line }, `${field} is at most ${greatest}, not ${words[index]}`);
    }
  }
  const [code, jt, jf, k] = numbers as [number, number, number, number];
  return { code, jt, jf, k };
}
