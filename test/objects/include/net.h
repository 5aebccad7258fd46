/* Packets as they lie in memory (network byte order), and the contexts of programs that see packets and sockets. */
#pragma once
#include "bpf.h"

#define SWAP16(x) __builtin_bswap16(x)
#define SWAP32(x) __builtin_bswap32(x)

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

#define XDP_ABORTED 0
#define XDP_DROP 1
#define XDP_PASS 2
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

struct ethhdr {
  u8 destination[6];
  u8 source[6];
  u16 protocol;
} __attribute__((packed));

struct vlanhdr {
  u16 tag;
  u16 protocol;
};

struct iphdr {
  u8 length_words : 4;
  u8 version : 4;
  u8 tos;
  u16 total_length;
  u16 id;
  u16 fragment;
  u8 ttl;
  u8 protocol;
  u16 checksum;
  u32 source;
  u32 destination;
};

struct ip6hdr {
  u32 flow;
  u16 payload_length;
  u8 next;
  u8 hops;
  u32 source[4];
  u32 destination[4];
};

struct tcphdr {
  u16 source;
  u16 destination;
  u32 sequence;
  u32 acknowledged;
  u8 offset;
  u8 flags;
  u16 window;
  u16 checksum;
  u16 urgent;
};

struct udphdr {
  u16 source;
  u16 destination;
  u16 length;
  u16 checksum;
};

/* include/uapi/linux/bpf.h: member names and places are the kernel's */
struct xdp_md {
  u32 data;
  u32 data_end;
  u32 data_meta;
  u32 ingress_ifindex;
  u32 rx_queue_index;
  u32 egress_ifindex;
};

struct __sk_buff {
  u32 len;
  u32 pkt_type;
  u32 mark;
  u32 queue_mapping;
  u32 protocol;
  u32 vlan_present;
  u32 vlan_tci;
  u32 vlan_proto;
  u32 priority;
  u32 ingress_ifindex;
  u32 ifindex;
  u32 tc_index;
  u32 cb[5];
  u32 hash;
  u32 tc_classid;
  u32 data;
  u32 data_end;
};

struct bpf_sock_addr {
  u32 user_family;
  u32 user_ip4;
  u32 user_ip6[4];
  u32 user_port;
  u32 family;
  u32 type;
  u32 protocol;
};

struct bpf_sock {
  u32 bound_dev_if;
  u32 family;
  u32 type;
  u32 protocol;
  u32 mark;
  u32 priority;
};

struct bpf_cgroup_dev_ctx {
  u32 access_type;
  u32 major;
  u32 minor;
};

struct bpf_sockopt {
  u64 sk;
  u64 optval;
  u64 optval_end;
  s32 level;
  s32 optname;
  s32 optlen;
  s32 retval;
};

struct bpf_sysctl {
  u32 write;
  u32 file_pos;
};

#define DATA(ctx) ((void *)(long)(ctx)->data)
#define DATA_END(ctx) ((void *)(long)(ctx)->data_end)
