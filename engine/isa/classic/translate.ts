import * as e from '../build.ts';
import { type Instruction, R0, R1, R2, R3, R6, R7, R8, R10, type Register } from '../instruction.ts';
import {
  ALU_XOR_X,
  type CheckedClassic,
  type ClassicKind,
  checkClassic,
  MEMORY_WORDS,
  SECCOMP_DATA_BYTES,
} from './check.ts';
import type { ClassicCondition, ClassicInstruction, ClassicOperation } from './instruction.ts';

/** A and X are those of classic BPF; the packet or seccomp_data begins at DATA, its length is in LENGTH. */
const [A, X, DATA, LENGTH] = [R0, R7, R6, R8];
const BYTES = { b: 1, h: 2, w: 4 } as const;
/** Slots that one instruction becomes at most. */
const MAX_SLOTS = 13;

const ALU = {
  add: e.add32,
  sub: e.sub32,
  mul: e.mul32,
  div: e.div32,
  mod: e.mod32,
  or: e.or32,
  and: e.and32,
  xor: e.xor32,
  lsh: e.lsh32,
  rsh: e.rsh32,
} as const satisfies Record<ClassicOperation, unknown>;
const JUMPS = { jeq: e.jeq32, jgt: e.jgt32, jge: e.jge32, jset: e.jset32 } as const satisfies Record<
  ClassicCondition,
  unknown
>;
const NEGATED = { jeq: e.jne32, jgt: e.jle32, jge: e.jlt32, jset: undefined } as const satisfies Record<
  ClassicCondition,
  unknown
>;

/**
 * Translates classic BPF to eBPF with the meaning that bpf_convert_filter (net/core/filter.c) gives it: a load out of the packet and a
 * division by zero end the filter with 0. What comes out runs on plain memory: r1 is the packet's address (or seccomp_data's) and r2
 * its length in bytes; seccomp_data is 64 bytes and its length is not looked at. X + k beyond 2 GiB is out of the packet too.
 * @throws ClassicError where the kernel would refuse the filter
 */
export function translateClassic(program: readonly ClassicInstruction[], kind: ClassicKind): Instruction[] {
  const items: e.Item[] = [e.mov32(A, 0), e.mov32(X, 0), e.mov(DATA, R1)];
  if (kind === 'socket') items.push(e.mov(LENGTH, R2));
  for (const [at, instruction] of checkClassic(program, kind).entries()) {
    items.push(e.label(`${at}`), ...translated(instruction, at, kind));
  }
  return e.assemble(items).instructions;
}

function translated({ form, jt, jf, k }: CheckedClassic, at: number, kind: ClassicKind): e.Item[] {
  switch (form.kind) {
    case 'alu': {
      const divides = form.operation === 'div' || form.operation === 'mod';
      if (form.source === 'k') return [ALU[form.operation](A, k)];
      return [...(divides ? unlessEnds((label) => [e.jne32(X, 0, label)], at) : []), ALU[form.operation](A, X)];
    }
    case 'neg':
      return [e.neg32(A)];
    case 'tax':
      return [e.mov32(X, A)];
    case 'txa':
      return [e.mov32(A, X)];
    case 'ja':
      return k === 0 ? [] : [k * MAX_SLOTS > 0x7fff ? e.jal(`${at + 1 + k}`) : e.ja(`${at + 1 + k}`)];
    case 'jump':
      return jump(form.condition, form.source === 'k' ? k : X, at, jt, jf);
    case 'packet':
      if (kind === 'seccomp') return [e.ldx('w', A, DATA, k)];
      if (form.mode === 'ind') return indirectLoad(form.size, k, at);
      return k === ALU_XOR_X ? [e.xor32(A, X)] : [...load(A, form.size, k, at), ...fromNetwork(form.size)];
    case 'msh':
      return [...load(X, 'b', k, at), e.and32(X, 0xf), e.lsh32(X, 2)];
    case 'length':
      return [e.mov32(registerOf(form.register), kind === 'seccomp' ? SECCOMP_DATA_BYTES : LENGTH)];
    case 'constant':
      return [e.mov32(registerOf(form.register), k)];
    case 'load':
      return [e.ldx('w', registerOf(form.register), R10, memoryOffset(k))];
    case 'store':
      return [e.stx('w', R10, memoryOffset(k), registerOf(form.register))];
    case 'ret':
      return form.source === 'k' ? [e.mov32(A, k), e.exit()] : [e.exit()];
  }
}

const registerOf = (name: 'a' | 'x'): Register => (name === 'a' ? A : X);
const memoryOffset = (word: number): number => 4 * (word - MEMORY_WORDS);
const fromNetwork = (size: 'b' | 'h' | 'w'): e.Item[] => (size === 'b' ? [] : [e.be(A, size === 'h' ? 16 : 32)]);

/** Ends the filter with 0 unless a jump is taken. */
function unlessEnds(taken: (label: string) => e.Item[], at: number, part = ''): e.Item[] {
  const label = `${at}${part} goes on`;
  return [...taken(label), e.mov32(A, 0), e.exit(), e.label(label)];
}

function jump(condition: ClassicCondition, operand: Register | number, at: number, jt: number, jf: number): e.Item[] {
  const [yes, no] = [`${at + 1 + jt}`, `${at + 1 + jf}`];
  if (jt === jf) return jt === 0 ? [] : [e.ja(yes)];
  const negated = NEGATED[condition];
  if (jt === 0 && negated) return [negated(A, operand, no)];
  return [JUMPS[condition](A, operand, yes), ...(jf === 0 ? [] : [e.ja(no)])];
}

/** to = packet[k], in the packet's byte order. */
function load(to: Register, size: 'b' | 'h' | 'w', k: number, at: number): e.Item[] {
  const end = k + BYTES[size];
  const fits = (label: string): e.Item[] =>
    end > 0x7fff_ffff ? [e.lddw(R2, end), e.jge(LENGTH, R2, label)] : [e.jge(LENGTH, end, label)];
  const near = k <= 0x7fff;
  const address = k > 0x7fff_ffff ? [e.lddw(R2, k), e.add(R2, DATA)] : [e.mov(R2, DATA), e.add(R2, k)];
  return [...unlessEnds(fits, at), ...(near ? [e.ldx(size, to, DATA, k)] : [...address, e.ldx(size, to, R2, 0)])];
}

/** A = packet[X + k], the sum of 32 bits. */
function indirectLoad(size: 'b' | 'h' | 'w', k: number, at: number): e.Item[] {
  const bytes = BYTES[size];
  return [
    e.mov32(R2, X),
    ...(k === 0 ? [] : [e.add32(R2, k)]),
    ...unlessEnds((label) => [e.jge(LENGTH, bytes, label)], at, ' with a packet so long'),
    e.mov(R3, LENGTH),
    e.sub(R3, bytes),
    ...unlessEnds((label) => [e.jle(R2, R3, label)], at),
    e.mov(R3, DATA),
    e.add(R3, R2),
    e.ldx(size, A, R3, 0),
    ...fromNetwork(size),
  ];
}
