/* Files nobody may open, whatever name they go by: device and inode decide. Root's own shells included. */
#include "core.h"

struct file_id {
  u64 inode;
  u64 device;
};

struct policy {
  u32 exempt_uid;
  u32 denials;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 512);
  __type(key, struct file_id);
  __type(value, struct policy);
} protected SEC(".maps");

SEC("lsm/file_open")
int file_open(u64 *ctx) {
  struct file *file = (void *)ctx[0];
  s32 before = ctx[1];
  if (before != 0) return before;
  struct inode *inode = file->f_inode;
  struct file_id id = {.inode = inode->i_ino, .device = inode->i_sb->s_dev};
  struct policy *policy = bpf_map_lookup_elem(&protected, &id);
  if (!policy || policy->exempt_uid == (u32)bpf_get_current_uid_gid()) return 0;
  __sync_fetch_and_add(&policy->denials, 1);
  return -EPERM;
}

LICENSE("GPL");
