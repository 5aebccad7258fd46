/** The errnos that maps and helpers return, negated (include/uapi/asm-generic/errno-base.h, include/linux/errno.h). */
export const ENOENT = 2;
export const E2BIG = 7;
export const EAGAIN = 11;
export const EFAULT = 14;
export const EEXIST = 17;
export const EINVAL = 22;
export const ERANGE = 34;
/** Not for user space by name: what the kernel answers for an operation that a map type lacks. */
export const ENOTSUPP = 524;
