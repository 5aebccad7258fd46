/* Where processes connect to over TCP: entry keeps the socket, the return tells whether it worked. */
#include "core.h"

struct record {
  u32 pid;
  s32 result;
  u32 source;
  u32 destination;
  u16 port;
  u16 family;
  char comm[TASK_COMM_LEN];
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 1024);
  __type(key, u64);
  __type(value, u64);
} pending SEC(".maps");

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} records SEC(".maps");

SEC("kprobe/tcp_v4_connect")
int connect_entry(struct pt_regs *ctx) {
  u64 thread = bpf_get_current_pid_tgid();
  u64 sock = ctx->di;
  bpf_map_update_elem(&pending, &thread, &sock, BPF_ANY);
  return 0;
}

SEC("kretprobe/tcp_v4_connect")
int connect_return(struct pt_regs *ctx) {
  u64 thread = bpf_get_current_pid_tgid();
  u64 *pointer = bpf_map_lookup_elem(&pending, &thread);
  if (!pointer) return 0;
  struct sock *sock = (void *)*pointer;
  struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
  if (record) {
    record->pid = UPPER32(thread);
    record->result = ctx->ax;
    record->source = CORE_READ(sock, __sk_common.skc_rcv_saddr);
    record->destination = CORE_READ(sock, __sk_common.skc_daddr);
    record->port = __builtin_bswap16(CORE_READ(sock, __sk_common.skc_dport));
    record->family = CORE_READ(sock, __sk_common.skc_family);
    bpf_get_current_comm(record->comm, sizeof(record->comm));
    bpf_ringbuf_submit(record, 0);
  }
  bpf_map_delete_elem(&pending, &thread);
  return 0;
}

LICENSE("GPL");
