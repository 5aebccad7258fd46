/* Commands typed into a shell: what its readline returns, from user memory. */
#include "core.h"

#define LINE 80

struct record {
  u32 pid;
  u32 uid;
  s32 length;
  char comm[TASK_COMM_LEN];
  char line[LINE];
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 16384);
} records SEC(".maps");

SEC("uretprobe")
int readline_snoop(struct pt_regs *ctx) {
  const char *line = (void *)ctx->ax;
  if (!line) return 0;
  char comm[TASK_COMM_LEN];
  bpf_get_current_comm(comm, sizeof(comm));
  if (comm[0] != 'b' || comm[1] != 'a' || comm[2] != 's' || comm[3] != 'h' || comm[4] != 0) return 0;
  struct record record = {.pid = UPPER32(bpf_get_current_pid_tgid()), .uid = bpf_get_current_uid_gid()};
  __builtin_memcpy(record.comm, comm, sizeof(comm));
  record.length = bpf_probe_read_user_str(record.line, sizeof(record.line), line);
  if (record.length > 1) bpf_ringbuf_output(&records, &record, sizeof(record), 0);
  return 0;
}

LICENSE("GPL");
