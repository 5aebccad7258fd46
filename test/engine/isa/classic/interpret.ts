import type { ClassicInstruction } from '../../../../engine/isa/index.ts';

/**
 * Runs a valid filter as McCanne and Jacobson's paper and the kernel's Documentation/networking/filter.rst describe it, straight
 * from the codes: the result, an unsigned 32-bit number. Independent of the translation.
 */
export function interpretClassic(
  program: readonly ClassicInstruction[],
  data: Uint8Array,
  kind: 'socket' | 'seccomp',
): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const M = new Uint32Array(16);
  let [A, X] = [0, 0];
  for (let pc = 0; ; ) {
    const { code, jt, jf, k } = program[pc++]!;
    const size = [4, 2, 1][(code >> 3) & 3]!;
    const operand = (code & 0x08) === 0 ? k : X;
    const word = (offset: number): number | undefined => {
      if (kind === 'seccomp') return view.getUint32(offset, true);
      if (offset + size > data.length) return undefined;
      return size === 4 ? view.getUint32(offset) : size === 2 ? view.getUint16(offset) : view.getUint8(offset);
    };
    switch (code & 7) {
      case 0: {
        const mode = code >> 5;
        if (code === 0x20 && k === 0xffff_f028) A = (A ^ X) >>> 0;
        else if (mode === 1 || mode === 2) {
          const loaded = word(mode === 1 ? k : (X + k) % 2 ** 32);
          if (loaded === undefined) return 0;
          A = loaded;
        } else A = mode === 0 ? k : mode === 3 ? M[k]! : kind === 'seccomp' ? 64 : data.length;
        break;
      }
      case 1: {
        const mode = code >> 5;
        if (mode === 5) {
          if (k >= data.length) return 0;
          X = 4 * (data[k]! & 0xf);
        } else X = mode === 0 ? k : mode === 3 ? M[k]! : kind === 'seccomp' ? 64 : data.length;
        break;
      }
      case 2:
        M[k] = A;
        break;
      case 3:
        M[k] = X;
        break;
      case 4: {
        const [a, b] = [BigInt(A), BigInt(operand)];
        const operation = code >> 4;
        if ((operation === 3 || operation === 9) && b === 0n) return 0;
        const shift = b & 31n;
        const results = [a + b, a - b, a * b, b && a / b, a | b, a & b, a << shift, a >> shift, -a, b && a % b, a ^ b];
        A = Number(BigInt.asUintN(32, results[operation]!));
        break;
      }
      case 5: {
        const condition = code >> 4;
        if (condition === 0) pc += k;
        else {
          const holds = [A === operand, A > operand, A >= operand, (A & operand) !== 0][condition - 1]!;
          pc += holds ? jt : jf;
        }
        break;
      }
      case 6:
        return code === 0x16 ? A : k;
      default:
        if (code === 0x07) X = A;
        else A = X;
    }
  }
}
