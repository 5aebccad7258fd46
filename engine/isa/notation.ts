import { OPCODES, type Opcode } from './opcodes.ts';
import { type Token, tokenize } from './tokens.ts';

/** What a template's brace stands for: registers and numbers by the field they go to, jump targets, names. */
const SLOTS = {
  dst: 'a register (r0 to r10)',
  src: 'a register (r0 to r10)',
  wdst: 'a 32-bit register (w0 to w10)',
  wsrc: 'a 32-bit register (w0 to w10)',
  offset: 'an offset (+8 or -8)',
  imm: 'a number',
  hex: 'a number',
  imm64: 'a number',
  /** All 64 bits without `ll`: only where the listing says that it is a wide instruction. */
  bare64: 'a number',
  plus: 'an offset (+8)',
  near: 'where to jump (pc+3, +3 or a label)',
  far: 'where to go (pc+3, +3 or a label)',
  label: 'a label or a helper',
  helper: 'a helper',
  map: 'a map',
} as const;
type SlotKind = keyof typeof SLOTS;

/** What the text had in the place of a brace; `at` is the token it began with. */
export interface Capture {
  readonly slot: SlotKind;
  readonly at: Token;
  readonly value: bigint | number | string;
}

/** A row that a text can be read as. */
export interface Reading {
  readonly row: Opcode;
  readonly captures: readonly Capture[];
}

/** Where a text left every notation: its token there, and what could have stood in its place. */
export interface Misreading {
  readonly token: Token;
  readonly index: number;
  readonly expected: readonly string[];
  /** The words and signs among them, for the nearest. */
  readonly words: readonly string[];
}

interface Node {
  readonly literals: Map<string, Node>;
  readonly slots: Map<SlotKind, Node>;
  readonly rows: Opcode[];
}

const newNode = (): Node => ({ literals: new Map(), slots: new Map(), rows: [] });

/** LLVM's other texts for a row (llvm/lib/Target/BPF/BPFInstrInfo.td), and names in place of numbers. */
function alternatives(row: Opcode): string[] {
  const { text, operation, width, name } = row;
  const bits = width === 64 ? '64' : '32';
  const [value, first] = width === 64 ? ['{src}', 'r0'] : ['{wsrc}', 'w0'];
  switch (operation) {
    case 'ldx':
      return width === 64 ? [] : [text.replace('{dst}', '{wdst}')];
    case 'stx':
      return width === 64 ? [] : [text.replace('{src}', '{wsrc}')];
    case 'lock_xchg':
      return [`${value} = xchg${width === 64 ? '' : '32'}_${bits}({dst} {offset}, ${value})`];
    case 'lock_cmpxchg':
      return [`${first} = cmpxchg${width === 64 ? '' : '32'}_${bits}({dst} {offset}, ${first}, ${value})`];
    case 'ldind':
      return [text.replace('{src} + {imm}', '{src}')];
    case 'lddw':
      return wideTexts(name, row.fixed.src ?? 0);
    case 'call':
      return ['call {helper}#{imm}', 'call {label}', 'call {imm}'];
    case 'call_local':
    case 'call_btf':
      return [
        'call {imm}',
        ...(operation === 'call_btf' ? ['call kernel-function#{imm}'] : ['call pc{plus}#{helper}']),
      ];
  }
  if (!operation.startsWith('lock_')) return [];
  if (!operation.includes('fetch')) return width === 64 ? [] : [text.replace('{src}', '{wsrc}')];
  const plain = text.replace('atomic64_', 'atomic_');
  return [width === 64 ? plain : plain.replaceAll('{src}', '{wsrc}')];
}

/** LLVM shows only the constant of a wide instruction, and the kind as `ld_pseudo`; the kernel's verifier shows only the constant. */
function wideTexts(name: string, src: number): string[] {
  const plain = ['{dst} = {imm64} ll', '{dst} = {bare64}'];
  const pseudo = [`ld_pseudo {dst}, ${src}, {imm64}`, `ld_pseudo {dst}, 0x${src}, {imm64}`];
  const named: Readonly<Record<string, string[]>> = {
    lddw_map: ['{dst} = map[id:{imm}]', '{dst} = map[{map}]'],
    lddw_map_value: ['{dst} = map[id:{imm}][0]{plus}', '{dst} = map[{map}][0]{plus}'],
    lddw_map_index_value: ['{dst} = map[idx:{imm}]{plus}'],
  };
  return [...plain, ...pseudo, ...(named[name] ?? [])];
}

/** Texts of the table whose braces are no slots here: `alternatives` writes them out. */
const REPLACED = new Set(['lddw_map', 'lddw_map_value', 'lddw_map_index_value', 'call']);

