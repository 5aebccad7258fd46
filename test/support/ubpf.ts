import { encode, type Instruction, LDDW, type Opcode, opcodeNamed } from '../../engine/isa/index.ts';

/** Assembles ubpf's mnemonics, as the conformance vectors use them: `ldxw %r0, [%r1+2]`, `jne %r0, 5, fail`, `lock fetch add32 [%r10-8], %r1`. */
export function assembleUbpf(text: string): Instruction[] {
  const lines = text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  const labels = new Map<string, number>();
  const statements: { at: number; words: string; operands: string[] }[] = [];
  let at = 0;
  for (const line of lines) {
    if (line.endsWith(':')) {
      labels.set(line.slice(0, -1), at);
      continue;
    }
    const [, words = '', rest = ''] = /^([a-z][a-z0-9 ]*?)(?:\s+([%[\-+0-9A-Z_].*|\w+))?$/.exec(line) ?? [];
    if (words === '') throw new Error(`ubpf assembly: can't read '${line}'`);
    statements.push({ at, words, operands: rest === '' ? [] : rest.split(',').map((operand) => operand.trim()) });
    at += words === 'lddw' ? 2 : 1;
  }
  const firstExit = statements.find(({ words }) => words === 'exit');
  if (!labels.has('exit') && firstExit) labels.set('exit', firstExit.at);
  return statements.flatMap((statement) => instructions(statement.words, statement.operands, statement.at, labels));
}

/** The program's slots from a vector's `raw` section: each line is a slot as one little-endian number in hex. */
export function rawSlots(text: string): Uint8Array {
  const slots = text.match(/0x[0-9a-f]+/gi) ?? [];
  return new Uint8Array(BigUint64Array.from(slots, BigInt).buffer);
}

/** The program's bytes. */
export const ubpfBytes = (text: string): Uint8Array => encode(assembleUbpf(text));

const register = (text: string): number => {
  const [, number] = /^%r(\d+)$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`ubpf assembly: '${text}' is no register`);
  return Number(number);
};

const place = (text: string): { base: number; offset: number } => {
  const [, base, sign, distance] = /^\[(%r\d+)(?:([+-])(\w+))?\]$/.exec(text) ?? [];
  if (base === undefined) throw new Error(`ubpf assembly: '${text}' is no place in memory`);
  return { base: register(base), offset: Number(distance ?? 0) * (sign === '-' ? -1 : 1) };
};

const number32 = (text: string): number => Number(BigInt.asIntN(32, number(text)));
const number = (text: string): bigint => (text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text));

const MOVSX: Record<string, string> = {
  movsx832: 'movsx8_32',
  movsx1632: 'movsx16_32',
  movsx864: 'movsx8',
  movsx1664: 'movsx16',
  movsx3264: 'movsx32',
};

function instructions(
  words: string,
  operands: readonly string[],
  at: number,
  labels: ReadonlyMap<string, number>,
): Instruction[] {
  const [first = '', second = '', third = ''] = operands;
  const make = (row: Opcode, fields: Partial<Instruction>): Instruction => ({
    ...{ dst: 0, src: 0, offset: 0, imm: 0 },
    ...fields,
    ...row.fixed,
    opcode: row.opcode,
  });
  const target = (text: string): number => {
    const label = labels.get(text);
    if (label !== undefined) return label - at - 1;
    if (!/^[+-]\w+$/.test(text)) throw new Error(`ubpf assembly: there is no label '${text}'`);
    return Number(number(text.replace('+', '')));
  };
  const operand = (text: string) =>
    text.startsWith('%')
      ? ({ source: 'reg', field: { src: register(text) } } as const)
      : ({ source: 'imm', field: { imm: number32(text) } } as const);

  if (words === 'exit') return [make(opcodeNamed('exit', 'none'), {})];
  if (words === 'ja') return [make(opcodeNamed('ja', 'none'), { offset: target(first) })];
  if (words === 'ja32') return [make(opcodeNamed('ja32', 'none'), { imm: target(first) })];
  if (words === 'call local') return [make(opcodeNamed('call_local', 'imm'), { imm: target(first) })];
  if (words === 'call') {
    return first.startsWith('%')
      ? [make(opcodeNamed('callx', 'reg'), { dst: register(first) })]
      : [make(opcodeNamed('call', 'imm'), { imm: number32(first) })];
  }
  if (words === 'lddw') {
    const value = number(second);
    return [
      { opcode: LDDW, dst: register(first), src: 0, offset: 0, imm: Number(BigInt.asIntN(32, value)) },
      { opcode: 0, dst: 0, src: 0, offset: 0, imm: Number(BigInt.asIntN(32, value >> 32n)) },
    ];
  }
  if (words.startsWith('lock ')) {
    const { base, offset } = place(first);
    return [make(opcodeNamed(words.replaceAll(' ', '_'), 'reg'), { dst: base, offset, src: register(second) })];
  }
  if (words.startsWith('ldx')) {
    const { base, offset } = place(second);
    return [make(opcodeNamed(words, 'reg'), { dst: register(first), src: base, offset })];
  }
  if (words.startsWith('st')) {
    const { base, offset } = place(first);
    const { source, field } = operand(second);
    return [make(opcodeNamed(words, source), { dst: base, offset, ...field })];
  }
  if (words.startsWith('j')) {
    const { source, field } = operand(second);
    return [make(opcodeNamed(words, source), { dst: register(first), offset: target(third), ...field })];
  }
  const dst = register(first);
  if (second === '') return [make(opcodeNamed(words.replace(/^swap/, 'bswap'), 'none'), { dst })];
  const { source, field } = operand(second);
  return [make(opcodeNamed(MOVSX[words] ?? words, source), { dst, ...field })];
}
