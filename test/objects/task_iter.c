/* What exists when the tracing begins: every process as a record of fixed size, kernel threads left out. */
#include "core.h"

#define PF_KTHREAD 0x200000

struct entry {
  u32 pid;
  u32 parent;
  u32 uid;
  u32 unused;
  u64 start;
  char comm[TASK_COMM_LEN];
};

u32 threads = 0, kernel_threads = 0;

SEC("iter/task")
int task_iter(struct bpf_iter__task *ctx) {
  struct task_struct *task = ctx->task;
  if (!task) return 0;
  if (task->flags & PF_KTHREAD) {
    kernel_threads++;
    return 0;
  }
  if (task->pid != task->tgid) {
    threads++;
    return 0;
  }
  struct entry entry = {
      .pid = task->tgid,
      .parent = task->real_parent->tgid,
      .uid = task->cred->uid.val,
      .start = task->start_boottime,
  };
  bpf_probe_read_kernel_str(entry.comm, sizeof(entry.comm), task->comm);
  bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
  return 0;
}

LICENSE("GPL");
