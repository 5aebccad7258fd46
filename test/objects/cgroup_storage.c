/* Execs by cgroup, kept with the cgroup itself: what is known of it goes when it goes. */
#include "core.h"

struct usage {
  u64 id;
  u32 execs;
  u32 level;
};

struct {
  __uint(type, CGRP_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct usage);
} usages SEC(".maps");

/* From how many execs on a cgroup is reported, once. */
const volatile u32 limit = 3;

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} reports SEC(".maps");

SEC("tp_btf/sched_process_exec")
int cgroup_storage(u64 *ctx) {
  struct task_struct *task = (void *)ctx[0];
  struct cgroup *cgroup = task->cgroups->dfl_cgrp;
  struct usage *usage = bpf_cgrp_storage_get(&usages, cgroup, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!usage) return 0;
  if (usage->execs == 0) {
    usage->id = cgroup->kn->id;
    usage->level = cgroup->level;
  }
  usage->execs++;
  if (usage->execs == limit) bpf_ringbuf_output(&reports, usage, sizeof(*usage), 0);
  return 0;
}

LICENSE("GPL");
