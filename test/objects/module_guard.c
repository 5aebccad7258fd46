/* Kernel modules only from one file system, and none from memory. */
#include "core.h"

/* The numbers are the running kernel's, whatever they are here. */
enum kernel_read_file_id { READING_MODULE = 2 };
enum kernel_load_data_id { LOADING_MODULE = 2 };

const volatile u32 trusted_device = 0;

u32 from_file = 0, from_memory = 0;

SEC("lsm/kernel_read_file")
int read_file(u64 *ctx) {
  struct file *file = (void *)ctx[0];
  u32 id = ctx[1];
  s32 before = ctx[3];
  if (before || id != ENUM(enum kernel_read_file_id, READING_MODULE, ENUMVAL_VALUE)) return before;
  struct super_block *file_system = CORE_READ(file, f_inode, i_sb);
  if (CORE_READ(file_system, s_dev) == trusted_device) return 0;
  from_file++;
  return -EPERM;
}

SEC("lsm/kernel_load_data")
int load_data(u64 *ctx) {
  u32 id = ctx[0];
  s32 before = ctx[2];
  if (before || id != ENUM(enum kernel_load_data_id, LOADING_MODULE, ENUMVAL_VALUE)) return before;
  from_memory++;
  return -EPERM;
}

LICENSE("GPL");
