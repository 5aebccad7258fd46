/* TCP flows by the state their flags lead to, in a table that forgets the least recently used. */
#include "net.h"

#define FIN 1
#define SYN 2
#define RST 4
#define ACK 16

enum state { NEW, OPENING, OPEN, CLOSING };

struct flow {
  u32 source;
  u32 destination;
  u16 source_port;
  u16 destination_port;
};

struct entry {
  u32 state;
  u32 packets;
  u64 bytes;
};

struct {
  __uint(type, LRU_HASH);
  __uint(max_entries, 128);
  __type(key, struct flow);
  __type(value, struct entry);
} flows SEC(".maps");

u64 strays = 0;

static NOINLINE u32 advance(u32 state, u8 flags) {
  if (flags & RST) return CLOSING;
  if (flags & FIN) return CLOSING;
  if (state == NEW && (flags & (SYN | ACK)) == SYN) return OPENING;
  if (state == OPENING && flags & ACK) return OPEN;
  return state;
}

SEC("cgroup_skb/ingress")
int flow_table(struct __sk_buff *skb) {
  struct iphdr *ip = DATA(skb);
  if ((void *)(ip + 1) > DATA_END(skb)) return 1;
  if (ip->version != 4 || ip->length_words != 5 || ip->protocol != IPPROTO_TCP) return 1;
  struct tcphdr *tcp = (void *)(ip + 1);
  if ((void *)(tcp + 1) > DATA_END(skb)) return 1;
  struct flow key = {ip->source, ip->destination, tcp->source, tcp->destination};
  u8 flags = tcp->flags;
  struct entry *entry = bpf_map_lookup_elem(&flows, &key);
  if (!entry) {
    u32 state = advance(NEW, flags);
    if (state == NEW || state == CLOSING) {
      strays++;
      return 1;
    }
    struct entry first = {.state = state, .packets = 1, .bytes = skb->len};
    bpf_map_update_elem(&flows, &key, &first, BPF_NOEXIST);
    return 1;
  }
  entry->packets++;
  entry->bytes += skb->len;
  entry->state = advance(entry->state, flags);
  if (entry->state == CLOSING && flags & RST) bpf_map_delete_elem(&flows, &key);
  return 1;
}

LICENSE("GPL");
