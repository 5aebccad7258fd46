/* Open file descriptors of watched processes: opens add, closes remove, forks inherit the watch, exits clean up. */
#include "core.h"

#define SYS_close 3
#define SYS_dup 32
#define SYS_openat 257
#define FDS 64

struct process {
  u64 open;
  u32 opened;
  u32 parent;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 1024);
  __type(key, u32);
  __type(value, struct process);
} watched SEC(".maps");

/* The most descriptors any process had at once. */
u32 most = 0;
u32 ended = 0;

static NOINLINE u32 count_bits(u64 bits) {
  u32 count = 0;
  for (int i = 0; i < FDS; i++) count += bits >> i & 1;
  return count;
}

SEC("tp_btf/sys_exit")
int on_sys_exit(u64 *ctx) {
  struct pt_regs *regs = (void *)ctx[0];
  s64 result = ctx[1];
  u64 number = regs->orig_ax;
  if (result < 0) return 0;
  u32 pid = UPPER32(bpf_get_current_pid_tgid());
  struct process *process = bpf_map_lookup_elem(&watched, &pid);
  if (!process) return 0;
  if (number == SYS_close) {
    u64 fd = regs->di;
    if (fd < FDS) process->open &= ~(1ULL << fd);
  } else if (number == SYS_openat || number == SYS_dup) {
    process->opened++;
    if (result < FDS) process->open |= 1ULL << result;
    u32 now = count_bits(process->open);
    if (now > most) most = now;
  }
  return 0;
}

SEC("tp_btf/sched_process_fork")
int on_fork(u64 *ctx) {
  struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
  u32 pid = parent->tgid, new = child->tgid;
  if (pid == new) return 0;
  struct process *process = bpf_map_lookup_elem(&watched, &pid);
  if (!process) return 0;
  struct process inherited = {.open = process->open, .parent = pid};
  bpf_map_update_elem(&watched, &new, &inherited, BPF_NOEXIST);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx) {
  struct task_struct *task = (void *)ctx[0];
  u32 pid = task->tgid;
  if (task->pid != pid) return 0;
  if (bpf_map_delete_elem(&watched, &pid) == 0) __sync_fetch_and_add(&ended, 1);
  return 0;
}

LICENSE("GPL");
