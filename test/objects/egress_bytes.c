/* Bytes that leave a cgroup, by protocol and destination port; fragments behind the first have no port. */
#include "net.h"

struct flow {
  u8 protocol;
  u8 unused;
  u16 port;
};

struct traffic {
  u64 packets;
  u64 bytes;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 1024);
  __type(key, struct flow);
  __type(value, struct traffic);
} flows SEC(".maps");

u64 malformed = 0;

INLINE void count(struct flow *flow, u32 bytes) {
  struct traffic *traffic = bpf_map_lookup_elem(&flows, flow);
  if (traffic) {
    __sync_fetch_and_add(&traffic->packets, 1);
    __sync_fetch_and_add(&traffic->bytes, bytes);
    return;
  }
  struct traffic first = {.packets = 1, .bytes = bytes};
  bpf_map_update_elem(&flows, flow, &first, BPF_ANY);
}

SEC("cgroup_skb/egress")
int egress_bytes(struct __sk_buff *skb) {
  struct iphdr *ip = DATA(skb);
  if (skb->protocol != SWAP16(ETH_P_IP)) return 1;
  if ((void *)(ip + 1) > DATA_END(skb) || ip->length_words < 5) {
    malformed++;
    return 0;
  }
  struct flow flow = {.protocol = ip->protocol};
  bool has_ports = ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP;
  if (has_ports && (ip->fragment & SWAP16(0x1fff)) == 0) {
    struct udphdr *ports = (void *)ip + ip->length_words * 4;
    if ((void *)(ports + 1) > DATA_END(skb)) {
      malformed++;
      return 0;
    }
    flow.port = SWAP16(ports->destination);
  }
  count(&flow, skb->len);
  return 1;
}

LICENSE("GPL");
