/* The path of what an open returned: from the file descriptor to the file, then up the dentries and over mounts. */
#include "core.h"

#define SYS_openat 257
#define SIZE 512
#define NAME_MAX 63
#define COMPONENTS 24

struct scratch {
  u32 at;
  /* Filled in from the middle to the front; the verifier doesn't know that the rest is never touched. */
  char path[2 * SIZE];
};

struct {
  __uint(type, PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct scratch);
} scratches SEC(".maps");

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 64 * 1024);
} records SEC(".maps");

/* Puts `/name` before what is there; false where it doesn't fit. */
INLINE bool prepend(struct scratch *scratch, struct dentry *dentry) {
  u32 length = CORE_READ(dentry, d_name.len);
  if (length > NAME_MAX || length + 1 > scratch->at) return false;
  u32 at = (scratch->at - length - 1) & (SIZE - 1);
  char *to = &scratch->path[at];
  *to = '/';
  if (bpf_probe_read_kernel(to + 1, length & NAME_MAX, CORE_READ(dentry, d_name.name)) < 0) return false;
  scratch->at = at;
  return true;
}

SEC("tp_btf/sys_exit")
int dentry_path(u64 *ctx) {
  struct pt_regs *regs = (void *)ctx[0];
  s64 fd = ctx[1];
  if (regs->orig_ax != SYS_openat || fd < 0) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  struct fdtable *table = task->files->fdt;
  if (fd >= table->max_fds) return 0;
  struct file **files = table->fd, *file = NULL;
  bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
  if (!file) return 0;

  u32 zero = 0;
  struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
  if (!scratch) return 0;
  scratch->at = SIZE;
  struct dentry *dentry = CORE_READ(file, f_path.dentry);
  struct vfsmount *vfsmount = CORE_READ(file, f_path.mnt);
  struct mount *mount = (void *)vfsmount - __builtin_preserve_field_info(((struct mount *)0)->mnt, FIELD_BYTE_OFFSET);
  for (int i = 0; i < COMPONENTS; i++) {
    struct dentry *parent = CORE_READ(dentry, d_parent);
    if (dentry == CORE_READ(mount, mnt.mnt_root) || dentry == parent) {
      struct mount *above = CORE_READ(mount, mnt_parent);
      if (above == mount) break;
      dentry = CORE_READ(mount, mnt_mountpoint);
      mount = above;
      continue;
    }
    if (!prepend(scratch, dentry)) break;
    dentry = parent;
  }
  u32 at = scratch->at;
  if (at > SIZE) return 0;
  bpf_ringbuf_output(&records, &scratch->path[at & (SIZE - 1)], SIZE - at, 0);
  return 0;
}

LICENSE("GPL");
