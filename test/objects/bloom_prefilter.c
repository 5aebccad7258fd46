/* A bloom filter before the exact look-up: most executables are in neither, and cost no hash look-up. */
#include "core.h"

#define NAME_SIZE 32

struct name {
  char text[NAME_SIZE];
};

struct {
  __uint(type, BLOOM_FILTER);
  __uint(max_entries, 1000);
  __uint(map_extra, 3);
  __type(value, struct name);
} maybe SEC(".maps");

struct {
  __uint(type, HASH);
  __uint(max_entries, 1000);
  __type(key, struct name);
  __type(value, u32);
} wanted SEC(".maps");

u32 seen = 0, passed = 0, found = 0;

SEC("tp_btf/sched_process_exec")
int bloom_prefilter(u64 *ctx) {
  struct linux_binprm *bprm = (void *)ctx[2];
  struct name name = {0};
  if (bpf_probe_read_kernel_str(name.text, sizeof(name.text), bprm->filename) < 0) return 0;
  seen++;
  if (bpf_map_peek_elem(&maybe, &name)) return 0;
  passed++;
  u32 *hits = bpf_map_lookup_elem(&wanted, &name);
  if (!hits) return 0;
  *hits += 1;
  found++;
  return 0;
}

LICENSE("GPL");
