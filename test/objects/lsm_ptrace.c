/* Debuggers may only attach to their own descendants. */
#include "core.h"

#define DEPTH 12
#define PTRACE_MODE_ATTACH 2

u32 denied = 0;

SEC("lsm/ptrace_access_check")
int check_ptrace(u64 *ctx) {
  struct task_struct *child = (void *)ctx[0];
  u32 mode = ctx[1];
  s32 before = ctx[2];
  if (before || !(mode & PTRACE_MODE_ATTACH)) return before;
  u32 tracer = UPPER32(bpf_get_current_pid_tgid());
  struct task_struct *task = child;
  for (int i = 0; i < DEPTH; i++) {
    task = CORE_READ(task, real_parent);
    u32 pid = CORE_READ(task, tgid);
    if (pid == tracer) return 0;
    if (pid <= 1) break;
  }
  denied++;
  return -EPERM;
}

LICENSE("GPL");
