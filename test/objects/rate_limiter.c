/* A token bucket for each process: a burst of five, then ten events a second; what goes beyond is only counted. */
#include "core.h"

#define BURST 5
#define PER_SECOND 10
#define SECOND 1000000000ULL

struct bucket {
  u64 updated;
  /* In nanoseconds of credit: SECOND / PER_SECOND is one token. */
  u64 credit;
  u64 suppressed;
};

struct {
  __uint(type, LRU_HASH);
  __uint(max_entries, 512);
  __type(key, u32);
  __type(value, struct bucket);
} buckets SEC(".maps");

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} events SEC(".maps");

struct event {
  u32 pid;
  u32 number;
  u64 suppressed;
};

#define TOKEN (SECOND / PER_SECOND)
#define FULL (BURST * TOKEN)

INLINE bool take(struct bucket *bucket, u64 now) {
  u64 earned = now - bucket->updated;
  bucket->updated = now;
  bucket->credit = earned > FULL - bucket->credit ? FULL : bucket->credit + earned;
  if (bucket->credit < TOKEN) {
    bucket->suppressed++;
    return false;
  }
  bucket->credit -= TOKEN;
  return true;
}

SEC("raw_tp/sys_enter")
int rate_limiter(u64 *ctx) {
  u32 pid = UPPER32(bpf_get_current_pid_tgid());
  u64 now = bpf_ktime_get_boot_ns();
  struct bucket *bucket = bpf_map_lookup_elem(&buckets, &pid);
  if (!bucket) {
    struct bucket full = {.updated = now, .credit = FULL};
    bpf_map_update_elem(&buckets, &pid, &full, BPF_NOEXIST);
    bucket = bpf_map_lookup_elem(&buckets, &pid);
    if (!bucket) return 0;
  }
  if (bucket->credit > FULL || !take(bucket, now)) return 0;
  struct event event = {.pid = pid, .number = ctx[1], .suppressed = bucket->suppressed};
  bucket->suppressed = 0;
  bpf_ringbuf_output(&events, &event, sizeof(event), 0);
  return 0;
}

LICENSE("GPL");
