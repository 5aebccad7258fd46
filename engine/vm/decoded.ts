import { type Instruction, LDDW, type Opcode, opcodeNamed, opcodeOf } from '../isa/index.ts';
import type { BpfMap } from '../maps/index.ts';
import type { VmEnvironment } from './environment.ts';

/** A relocated program as the machine takes it. */
export interface ExecutableProgram {
  readonly instructions: readonly Instruction[];
  /** Slots of loads that read 0 where they would fault (the kernel's BPF_PROBE_MEM). */
  readonly probeReads?: ReadonlySet<number>;
  /** Slots of 32-bit loads from the context that give a whole pointer, as the kernel rewrites them (convert_ctx_access). */
  readonly pointerLoads?: ReadonlySet<number>;
  /** Handles of maps by the index that wide instructions of kinds 5 and 6 carry (fd_array of BPF_PROG_LOAD). */
  readonly maps?: readonly number[];
}

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
const LDXW = opcodeNamed('ldxw', 'reg').opcode;
/** Stands in `opcode` for a 32-bit load that gives a pointer; no instruction has this number. */
export const LOAD_POINTER = 0x01;

/** Where the functions of a program seem to lie; nothing can be read there. */
const CODE_BASE = 0xffff_ffff_c000_0000n;

/** What a wide instruction of kind BPF_PSEUDO_FUNC loads for the function that begins at a slot. */
export const codeAddress = (slot: number): bigint => CODE_BASE + 8n * BigInt(slot);

/** The slot that `codeAddress` was made for, undefined where it is none of a program of `slots` slots. */
export function codeSlot(address: bigint, slots: number): number | undefined {
  const place = address - CODE_BASE;
  return place >= 0n && place < 8n * BigInt(slots) && place % 8n === 0n ? Number(place / 8n) : undefined;
}

/** Decodes once what every run then reads. @throws Error where a wide instruction refers to what the environment does not have */
export function decodeProgram(program: ExecutableProgram, environment: VmEnvironment): DecodedProgram {
  const { instructions } = program;
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
    if (!row) continue;
    const source =
      row.operation === 'lddw'
        ? constant(wideConstant(program, at, environment))
        : row.source === 'imm' && row.opcode !== CALL
          ? constant(BigInt(instruction.imm))
          : instruction.src;
    decoded.opcode[at] =
      instruction.opcode === LDXW && program.pointerLoads?.has(at) ? LOAD_POINTER : instruction.opcode;
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

function wideConstant(program: ExecutableProgram, at: number, environment: VmEnvironment): bigint {
  const { src, imm } = program.instructions[at]!;
  const second = program.instructions[at + 1];
  if (!second) throw new Error(`instruction ${at}: lddw takes two slots, but the program ends after the first`);
  switch (src) {
    case 0:
      return (BigInt(second.imm) << 32n) | BigInt(imm >>> 0);
    case 1: // BPF_PSEUDO_MAP_FD
      return BigInt(mapOf(at, imm, environment).handle);
    case 2: // BPF_PSEUDO_MAP_VALUE
      return valueAddress(at, mapOf(at, imm, environment), second.imm, environment);
    case 3: {
      // BPF_PSEUDO_BTF_ID
      const variable = environment.variable?.(imm);
      if (!variable) throw new Error(`instruction ${at}: this kernel has no variable with BTF id ${imm}`);
      return variable.address;
    }
    case 4: {
      // BPF_PSEUDO_FUNC
      const slot = at + 1 + imm;
      if (slot < 0 || slot >= program.instructions.length)
        throw new Error(`instruction ${at}: there is no function at slot ${slot}`);
      return codeAddress(slot);
    }
    case 5: // BPF_PSEUDO_MAP_IDX
      return BigInt(mapByIndex(program, at, imm, environment).handle);
    case 6: // BPF_PSEUDO_MAP_IDX_VALUE
      return valueAddress(at, mapByIndex(program, at, imm, environment), second.imm, environment);
    default:
      throw new Error(
        `instruction ${at}: this machine has no constants of kind ${src} for lddw; use a number or a map`,
      );
  }
}

function mapByIndex(program: ExecutableProgram, at: number, index: number, environment: VmEnvironment): BpfMap {
  const handle = program.maps?.[index];
  if (handle === undefined) throw new Error(`instruction ${at}: the program was given no map with index ${index}`);
  return mapOf(at, handle, environment);
}

function mapOf(at: number, handle: number, environment: VmEnvironment): BpfMap {
  const map = environment.map(handle);
  if (!map) throw new Error(`instruction ${at}: there is no map with handle ${handle}`);
  return map;
}

function valueAddress(at: number, map: BpfMap, offset: number, { memory }: VmEnvironment): bigint {
  if (map.valueOffset === undefined) {
    throw new Error(`instruction ${at}: the map '${map.spec.name}' has no single value to point into; use an array`);
  }
  return memory.address(map.valueOffset + (offset >>> 0));
}
