/* Nothing is executed that is set-uid, or that lies in a directory everybody may write to. */
#include "core.h"

#define PATH_SIZE 64

static const char prefixes[][16] = {"/tmp/", "/var/tmp/", "/dev/shm/", "memfd:"};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 16384);
} denials SEC(".maps");

struct denial {
  u32 pid;
  u32 reason;
  char path[PATH_SIZE];
};

INLINE bool begins_with(const char *text, const char *prefix) {
  for (int i = 0; i < 16; i++) {
    if (prefix[i] == 0) return true;
    if (text[i] != prefix[i]) return false;
  }
  return true;
}

SEC("lsm/bprm_check_security")
int check_exec(u64 *ctx) {
  struct linux_binprm *bprm = (void *)ctx[0];
  s32 before = ctx[1];
  if (before) return before;
  struct denial denial = {.pid = UPPER32(bpf_get_current_pid_tgid())};
  bpf_probe_read_kernel_str(denial.path, sizeof(denial.path), bprm->filename);
  if (bprm->file->f_inode->i_mode & S_ISUID) denial.reason = 100;
  for (int i = 0; i < COUNT(prefixes) && !denial.reason; i++)
    if (begins_with(denial.path, prefixes[i])) denial.reason = 1 + i;
  if (!denial.reason) return 0;
  bpf_ringbuf_output(&denials, &denial, sizeof(denial), 0);
  return -EPERM;
}

LICENSE("GPL");
