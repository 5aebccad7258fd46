/**
 * An instruction of classic BPF: struct sock_filter of include/uapi/linux/filter.h, 8 bytes.
 *
 *     byte   0..1   2    3    4..7
 *          | code | jt | jf | k    |     little endian; jt and jf count from the next instruction
 */
export interface ClassicInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  /** Unsigned 32 bits. */
  readonly k: number;
}

/** Thrown for a filter that can't be read, or that the kernel would refuse; `at` is the instruction's index, `line` counts from 1. */
export class ClassicError extends Error {
  readonly at: number | undefined;
  readonly line: number | undefined;

  constructor(place: { readonly at: number } | { readonly line: number } | undefined, reason: string) {
    const at = place && 'at' in place ? place.at : undefined;
    const line = place && 'line' in place ? place.line : undefined;
    super(`${at !== undefined ? `instruction ${at}: ` : line !== undefined ? `line ${line}: ` : ''}${reason}`);
    this.name = 'ClassicError';
    this.at = at;
    this.line = line;
  }
}

/** BPF_MAXINSNS of include/uapi/linux/bpf_common.h. */
export const MAX_CLASSIC = 4096;

/** What one code does. `k` is the instruction's constant, `x` the index register. */
export type ClassicForm =
  | { readonly kind: 'alu'; readonly operation: ClassicOperation; readonly source: 'k' | 'x' }
  | { readonly kind: 'neg' | 'tax' | 'txa' | 'ja' }
  | { readonly kind: 'jump'; readonly condition: ClassicCondition; readonly source: 'k' | 'x' }
  | { readonly kind: 'packet'; readonly mode: 'abs' | 'ind'; readonly size: 'b' | 'h' | 'w' }
  /** X = 4 * (packet[k] & 0xf): the length of an IPv4 header. */
  | { readonly kind: 'msh' }
  | { readonly kind: 'length' | 'constant' | 'load' | 'store'; readonly register: 'a' | 'x' }
  | { readonly kind: 'ret'; readonly source: 'k' | 'a' };

const OPERATIONS = {
  add: 0x0,
  sub: 0x1,
  mul: 0x2,
  div: 0x3,
  or: 0x4,
  and: 0x5,
  lsh: 0x6,
  rsh: 0x7,
  mod: 0x9,
  xor: 0xa,
} as const;
export type ClassicOperation = keyof typeof OPERATIONS;

const CONDITIONS = { jeq: 0x1, jgt: 0x2, jge: 0x3, jset: 0x4 } as const;
export type ClassicCondition = keyof typeof CONDITIONS;

const entriesOf = <Key extends string>(table: Readonly<Record<Key, number>>): [Key, number][] =>
  Object.entries(table) as [Key, number][];

/** The codes that chk_code_allowed of net/core/filter.c knows. */
const FORMS: ReadonlyMap<number, ClassicForm> = new Map<number, ClassicForm>([
  ...entriesOf(OPERATIONS).flatMap(([operation, code]): [number, ClassicForm][] => [
    [(code << 4) | 0x04, { kind: 'alu', operation, source: 'k' }],
    [(code << 4) | 0x0c, { kind: 'alu', operation, source: 'x' }],
  ]),
  [0x84, { kind: 'neg' }],
  ...entriesOf(CONDITIONS).flatMap(([condition, code]): [number, ClassicForm][] => [
    [(code << 4) | 0x05, { kind: 'jump', condition, source: 'k' }],
    [(code << 4) | 0x0d, { kind: 'jump', condition, source: 'x' }],
  ]),
  [0x05, { kind: 'ja' }],
  [0x20, { kind: 'packet', mode: 'abs', size: 'w' }],
  [0x28, { kind: 'packet', mode: 'abs', size: 'h' }],
  [0x30, { kind: 'packet', mode: 'abs', size: 'b' }],
  [0x40, { kind: 'packet', mode: 'ind', size: 'w' }],
  [0x48, { kind: 'packet', mode: 'ind', size: 'h' }],
  [0x50, { kind: 'packet', mode: 'ind', size: 'b' }],
  [0xb1, { kind: 'msh' }],
  [0x80, { kind: 'length', register: 'a' }],
  [0x81, { kind: 'length', register: 'x' }],
  [0x00, { kind: 'constant', register: 'a' }],
  [0x01, { kind: 'constant', register: 'x' }],
  [0x60, { kind: 'load', register: 'a' }],
  [0x61, { kind: 'load', register: 'x' }],
  [0x02, { kind: 'store', register: 'a' }],
  [0x03, { kind: 'store', register: 'x' }],
  [0x07, { kind: 'tax' }],
  [0x87, { kind: 'txa' }],
  [0x06, { kind: 'ret', source: 'k' }],
  [0x16, { kind: 'ret', source: 'a' }],
]);

/** What a code does, undefined where classic BPF has no such instruction. */
export const classicForm = (code: number): ClassicForm | undefined => FORMS.get(code);
