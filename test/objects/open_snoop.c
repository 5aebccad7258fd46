/* Opens at their exit: path as the caller passed it, flags, and what came of it. */
#include "core.h"

#define SYS_open 2
#define SYS_openat 257
#define PATH_SIZE 128

struct record {
  u32 pid;
  s32 result;
  u32 flags;
  s32 length;
  char path[PATH_SIZE];
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 64 * 1024);
} records SEC(".maps");

/* Set by the loader: failures only. */
const volatile bool only_failures = false;

SEC("tp_btf/sys_exit")
int open_snoop(u64 *ctx) {
  struct pt_regs *regs = (void *)ctx[0];
  s64 result = ctx[1];
  const void *path;
  u32 flags;
  switch (regs->orig_ax) {
    case SYS_open:
      path = (void *)regs->di;
      flags = regs->si;
      break;
    case SYS_openat:
      path = (void *)regs->si;
      flags = regs->dx;
      break;
    default:
      return 0;
  }
  if (only_failures && result >= 0) return 0;
  struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
  if (!record) return 0;
  record->pid = UPPER32(bpf_get_current_pid_tgid());
  record->result = result;
  record->flags = flags;
  record->length = bpf_probe_read_user_str(record->path, sizeof(record->path), path);
  bpf_ringbuf_submit(record, 0);
  return 0;
}

LICENSE("GPL");
