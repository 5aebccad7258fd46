/* The same with typed arguments and no state: fexit sees arguments and result. */
#include "core.h"

struct connection {
  u32 pid;
  u32 destination;
};

struct {
  __uint(type, LRU_HASH);
  __uint(max_entries, 256);
  __type(key, struct connection);
  __type(value, u64);
} attempts SEC(".maps");

u64 failures = 0;

SEC("fentry/tcp_v4_connect")
int connect_begins(u64 *ctx) {
  struct address4 address = {0};
  if (bpf_probe_read_kernel(&address, sizeof(address), (void *)ctx[1]) < 0 || address.family != AF_INET) return 0;
  struct connection key = {.pid = UPPER32(bpf_get_current_pid_tgid()), .destination = address.address};
  u64 one = 1, *count = bpf_map_lookup_elem(&attempts, &key);
  if (count)
    __sync_fetch_and_add(count, 1);
  else
    bpf_map_update_elem(&attempts, &key, &one, BPF_NOEXIST);
  return 0;
}

SEC("fexit/tcp_v4_connect")
int connect_ends(u64 *ctx) {
  struct sock *sock = (void *)ctx[0];
  s32 result = ctx[3];
  if (result < 0 && sock->__sk_common.skc_family == AF_INET) __sync_fetch_and_add(&failures, 1);
  return 0;
}

LICENSE("GPL");
