/* A sequence over time, kept with the task: credentials are read, then a socket is opened, then something is sent. */
#include "core.h"

#define SYS_sendto 44
#define SYS_socket 41
#define SYS_openat 257

enum state { CLEAN, HAS_READ, HAS_SOCKET, REPORTED };

struct progress {
  u32 state;
  u32 steps;
  u64 since;
};

struct {
  __uint(type, TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct progress);
} tasks SEC(".maps");

struct finding {
  u32 pid;
  u32 steps;
  u64 duration;
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} findings SEC(".maps");

static const char shadow[] = "/etc/shadow";

SEC("tp_btf/sys_exit")
int task_state(u64 *ctx) {
  struct pt_regs *regs = (void *)ctx[0];
  s64 result = ctx[1];
  u64 number = regs->orig_ax;
  if (result < 0 || (number != SYS_openat && number != SYS_socket && number != SYS_sendto)) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  bool starts = false;
  if (number == SYS_openat) {
    /* One more, or what only begins so would look the same. */
    char path[sizeof(shadow) + 1];
    if (bpf_probe_read_user_str(path, sizeof(path), (void *)regs->si) != sizeof(shadow)) return 0;
    starts = bpf_strncmp(path, sizeof(shadow), shadow) == 0;
  }
  struct progress *progress = bpf_task_storage_get(&tasks, task, NULL, starts ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
  if (!progress) return 0;
  progress->steps++;
  switch (progress->state) {
    case CLEAN:
      if (!starts) break;
      progress->state = HAS_READ;
      progress->since = bpf_ktime_get_boot_ns();
      break;
    case HAS_READ:
      if (number == SYS_socket) progress->state = HAS_SOCKET;
      break;
    case HAS_SOCKET:
      if (number != SYS_sendto) break;
      progress->state = REPORTED;
      struct finding finding = {
          .pid = UPPER32(bpf_get_current_pid_tgid()),
          .steps = progress->steps,
          .duration = bpf_ktime_get_boot_ns() - progress->since,
      };
      bpf_ringbuf_output(&findings, &finding, sizeof(finding), 0);
      break;
    case REPORTED:
      bpf_task_storage_delete(&tasks, task);
      break;
  }
  return 0;
}

LICENSE("GPL");
