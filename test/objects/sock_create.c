/* Which sockets a cgroup may make: no raw ones, families by a bit mask; the others get a mark. */
#include "kernel.h"
#include "net.h"

/* Bit n: family n is allowed. */
const volatile u64 families = 1 << 1 | 1 << AF_INET | 1 << AF_INET6;
const volatile u32 mark = 7;

u64 refused[4];

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *ctx) {
  u32 family = ctx->family;
  if (ctx->type == SOCK_RAW) {
    refused[0]++;
    return 0;
  }
  if (family >= 64 || !(families >> family & 1)) {
    refused[1]++;
    return 0;
  }
  ctx->mark = mark;
  return 1;
}

LICENSE("GPL");
