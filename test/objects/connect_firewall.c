/* Outgoing connections by destination: the longest prefix decides, ports add exceptions, and one service is redirected. */
#include "kernel.h"
#include "net.h"

#define ALLOW 1
#define DENY 0

struct prefix {
  u32 bits;
  u8 address[16];
};

struct rule {
  u32 verdict;
  u32 hits;
};

struct {
  __uint(type, LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1024);
  __type(key, struct prefix);
  __type(value, struct rule);
} rules SEC(".maps");

struct {
  __uint(type, HASH);
  __uint(max_entries, 64);
  __type(key, u16);
  __type(value, u8);
} open_ports SEC(".maps");

/* Connections to 169.254.169.254 go to this address, where it isn't 0 (network byte order). */
const volatile u32 metadata_proxy = 0;

static int decide(struct prefix *destination, u16 port) {
  struct rule *rule = bpf_map_lookup_elem(&rules, destination);
  if (!rule) return ALLOW;
  __sync_fetch_and_add(&rule->hits, 1);
  if (rule->verdict == ALLOW) return ALLOW;
  return bpf_map_lookup_elem(&open_ports, &port) ? ALLOW : DENY;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx) {
  if (metadata_proxy && ctx->user_ip4 == SWAP32(0xa9fea9fe)) {
    ctx->user_ip4 = metadata_proxy;
    ctx->user_port = SWAP16(8080);
    return ALLOW;
  }
  /* IPv4 lies in the trie as ::ffff:a.b.c.d. */
  struct prefix key = {.bits = 128, .address = {[10] = 0xff, [11] = 0xff}};
  u32 address = ctx->user_ip4;
  __builtin_memcpy(&key.address[12], &address, 4);
  return decide(&key, SWAP16(ctx->user_port));
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx) {
  struct prefix key = {.bits = 128};
  u32 words[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
  __builtin_memcpy(key.address, words, 16);
  return decide(&key, SWAP16(ctx->user_port));
}

LICENSE("GPL");
