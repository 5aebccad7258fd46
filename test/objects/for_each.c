/* A walk over a whole map from inside the kernel: sums, the largest entry, and old ones removed on the way. */
#include "bpf.h"

struct usage {
  u64 bytes;
  u64 seen;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 64);
  __type(key, u32);
  __type(value, struct usage);
} usages SEC(".maps");

struct {
  __uint(type, ARRAY);
  __uint(max_entries, 8);
  __type(key, u32);
  __type(value, u64);
} weights SEC(".maps");

struct request {
  u64 oldest;
  u64 total;
  u32 largest;
  u32 removed;
  u64 weighted;
};

struct walk {
  u64 oldest, total, most, weighted;
  u32 largest, removed;
};

static long visit(void *map, const u32 *key, struct usage *usage, struct walk *walk) {
  if (usage->seen < walk->oldest) {
    walk->removed++;
    bpf_map_delete_elem(map, key);
    return 0;
  }
  walk->total += usage->bytes;
  if (usage->bytes > walk->most) {
    walk->most = usage->bytes;
    walk->largest = *key;
  }
  return 0;
}

/* Ends at the first weight that is zero. */
static long weigh(void *map, const u32 *key, u64 *weight, struct walk *walk) {
  if (*weight == 0) return 1;
  walk->weighted += *weight * (*key + 1);
  return 0;
}

SEC("syscall")
int for_each(struct request *request) {
  struct walk walk = {.oldest = request->oldest};
  long visited = bpf_for_each_map_elem(&usages, visit, &walk, 0);
  long weighed = bpf_for_each_map_elem(&weights, weigh, &walk, 0);
  request->total = walk.total;
  request->largest = walk.largest;
  request->removed = walk.removed;
  request->weighted = walk.weighted;
  return visited * 100 + weighed;
}

LICENSE("GPL");
