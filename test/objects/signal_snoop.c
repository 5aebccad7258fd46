/* Signals by who sends which to whom, from the tracepoint's record. */
#include "bpf.h"

/* The record of signal:signal_generate, as its format file describes it. */
struct signal_generate {
  u64 common;
  int signal;
  int error;
  int code;
  char comm[16];
  int pid;
  int group;
  int result;
};

struct key {
  u32 from;
  u32 to;
  u32 signal;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 1024);
  __type(key, struct key);
  __type(value, u32);
} signals SEC(".maps");

#define SIGKILL 9

/* SIGKILL sent, whatever came of it. */
u64 kills = 0;

SEC("tp/signal/signal_generate")
int signal_snoop(struct signal_generate *ctx) {
  if (ctx->signal == SIGKILL) kills++;
  if (ctx->result != 0) return 0;
  struct key key = {.from = UPPER32(bpf_get_current_pid_tgid()), .to = ctx->pid, .signal = ctx->signal};
  u32 one = 1, *count = bpf_map_lookup_elem(&signals, &key);
  if (count)
    *count += 1;
  else
    bpf_map_update_elem(&signals, &key, &one, BPF_ANY);
  return 0;
}

LICENSE("Dual BSD/GPL");
