/* Bit fields of a kernel structure, wherever the running kernel has them. */
#include "core.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct___bits {
  unsigned sched_reset_on_fork : 1;
  unsigned in_execve : 1;
  unsigned no_cgroup_migration : 1;
  int exit_code;
};
#pragma clang attribute pop

struct flags {
  u64 reset_on_fork;
  u64 in_execve;
  u64 no_migration;
  s64 exit_code;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 64);
  __type(key, u32);
  __type(value, struct flags);
} tasks SEC(".maps");

SEC("raw_tp/sys_enter")
int bit_fields(u64 *ctx) {
  struct task_struct___bits *task = (void *)bpf_get_current_task();
  u32 thread = bpf_get_current_pid_tgid();
  struct flags flags = {
      .reset_on_fork = CORE_READ_BITS(task, sched_reset_on_fork),
      .in_execve = CORE_READ_BITS(task, in_execve),
      .no_migration = CORE_READ_BITS(task, no_cgroup_migration),
      .exit_code = CORE_READ_BITS(task, exit_code),
  };
  bpf_map_update_elem(&tasks, &thread, &flags, BPF_ANY);
  return 0;
}

LICENSE("GPL");
