/* Every successful exec with its arguments, as a record of its own length would hold them. */
#include "core.h"

#define ARGS_SIZE 256
#define NAME_SIZE 64

struct record {
  u32 pid;
  u32 parent;
  u32 uid;
  u32 argc;
  char comm[TASK_COMM_LEN];
  char filename[NAME_SIZE];
  u32 args_length;
  u32 truncated;
  char args[ARGS_SIZE];
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 64 * 1024);
} records SEC(".maps");

SEC("tp_btf/sched_process_exec")
int exec_snoop(u64 *ctx) {
  struct task_struct *task = (void *)ctx[0];
  struct linux_binprm *bprm = (void *)ctx[2];
  struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
  if (!record) return 0;
  record->pid = task->tgid;
  record->parent = task->real_parent->tgid;
  record->uid = task->cred->uid.val;
  record->argc = bprm->argc;
  bpf_get_current_comm(record->comm, sizeof(record->comm));
  bpf_probe_read_kernel_str(record->filename, sizeof(record->filename), bprm->filename);
  unsigned long start = task->mm->arg_start;
  u64 length = task->mm->arg_end - start;
  record->truncated = length > ARGS_SIZE;
  if (length > ARGS_SIZE) length = ARGS_SIZE;
  if (bpf_probe_read_user(record->args, length, (void *)start) < 0) length = 0;
  record->args_length = length;
  bpf_ringbuf_submit(record, 0);
  return 0;
}

LICENSE("GPL");
