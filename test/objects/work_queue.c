/* Forks go into a queue and onto a stack; each exit takes one from both: the oldest and the newest fork. */
#include "core.h"

struct fork {
  u32 parent;
  u32 child;
};

struct {
  __uint(type, QUEUE);
  __uint(max_entries, 4);
  __type(value, struct fork);
} oldest SEC(".maps");

struct {
  __uint(type, STACK);
  __uint(max_entries, 4);
  __type(value, struct fork);
} newest SEC(".maps");

struct pair {
  struct fork old;
  struct fork new;
  s32 next;
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} pairs SEC(".maps");

#define BPF_EXIST 2

SEC("tp_btf/sched_process_fork")
int on_fork(u64 *ctx) {
  struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
  struct fork fork = {.parent = parent->tgid, .child = child->tgid};
  /* A full queue loses its oldest entry, a full stack refuses. */
  bpf_map_push_elem(&oldest, &fork, BPF_EXIST);
  bpf_map_push_elem(&newest, &fork, BPF_ANY);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx) {
  struct pair pair = {0};
  struct fork next;
  if (bpf_map_pop_elem(&oldest, &pair.old) || bpf_map_pop_elem(&newest, &pair.new)) return 0;
  pair.next = bpf_map_peek_elem(&oldest, &next) ? -1 : (s32)next.child;
  bpf_ringbuf_output(&pairs, &pair, sizeof(pair), 0);
  return 0;
}

LICENSE("GPL");
