/** Rounds up to a multiple of 8 bytes. */
export const align8 = (size: number): number => Math.ceil(size / 8) * 8;

/** The least power of two that is not below `n`, from 1. */
export const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(n));
