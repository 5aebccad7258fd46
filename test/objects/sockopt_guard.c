/* Socket options that a cgroup may set: no marks, and receive buffers no larger than allowed. */
#include "net.h"

#define SOL_SOCKET 1
#define SO_RCVBUF 8
#define SO_MARK 36

const volatile u32 most_buffer = 1 << 20;

u32 refused = 0, lowered = 0;

SEC("cgroup/setsockopt")
int sockopt_guard(struct bpf_sockopt *ctx) {
  u32 *value = (void *)ctx->optval;
  if (ctx->level != SOL_SOCKET || (ctx->optname != SO_MARK && ctx->optname != SO_RCVBUF)) {
    /* Leaves the option's bytes as they are. */
    ctx->optlen = 0;
    return 1;
  }
  if ((void *)(value + 1) > (void *)ctx->optval_end || ctx->optname == SO_MARK) {
    refused++;
    return 0;
  }
  if (*value > most_buffer) {
    *value = most_buffer;
    lowered++;
  }
  return 1;
}

LICENSE("GPL");
