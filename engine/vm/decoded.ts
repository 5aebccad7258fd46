import {
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  type Instruction,
  LDDW,
  type Opcode,
  opcodeNamed,
  opcodeOf,
} from '../isa/index.ts';
import type { VmEnvironment } from './environment.ts';

/** Registers of the machine; constants follow them in the same array. */
export const REGISTERS = 11;

/**
 * A program in flat arrays, one element a slot and one more that stands for the end. Constants are kept behind the registers, so
 * that an instruction with `imm` and its twin with `src` are one case. Register numbers are doubled: they index 32-bit halves.
 */
export interface DecodedProgram {
  /** 0 where there is no instruction: after the end, in the second slot of lddw, and for what RFC 9669 does not have. */
  readonly opcode: Uint8Array;
  readonly dst: Uint8Array;
  readonly src: Int32Array;
  /** `offset`; of jumps and local calls the slot they go to. */
  readonly offset: Int32Array;
  readonly imm: Int32Array;
  readonly constants: readonly bigint[];
}

const CALL = opcodeNamed('call', 'imm').opcode;

/** Decodes once what every run then reads. @throws Error where a wide instruction refers to what the environment does not have */
export function decodeProgram(instructions: readonly Instruction[], environment: VmEnvironment): DecodedProgram {
  const size = instructions.length + 1;
  const decoded = {
    opcode: new Uint8Array(size),
    dst: new Uint8Array(size),
    src: new Int32Array(size),
    offset: new Int32Array(size),
    imm: new Int32Array(size),
  };
  const constants: bigint[] = [];
  const places = new Map<bigint, number>();
  const constant = (value: bigint): number => {
    let place = places.get(value);
    if (place === undefined) {
      place = REGISTERS + constants.length;
      constants.push(value);
      places.set(value, place);
    }
    return place;
  };
  for (let at = 0; at < instructions.length; at++) {
    const instruction = instructions[at]!;
    const row = opcodeOf(instruction);
    if (!row || row.group === 'packet' || row.group === 'linux') continue;
    const source =
      row.operation === 'lddw'
        ? constant(wideConstant(at, instruction, instructions[at + 1], environment))
        : row.source === 'imm' && row.opcode !== CALL
          ? constant(BigInt(instruction.imm))
          : instruction.src;
    decoded.opcode[at] = instruction.opcode;
    decoded.dst[at] = instruction.dst * 2;
    decoded.src[at] = source * 2;
    decoded.imm[at] = instruction.imm;
    decoded.offset[at] = target(at, instruction, row, instructions.length);
    if (instruction.opcode === LDDW) at++;
  }
  return { ...decoded, constants };
}

function target(at: number, instruction: Instruction, row: Opcode, end: number): number {
  if (row.class !== 'jmp' && row.class !== 'jmp32') return instruction.offset;
  const far = row.name === 'ja32' || row.name === 'call_local';
  const place = at + 1 + (far ? instruction.imm : instruction.offset);
  return place >= 0 && place < end ? place : end;
}

function wideConstant(
  at: number,
  { src, imm }: Instruction,
  second: Instruction | undefined,
  environment: VmEnvironment,
): bigint {
  if (!second) throw new Error(`instruction ${at}: lddw takes two slots, but the program ends after the first`);
  if (src === 0) return (BigInt(second.imm) << 32n) | BigInt(imm >>> 0);
  if (src !== BPF_PSEUDO_MAP_FD && src !== BPF_PSEUDO_MAP_VALUE) {
    throw new Error(`instruction ${at}: this machine has no constants of kind ${src} for lddw; use a number or a map`);
  }
  const map = environment.map(imm);
  if (!map) throw new Error(`instruction ${at}: there is no map with handle ${imm}`);
  if (src === BPF_PSEUDO_MAP_FD) return BigInt(imm);
  if (map.valueOffset === undefined) {
    throw new Error(`instruction ${at}: the map '${map.spec.name}' has no single value to point into; use an array`);
  }
  return environment.memory.address(map.valueOffset + (second.imm >>> 0));
}
