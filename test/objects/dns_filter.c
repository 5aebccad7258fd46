/* A filter on a packet socket: DNS queries only, counted by name; of each the first 64 bytes go to user space. */
#include "net.h"

#define NAME_SIZE 32
#define HEADER 12
#define LABELS 6

struct name {
  char text[NAME_SIZE];
};

struct {
  __uint(type, LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, struct name);
  __type(value, u32);
} queries SEC(".maps");

SEC("socket")
int dns_filter(struct __sk_buff *skb) {
  struct iphdr ip;
  struct udphdr udp;
  u8 dns[HEADER];
  if (skb->protocol != SWAP16(ETH_P_IP) || bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) < 0) return 0;
  if (ip.protocol != IPPROTO_UDP) return 0;
  u32 at = ip.length_words * 4;
  if (bpf_skb_load_bytes(skb, at, &udp, sizeof(udp)) < 0 || udp.destination != SWAP16(53)) return 0;
  at += sizeof(udp);
  /* A query has the answer's bit unset, and one question at least. */
  if (bpf_skb_load_bytes(skb, at, dns, sizeof(dns)) < 0 || dns[2] & 0x80 || dns[5] == 0) return 0;
  at += HEADER;

  /* Labels are a length and that many bytes each. */
  struct name name = {0}, query = {0};
  u32 rest = skb->len - at, end = 0;
  if (rest > NAME_SIZE) rest = NAME_SIZE;
  if (rest < 2 || bpf_skb_load_bytes(skb, at, name.text, rest) < 0) return 0;
  for (int i = 0; i < LABELS; i++) {
    u8 length = name.text[end & (NAME_SIZE - 1)];
    if (length == 0 || end + length >= NAME_SIZE - 1) break;
    end += length + 1;
  }
  if (end == 0 || end >= NAME_SIZE || bpf_skb_load_bytes(skb, at, query.text, end) < 0) return 0;
  /* The lengths become dots. */
  for (u32 i = 0, dot = 0; i < LABELS && dot < end; i++) {
    char *label = &query.text[dot & (NAME_SIZE - 1)];
    dot += *label + 1;
    *label = '.';
  }
  u32 one = 1, *count = bpf_map_lookup_elem(&queries, &query);
  if (count)
    __sync_fetch_and_add(count, 1);
  else
    bpf_map_update_elem(&queries, &query, &one, BPF_ANY);
  return 64;
}

LICENSE("GPL");
