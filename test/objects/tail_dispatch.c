/* One small program a system call, found by its number; those without end in the first program. */
#include "core.h"

#define SYS_kill 62
#define SYS_ptrace 101
#define SYS_mount 165

int on_kill(u64 *ctx);
int on_ptrace(u64 *ctx);

struct {
  __uint(type, PROG_ARRAY);
  __uint(max_entries, 512);
  __uint(key_size, 4);
  __array(values, int(void *));
} by_number SEC(".maps") = {
    .values = {[SYS_kill] = (void *)&on_kill, [SYS_ptrace] = (void *)&on_ptrace},
};

struct {
  __uint(type, ARRAY);
  __uint(max_entries, 4);
  __type(key, u32);
  __type(value, u64);
} counts SEC(".maps");

INLINE void count(u32 index) {
  u64 *value = bpf_map_lookup_elem(&counts, &index);
  if (value) __sync_fetch_and_add(value, 1);
}

SEC("raw_tp/sys_enter")
int dispatch(u64 *ctx) {
  count(0);
  bpf_tail_call(ctx, &by_number, ctx[1]);
  count(1);
  return 0;
}

SEC("raw_tp/sys_enter")
int on_kill(u64 *ctx) {
  count(2);
  /* Goes on in circles where it may; the kernel ends that after 33 calls. */
  if (bpf_get_current_uid_gid() == 0) bpf_tail_call(ctx, &by_number, ctx[1]);
  return 0;
}

SEC("raw_tp/sys_enter")
int on_ptrace(u64 *ctx) {
  count(3);
  return 0;
}

LICENSE("GPL");
