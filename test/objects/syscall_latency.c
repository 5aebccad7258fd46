/* A histogram of how long system calls take: start times by thread, then log2 of microseconds. */
#include "bpf.h"

#define SLOTS 27

struct histogram {
  u64 slots[SLOTS];
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 4096);
  __type(key, u32);
  __type(value, u64);
} starts SEC(".maps");

struct {
  __uint(type, PERCPU_ARRAY);
  __uint(max_entries, 512);
  __type(key, u32);
  __type(value, struct histogram);
} histograms SEC(".maps");

INLINE u32 log2_32(u32 value) {
  u32 result = 0, shift;
  shift = (value > 0xffff) << 4;
  value >>= shift;
  result |= shift;
  shift = (value > 0xff) << 3;
  value >>= shift;
  result |= shift;
  shift = (value > 0xf) << 2;
  value >>= shift;
  result |= shift;
  shift = (value > 3) << 1;
  value >>= shift;
  return result | shift | (value >> 1);
}

INLINE u32 log2_64(u64 value) { return value >> 32 ? log2_32(value >> 32) + 32 : log2_32(value); }

SEC("raw_tp/sys_enter")
int enter(u64 *ctx) {
  u32 thread = bpf_get_current_pid_tgid();
  u64 now = bpf_ktime_get_ns();
  bpf_map_update_elem(&starts, &thread, &now, BPF_ANY);
  return 0;
}

/* The number isn't in the context of sys_exit, so that the caller's slot is its thread id's here. */
SEC("raw_tp/sys_exit")
int leave(u64 *ctx) {
  u32 thread = bpf_get_current_pid_tgid();
  u64 *start = bpf_map_lookup_elem(&starts, &thread);
  if (!start) return 0;
  s64 nanoseconds = bpf_ktime_get_ns() - *start;
  bpf_map_delete_elem(&starts, &thread);
  if (nanoseconds < 0) return 0;
  u32 index = thread & 511;
  struct histogram *histogram = bpf_map_lookup_elem(&histograms, &index);
  if (!histogram) return 0;
  u32 slot = log2_64((u64)nanoseconds / 1000);
  if (slot >= SLOTS) slot = SLOTS - 1;
  histogram->slots[slot]++;
  return 0;
}

LICENSE("GPL");
