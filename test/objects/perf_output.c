/* Opens of files in some directories, from the tracepoint's record to the buffers of perf events, one a CPU. */
#include "bpf.h"

#define PATH_SIZE 64

/* The record of syscalls:sys_enter_openat, as its format file describes it. */
struct sys_enter_openat {
  u64 common;
  s64 number;
  s64 directory;
  const char *path;
  s64 flags;
  s64 mode;
};

struct event {
  u32 pid;
  u32 flags;
  char path[PATH_SIZE];
};

struct {
  __uint(type, PERF_EVENT_ARRAY);
  __uint(max_entries, 128);
  __uint(key_size, 4);
  __uint(value_size, 4);
} events SEC(".maps");

u32 failed = 0;

SEC("tp/syscalls/sys_enter_openat")
int perf_output(struct sys_enter_openat *ctx) {
  struct event event = {.pid = UPPER32(bpf_get_current_pid_tgid()), .flags = ctx->flags};
  if (bpf_probe_read_user_str(event.path, sizeof(event.path), ctx->path) < 0) return 0;
  bool interesting = bpf_strncmp(event.path, 5, "/etc/") == 0 || bpf_strncmp(event.path, 6, "/root/") == 0;
  if (interesting && bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event))) failed++;
  return 0;
}

LICENSE("GPL");
