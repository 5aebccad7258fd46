/* The ancestors of a process that execs, walked in each of the three ways there are to repeat something. */
#include "core.h"
#include "iter.h"

#define DEPTH 16

struct ancestry {
  u32 depth;
  u32 pids[DEPTH];
};

struct {
  __uint(type, ARRAY);
  __uint(max_entries, 3);
  __type(key, u32);
  __type(value, struct ancestry);
} ancestries SEC(".maps");

SEC("tp_btf/sched_process_exec")
int with_bounded_loop(u64 *ctx) {
  struct task_struct *task = (void *)ctx[0];
  u32 index = 0;
  struct ancestry *found = bpf_map_lookup_elem(&ancestries, &index);
  if (!found) return 0;
  u32 depth = 0;
  for (; depth < DEPTH; depth++) {
    task = task->real_parent;
    u32 pid = task->tgid;
    if (pid == 0) break;
    found->pids[depth] = pid;
  }
  found->depth = depth;
  return 0;
}

struct walk {
  struct task_struct *task;
  struct ancestry *found;
};

static long step(u32 index, struct walk *walk) {
  struct task_struct *parent = CORE_READ(walk->task, real_parent);
  u32 pid = CORE_READ(parent, tgid);
  if (pid == 0 || index >= DEPTH) return 1;
  walk->found->pids[index] = pid;
  walk->found->depth = index + 1;
  walk->task = parent;
  return 0;
}

SEC("tp_btf/sched_process_exec")
int with_bpf_loop(u64 *ctx) {
  u32 index = 1;
  struct walk walk = {.task = (void *)ctx[0], .found = bpf_map_lookup_elem(&ancestries, &index)};
  if (!walk.found) return 0;
  walk.found->depth = 0;
  bpf_loop(DEPTH, step, &walk, 0);
  return 0;
}

SEC("tp_btf/sched_process_exec")
int with_iterator(u64 *ctx) {
  struct task_struct *task = (void *)ctx[0];
  u32 index = 2, i;
  struct ancestry *found = bpf_map_lookup_elem(&ancestries, &index);
  if (!found) return 0;
  found->depth = 0;
  FOR_NUM(i, 0, DEPTH) {
    task = CORE_READ(task, real_parent);
    u32 pid = CORE_READ(task, tgid);
    if (pid == 0 || i >= DEPTH) break;
    found->pids[i] = pid;
    found->depth = i + 1;
  }
  return 0;
}

LICENSE("GPL");
