/* A classifier that never touches the packet directly: it copies what it looks at, and marks the packet by class. */
#include "net.h"

enum class { BULK, INTERACTIVE, NAMES, OTHER, CLASSES };

struct {
  __uint(type, ARRAY);
  __uint(max_entries, CLASSES);
  __type(key, u32);
  __type(value, u64);
} bytes SEC(".maps");

static enum class classify(u8 protocol, u16 port, u32 length) {
  switch (port) {
    case 53:
    case 853:
    case 5353:
      return NAMES;
    case 22:
    case 23:
    case 3389:
      return protocol == IPPROTO_TCP && length < 256 ? INTERACTIVE : BULK;
    case 80:
    case 443:
    case 8080:
      return BULK;
  }
  return OTHER;
}

SEC("tc")
int tc_classifier(struct __sk_buff *skb) {
  struct iphdr ip;
  struct udphdr ports;
  if (skb->protocol != SWAP16(ETH_P_IP)) return TC_ACT_OK;
  if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &ip, sizeof(ip)) < 0) return TC_ACT_SHOT;
  if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP) return TC_ACT_OK;
  if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + ip.length_words * 4, &ports, sizeof(ports)) < 0) return TC_ACT_SHOT;
  u32 class = classify(ip.protocol, SWAP16(ports.destination), skb->len);
  u64 *total = bpf_map_lookup_elem(&bytes, &class);
  if (total) __sync_fetch_and_add(total, skb->len);
  skb->mark = 0x100 + class;
  skb->priority = class == INTERACTIVE ? 6 : 0;
  skb->cb[0] = SWAP16(ports.destination);
  return TC_ACT_OK;
}

LICENSE("GPL");
