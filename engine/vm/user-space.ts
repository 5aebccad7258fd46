/** TASK_SIZE_MAX + PAGE_SIZE of x86-64 with four levels of page tables: what lies below is a user address. */
export const USER_END = 0x7fff_ffff_f000n + 4096n;
