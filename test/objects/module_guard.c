/* Kernel modules only from one file system, and none from memory. */
#include "core.h"

/* enum kernel_read_file_id, enum kernel_load_data_id */
enum kernel_read_file_id { READING_MODULE = 2 };
enum kernel_load_data_id { LOADING_MODULE = 2 };

const volatile u32 trusted_device = 0;

u32 from_file = 0, from_memory = 0;

SEC("lsm/kernel_read_file")
int read_file(u64 *ctx) {
  struct file *file = (void *)ctx[0];
  u32 id = ctx[1];
  s32 before = ctx[3];
  if (before || id != READING_MODULE) return before;
  if (CORE_READ(CORE_READ(file, f_inode, i_sb), s_dev) == trusted_device) return 0;
  from_file++;
  return -EPERM;
}

SEC("lsm/kernel_load_data")
int load_data(u64 *ctx) {
  u32 id = ctx[0];
  s32 before = ctx[2];
  if (before || id != LOADING_MODULE) return before;
  from_memory++;
  return -EPERM;
}

LICENSE("GPL");
