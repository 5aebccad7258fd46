/**
 * One 64-bit slot of an eBPF program (RFC 9669, section 3).
 *
 *     byte   0        1           2..3     4..7
 *          | opcode | src | dst | offset | imm |
 *
 * A wide instruction (`lddw`) takes two slots: the second has opcode 0 and carries the high 32 bits in `imm`. Programs are
 * arrays of slots, so that an index is also a jump's unit.
 */
export interface Instruction {
  readonly opcode: number;
  /** Destination register, 0 to 10. */
  readonly dst: number;
  /** Source register, 0 to 10, or a pseudo value (`BPF_PSEUDO_*`). */
  readonly src: number;
  /** Signed 16 bits. */
  readonly offset: number;
  /** Signed 32 bits. */
  readonly imm: number;
}

/** A register as the builder takes it, so that `mov(R1, R2)` and `mov(R1, 2)` can't be mixed up. */
export interface Register {
  readonly register: number;
}

const register = (n: number): Register => Object.freeze({ register: n });

/** Result of calls and of the program. */
export const R0 = register(0);
/** Arguments of calls; lost in a call. At entry R1 is the context. */
export const R1 = register(1);
export const R2 = register(2);
export const R3 = register(3);
export const R4 = register(4);
export const R5 = register(5);
/** Kept across calls. */
export const R6 = register(6);
export const R7 = register(7);
export const R8 = register(8);
export const R9 = register(9);
/** Frame pointer, read only; the stack is the 512 bytes below it. */
export const R10 = register(10);

/** `src` of a wide instruction whose constant is a map (include/uapi/linux/bpf.h). */
export const BPF_PSEUDO_MAP_FD = 1;
/** `src` of a wide instruction whose constant is an address inside the one value of an array map; the second slot's imm is the offset. */
export const BPF_PSEUDO_MAP_VALUE = 2;
/** `src` of a call whose imm is relative to the next instruction. */
export const BPF_PSEUDO_CALL = 1;
/** `src` of a call of a kernel function; imm is its BTF id. */
export const BPF_PSEUDO_KFUNC_CALL = 2;
/** `src` of a wide instruction whose constant is the address of a kernel variable or function; imm is its BTF id. */
export const BPF_PSEUDO_BTF_ID = 3;
/** `src` of a wide instruction whose constant is a function of the program, for callbacks; imm is relative to the next slot. */
export const BPF_PSEUDO_FUNC = 4;
