/**
 * What a predicate came to, as one byte (also in the kernel's records): bit 0 may be false, bit 1 may be true, bit 2 absent.
 * A byte of 0 was not evaluated.
 */
export const Truth = {
  FALSE: 1,
  TRUE: 2,
  UNKNOWN: 3,
  /** The event has no such field: false, and for enforcement also no ground for a negation. */
  ABSENT: 5,
} as const;
export type Truth = (typeof Truth)[keyof typeof Truth];

/** `possible`: detection's bound, unknown counts for a match. `certain`: enforcement's, unknown and absent-under-not count against. */
export type Bound = 'possible' | 'certain';