function build(): Node {
  const root = newNode();
  for (const row of OPCODES) {
    const texts = [...(REPLACED.has(row.name) ? [] : [row.text]), ...alternatives(row)];
    for (const text of new Set(texts)) insert(root, text, row);
  }
  return root;
}

function insert(root: Node, text: string, row: Opcode): void {
  let node = root;
  for (const part of text.split(/(\{\w+\})/)) {
    const slot = /^\{(\w+)\}$/.exec(part)?.[1] as SlotKind | undefined;
    if (slot) node = enter(node.slots, slot);
    else for (const token of tokenize(part)) if (token.kind !== 'end') node = enter(node.literals, token.text);
  }
  if (!node.rows.includes(row)) node.rows.push(row);
}

function enter<Key>(edges: Map<Key, Node>, key: Key): Node {
  const next = edges.get(key) ?? newNode();
  edges.set(key, next);
  return next;
}

const ROOT = build();

/** Reads an instruction as every row whose notation it has, the likeliest first, or says where it left them all. */
export function read(tokens: readonly Token[]): readonly Reading[] | Misreading {
  const readings: Reading[] = [];
  let furthest = 0;
  let stuck: Node[] = [ROOT];
  const walk = (node: Node, index: number, captures: readonly Capture[]): void => {
    const token = tokens[index]!;
    if (index > furthest) [furthest, stuck] = [index, []];
    if (index === furthest && !stuck.includes(node)) stuck.push(node);
    if (token.kind === 'end') {
      readings.push(...node.rows.map((row) => ({ row, captures })));
      return;
    }
    const literal = node.literals.get(token.text);
    if (literal) walk(literal, index + 1, captures);
    for (const [slot, next] of node.slots) {
      const found = slotAt(slot, tokens, index);
      if (found) walk(next, found.next, [...captures, { slot, at: token, value: found.value }]);
    }
  };
  walk(ROOT, 0, []);
  return readings.length > 0 ? readings : misreading(tokens[furthest]!, furthest, stuck);
}

function misreading(token: Token, index: number, nodes: readonly Node[]): Misreading {
  const words = [...new Set(nodes.flatMap((node) => [...node.literals.keys()]))];
  const slots = nodes.flatMap((node) => [...node.slots.keys()].map((slot) => SLOTS[slot]));
  const end = nodes.some((node) => node.rows.length > 0) ? ['the end of the line'] : [];
  return { token, index, words, expected: [...new Set([...slots, ...words.map((word) => `'${word}'`), ...end])] };
}

/** The value of a slot at a token, and the index of the token after it. */
function slotAt(
  slot: SlotKind,
  tokens: readonly Token[],
  index: number,
): { value: bigint | number | string; next: number } | undefined {
  const token = tokens[index]!;
  switch (slot) {
    case 'dst':
    case 'src':
    case 'wdst':
    case 'wsrc':
      if (token.kind !== 'register' || token.wide === slot.startsWith('w')) return undefined;
      return { value: token.number, next: index + 1 };
    case 'imm':
    case 'hex':
    case 'imm64':
    case 'bare64':
      return token.kind === 'number' ? { value: token.value, next: index + 1 } : undefined;
    case 'offset':
    case 'plus':
      return signedAt(tokens, index);
    case 'near':
    case 'far':
      return targetAt(tokens, index);
    case 'label':
    case 'helper':
    case 'map':
      return token.kind === 'word' || (slot === 'helper' && token.kind === 'number')
        ? { value: token.text, next: index + 1 }
        : undefined;
  }
}

/** `+8`, `-8`, `+ 0x8`, `- 0x8`. */
function signedAt(tokens: readonly Token[], index: number): { value: bigint; next: number } | undefined {
  const [token, following] = [tokens[index]!, tokens[index + 1]];
  if (token.kind === 'number') return token.signed ? { value: token.value, next: index + 1 } : undefined;
  if ((token.text !== '+' && token.text !== '-') || following?.kind !== 'number' || following.signed) return undefined;
  return { value: token.text === '-' ? -following.value : following.value, next: index + 2 };
}

/** `pc+3`, `+0x3 <LBB0_2>`, or a label. */
function targetAt(tokens: readonly Token[], index: number): { value: bigint | string; next: number } | undefined {
  const token = tokens[index]!;
  const relative = signedAt(tokens, token.text === 'pc' ? index + 1 : index);
  if (relative) return { value: relative.value, next: pastSymbol(tokens, relative.next) };
  return token.kind === 'word' ? { value: token.text, next: index + 1 } : undefined;
}

/** Past the symbol that llvm-objdump shows behind a distance, `<LBB0_2>` or `<foo+0x18>`. */
function pastSymbol(tokens: readonly Token[], index: number): number {
  if (tokens[index]?.text !== '<') return index;
  const close = tokens.findIndex(({ text }, at) => at > index && text === '>');
  return close === -1 ? index : close + 1;
}
