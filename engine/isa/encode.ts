import type { Instruction } from './instruction.ts';
import { LDDW, opcodeOf } from './opcodes.ts';

/** Bytes of a slot. */
export const SLOT_BYTES = 8;

/** Thrown by `decode`; `offset` is the byte at which the slot begins that is wrong. */
export class DecodeError extends Error {
  readonly offset: number;

  constructor(offset: number, reason: string) {
    super(`byte ${offset}: ${reason}`);
    this.name = 'DecodeError';
    this.offset = offset;
  }
}

/** Little-endian bytes, 8 a slot. @throws RangeError where a field does not fit its bits */
export function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [at, { opcode, dst, src, offset, imm }] of instructions.entries()) {
    if ((opcode & 0xff) !== opcode) throw misfit(at, 'opcode', opcode, 'a byte');
    if ((dst & 0xf) !== dst) throw misfit(at, 'dst', dst, '4 bits');
    if ((src & 0xf) !== src) throw misfit(at, 'src', src, '4 bits');
    if ((offset << 16) >> 16 !== offset) throw misfit(at, 'offset', offset, 'signed 16 bits');
    if ((imm | 0) !== imm) throw misfit(at, 'imm', imm, 'signed 32 bits');
    const byte = at * SLOT_BYTES;
    bytes[byte] = opcode;
    bytes[byte + 1] = (src << 4) | dst;
    view.setInt16(byte + 2, offset, true);
    view.setInt32(byte + 4, imm, true);
  }
  return bytes;
}

const misfit = (at: number, field: string, value: number, room: string) =>
  new RangeError(`slot ${at}: ${field} ${value} does not fit ${room}`);

/** Slots from little-endian bytes; every slot is an instruction of RFC 9669, wide ones are whole. @throws DecodeError */
export function decode(bytes: Uint8Array): Instruction[] {
  const whole = bytes.length - (bytes.length % SLOT_BYTES);
  if (whole !== bytes.length) {
    throw new DecodeError(
      whole,
      `the program ends inside an instruction; its length, ${bytes.length}, is no multiple of 8`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const slots: Instruction[] = [];
  for (let byte = 0; byte < bytes.length; byte += SLOT_BYTES) {
    const instruction = slotAt(view, byte);
    const { opcode, dst, src, imm, offset } = instruction;
    const code = `0x${opcode.toString(16).padStart(2, '0')}`;
    if (dst > 10) throw new DecodeError(byte, `there is no register r${dst}; they are r0 to r10`);
    const row = opcodeOf(instruction);
    if (!row) {
      throw new DecodeError(
        byte,
        `RFC 9669 has no instruction with opcode ${code}, src ${src}, offset ${offset}, imm ${imm}`,
      );
    }
    if (src > 10) throw new DecodeError(byte, `there is no register r${src}; they are r0 to r10`);
    slots.push(instruction);
    if (opcode !== LDDW) continue;
    byte += SLOT_BYTES;
    if (byte >= bytes.length)
      throw new DecodeError(byte - SLOT_BYTES, 'lddw takes two slots, but the program ends after the first');
    const second = slotAt(view, byte);
    if (second.opcode !== 0 || second.dst !== 0 || second.src !== 0 || second.offset !== 0) {
      throw new DecodeError(byte, 'the second slot of lddw holds more than an imm');
    }
    slots.push(second);
  }
  return slots;
}

function slotAt(view: DataView, byte: number): Instruction {
  const registers = view.getUint8(byte + 1);
  return {
    opcode: view.getUint8(byte),
    dst: registers & 0xf,
    src: registers >> 4,
    offset: view.getInt16(byte + 2, true),
    imm: view.getInt32(byte + 4, true),
  };
}
