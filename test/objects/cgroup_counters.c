/* System calls by number, in a map of its own for each cgroup that is watched; the others cost one look-up. */
#include "bpf.h"

#define NUMBERS 512

struct counters {
  __uint(type, ARRAY);
  __uint(max_entries, NUMBERS);
  __type(key, u32);
  __type(value, u64);
} web SEC(".maps"), database SEC(".maps");

struct {
  __uint(type, ARRAY_OF_MAPS);
  __uint(max_entries, 8);
  __uint(key_size, 4);
  __array(values, struct counters);
} watched SEC(".maps") = {
    .values = {[1] = (void *)&web, [4] = (void *)&database},
};

/* Which slot of `watched` a cgroup has. */
struct {
  __uint(type, HASH);
  __uint(max_entries, 64);
  __type(key, u64);
  __type(value, u32);
} slots SEC(".maps");

SEC("raw_tp/sys_enter")
int cgroup_counters(u64 *ctx) {
  u64 cgroup = bpf_get_current_cgroup_id();
  u32 *slot = bpf_map_lookup_elem(&slots, &cgroup);
  if (!slot) return 0;
  void *counters = bpf_map_lookup_elem(&watched, slot);
  if (!counters) return 0;
  u32 number = ctx[1];
  u64 *count = bpf_map_lookup_elem(counters, &number);
  if (count) __sync_fetch_and_add(count, 1);
  return 0;
}

LICENSE("GPL");
