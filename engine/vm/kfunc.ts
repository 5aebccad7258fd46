import type { Helper } from './helper.ts';

/** A kernel function that programs call by its BTF id (BPF_PSEUDO_KFUNC_CALL), described as helpers are; `id` counts in this machine's own table. */
export type Kfunc = Helper;
