/* A packet parser in three programs, one a layer, that go on into each other through a table of programs. */
#include "net.h"

#define PARSE_IP4 0
#define PARSE_IP6 1
#define PARSE_PORTS 2

struct verdicts {
  u64 dropped;
  u64 passed;
};

struct {
  __uint(type, PERCPU_ARRAY);
  __uint(max_entries, 256);
  __type(key, u32);
  __type(value, struct verdicts);
} protocols SEC(".maps");

struct {
  __uint(type, HASH);
  __uint(max_entries, 256);
  __type(key, u32);
  __type(value, u8);
} blocked_sources SEC(".maps");

struct {
  __uint(type, ARRAY);
  __uint(max_entries, 1024);
  __type(key, u32);
  __type(value, u64);
} blocked_ports SEC(".maps");

int parse_ip4(struct xdp_md *ctx);
int parse_ip6(struct xdp_md *ctx);
int parse_ports(struct xdp_md *ctx);

struct {
  __uint(type, PROG_ARRAY);
  __uint(max_entries, 4);
  __uint(key_size, 4);
  __array(values, int(void *));
} layers SEC(".maps") = {
    .values = {[PARSE_IP4] = (void *)&parse_ip4, [PARSE_IP6] = (void *)&parse_ip6, [PARSE_PORTS] = (void *)&parse_ports},
};

/* What one layer tells the next: where the ports are, and the protocol. One CPU, one packet at a time. */
struct {
  __uint(type, PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, u32[2]);
} handover SEC(".maps");

INLINE int finish(u8 protocol, int verdict) {
  u32 index = protocol;
  struct verdicts *verdicts = bpf_map_lookup_elem(&protocols, &index);
  if (verdicts) {
    if (verdict == XDP_DROP)
      verdicts->dropped++;
    else
      verdicts->passed++;
  }
  return verdict;
}

INLINE int next(struct xdp_md *ctx, u32 offset, u32 protocol) {
  u32 zero = 0;
  u32 *values = bpf_map_lookup_elem(&handover, &zero);
  if (!values) return XDP_ABORTED;
  values[0] = offset;
  values[1] = protocol;
  bpf_tail_call(ctx, &layers, PARSE_PORTS);
  return XDP_ABORTED;
}

SEC("xdp")
int parse_ethernet(struct xdp_md *ctx) {
  void *end = DATA_END(ctx);
  struct ethhdr *ethernet = DATA(ctx);
  if ((void *)(ethernet + 1) > end) return XDP_DROP;
  u16 protocol = ethernet->protocol;
  struct vlanhdr *vlan = (void *)(ethernet + 1);
  if (protocol == SWAP16(ETH_P_8021Q)) {
    if ((void *)(vlan + 1) > end) return XDP_DROP;
    protocol = vlan->protocol;
  }
  if (protocol == SWAP16(ETH_P_IP)) bpf_tail_call(ctx, &layers, PARSE_IP4);
  if (protocol == SWAP16(ETH_P_IPV6)) bpf_tail_call(ctx, &layers, PARSE_IP6);
  return XDP_PASS;
}

/* Where the packet's own protocol begins. */
INLINE u32 network_offset(struct xdp_md *ctx) {
  struct ethhdr *ethernet = DATA(ctx);
  if ((void *)(ethernet + 1) > DATA_END(ctx)) return 0;
  return ethernet->protocol == SWAP16(ETH_P_8021Q) ? sizeof(*ethernet) + sizeof(struct vlanhdr) : sizeof(*ethernet);
}

SEC("xdp")
int parse_ip4(struct xdp_md *ctx) {
  u32 offset = network_offset(ctx);
  struct iphdr *ip = DATA(ctx) + offset;
  if ((void *)(ip + 1) > DATA_END(ctx) || ip->version != 4 || ip->length_words < 5) return XDP_DROP;
  u32 source = ip->source;
  if (bpf_map_lookup_elem(&blocked_sources, &source)) return finish(ip->protocol, XDP_DROP);
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) return finish(ip->protocol, XDP_PASS);
  return next(ctx, offset + ip->length_words * 4, ip->protocol);
}

SEC("xdp")
int parse_ip6(struct xdp_md *ctx) {
  u32 offset = network_offset(ctx);
  struct ip6hdr *ip = DATA(ctx) + offset;
  if ((void *)(ip + 1) > DATA_END(ctx)) return XDP_DROP;
  if (ip->next != IPPROTO_TCP && ip->next != IPPROTO_UDP) return finish(ip->next, XDP_PASS);
  return next(ctx, offset + sizeof(*ip), ip->next);
}

SEC("xdp")
int parse_ports(struct xdp_md *ctx) {
  u32 zero = 0;
  u32 *values = bpf_map_lookup_elem(&handover, &zero);
  if (!values) return XDP_ABORTED;
  u32 offset = values[0];
  if (offset > 128) return XDP_ABORTED;
  struct udphdr *ports = DATA(ctx) + offset;
  if ((void *)(ports + 1) > DATA_END(ctx)) return finish(values[1], XDP_DROP);
  u16 port = SWAP16(ports->destination);
  u32 index = port >> 6;
  u64 *bits = bpf_map_lookup_elem(&blocked_ports, &index);
  return finish(values[1], bits && *bits >> (port & 63) & 1 ? XDP_DROP : XDP_PASS);
}

LICENSE("GPL");
