/** Bits of registers r0 to r9, and of stack slots: 32 in each of two words, slot 0 being the 8 bytes below r10. */
export interface Facts {
  /** Registers that are read later. */
  registers: number;
  /** Those of them whose number decides whether the program is safe: it becomes an address, a size, a jump or a result. */
  exact: number;
  slots: number;
  slotsHigh: number;
  slotsExact: number;
  slotsExactHigh: number;
}

/** A register is read; `exact` where its number matters. */
export const use = (facts: Facts, register: number, exact: boolean): void => {
  if (register > 9) return;
  facts.registers |= 1 << register;
  if (exact) facts.exact |= 1 << register;
};

/** Registers, as bits, are written. */
export const kill = (facts: Facts, registers: number): void => {
  facts.registers &= ~registers;
  facts.exact &= ~registers;
};

/** Whether a register's number matters later. */
export const isExact = (facts: Facts, register: number): boolean => ((facts.exact >>> register) & 1) === 1;

/** Any slot may be read. */
export function useAllSlots(facts: Facts, exact: boolean): void {
  facts.slots = facts.slotsHigh = -1;
  if (exact) facts.slotsExact = facts.slotsExactHigh = -1;
}

/** A slot is read. */
export function useSlot(facts: Facts, index: number, exact: boolean): void {
  const bit = 1 << (index & 31);
  if (index < 32) {
    facts.slots |= bit;
    if (exact) facts.slotsExact |= bit;
  } else {
    facts.slotsHigh |= bit;
    if (exact) facts.slotsExactHigh |= bit;
  }
}

/** A slot is written as a whole. */
export function killSlot(facts: Facts, index: number): void {
  const bit = 1 << (index & 31);
  if (index < 32) {
    facts.slots &= ~bit;
    facts.slotsExact &= ~bit;
  } else {
    facts.slotsHigh &= ~bit;
    facts.slotsExactHigh &= ~bit;
  }
}

/** Whether the number in a slot matters later. */
export const slotExact = (facts: Facts, index: number): boolean =>
  (((index < 32 ? facts.slotsExact : facts.slotsExactHigh) >>> (index & 31)) & 1) === 1;

/** Indexes of the first and last 8-byte slot that `size` bytes at `offset` from r10 touch; the lower address has the higher index. */
export const slotSpan = (offset: number, size: number): readonly [low: number, high: number] => [
  Math.max(0, (-(offset + size - 1) - 1) >> 3),
  Math.min(63, (-offset - 1) >> 3),
];

/** `size` bytes at `offset` from r10 are read, whatever numbers they are. */
export function useSpan(facts: Facts, offset: number, size: number): void {
  if (size <= 0) return;
  const [low, high] = slotSpan(offset, size);
  for (let index = low; index <= high; index++) useSlot(facts, index, false);
}
