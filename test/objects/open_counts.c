/* How often each process opened files, and how often that failed, counted per CPU without atomics. */
#include "core.h"

#define SYS_openat 257

struct counts {
  u64 opened;
  u64 failed;
};

struct {
  __uint(type, PERCPU_HASH);
  __uint(max_entries, 1024);
  __type(key, u32);
  __type(value, struct counts);
} opens SEC(".maps");

SEC("tp_btf/sys_exit")
int open_counts(u64 *ctx) {
  struct pt_regs *regs = (void *)ctx[0];
  s64 result = ctx[1];
  if (regs->orig_ax != SYS_openat) return 0;
  u32 pid = UPPER32(bpf_get_current_pid_tgid());
  struct counts *counts = bpf_map_lookup_elem(&opens, &pid);
  if (!counts) {
    struct counts first = {.opened = result >= 0, .failed = result < 0};
    bpf_map_update_elem(&opens, &pid, &first, BPF_NOEXIST);
    return 0;
  }
  if (result < 0)
    counts->failed++;
  else
    counts->opened++;
  return 0;
}

LICENSE("GPL");
