/* Samples of what runs: stacks by their ids, and how often each was seen. */
#include "core.h"

#define DEPTH 32

struct {
  __uint(type, STACK_TRACE);
  __uint(max_entries, 1024);
  __uint(key_size, 4);
  __uint(value_size, 8 * DEPTH);
} stacks SEC(".maps");

struct sample {
  u32 pid;
  s32 kernel_stack;
  s32 user_stack;
  char comm[TASK_COMM_LEN];
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 4096);
  __type(key, struct sample);
  __type(value, u64);
} samples SEC(".maps");

#define BPF_F_USER_STACK (1 << 8)

SEC("perf_event")
int stack_collect(void *ctx) {
  struct sample sample = {.pid = UPPER32(bpf_get_current_pid_tgid())};
  if (sample.pid == 0) return 0;
  sample.kernel_stack = bpf_get_stackid(ctx, &stacks, 0);
  sample.user_stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
  bpf_get_current_comm(sample.comm, sizeof(sample.comm));
  u64 one = 1, *count = bpf_map_lookup_elem(&samples, &sample);
  if (count)
    __sync_fetch_and_add(count, 1);
  else
    bpf_map_update_elem(&samples, &sample, &one, BPF_NOEXIST);
  return 0;
}

LICENSE("GPL");
