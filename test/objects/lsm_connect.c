/* Connections that a process may not make: by port and family, with a separate list for the root user. */
#include "core.h"

struct {
  __uint(type, HASH);
  __uint(max_entries, 128);
  __type(key, u32);
  __type(value, u8);
} denied_ports SEC(".maps");

#define ROOT_ONLY 1
#define EVERYBODY 2

SEC("lsm/socket_connect")
int check_connect(u64 *ctx) {
  const void *address = (void *)ctx[1];
  s32 length = ctx[2], before = ctx[3];
  if (before) return before;
  struct address4 copy;
  if (length < (s32)sizeof(copy)) return 0;
  if (bpf_probe_read_kernel(&copy, sizeof(copy), address) < 0) return 0;
  if (copy.family != AF_INET && copy.family != AF_INET6) return 0;
  u32 port = __builtin_bswap16(copy.port);
  u8 *who = bpf_map_lookup_elem(&denied_ports, &port);
  if (!who) return 0;
  if (*who == EVERYBODY) return -EPERM;
  return *who == ROOT_ONLY && (u32)bpf_get_current_uid_gid() == 0 ? -EPERM : 0;
}

LICENSE("GPL");
