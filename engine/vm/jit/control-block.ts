/**
 * Where compiled code and the host meet: a few words of a machine's memory below its first allocation, so that no program can be
 * given them. All compiled programs of a machine share them, since each word is read right after it was written.
 *
 *     offset  0          88       96
 *             | r0 - r10 | limit  | fuel |
 */
const CONTROL = 4096;

/** Registers as helpers take them, 8 bytes each. */
export const REGISTER_FILE = CONTROL;
/** Bytes from the first allocation to the end of the last. */
export const LIMIT = CONTROL + 88;
/** Instructions that the run may still execute. */
export const FUEL = CONTROL + 96;
