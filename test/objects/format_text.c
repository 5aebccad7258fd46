/* Text made inside the kernel: one line for each event, from a format in read-only data. */
#include "bpf.h"

struct request {
  u64 pid;
  s64 result;
  char name[16];
  char line[64];
};

static const char format[] = "pid=%d name=%s result=%d flags=0x%x";

SEC("syscall")
int format_text(struct request *request) {
  char name[16], line[64] = {0};
  __builtin_memcpy(name, request->name, sizeof(name));
  name[15] = 0;
  u64 arguments[] = {request->pid, (u64)name, request->result, request->pid << 4};
  long length = bpf_snprintf(line, sizeof(line), format, arguments, sizeof(arguments));
  __builtin_memcpy(request->line, line, sizeof(line));
  return length;
}

LICENSE("GPL");
