/* Every atomic operation there is, on 32 and 64 bits, with and without the old value, and a lock made of one. */
#include "bpf.h"

struct request {
  u64 operand;
  u64 expected;
  u64 old[8];
};

struct cells {
  u64 sum, mask, bits, flip, last, owner;
  u32 sum32, last32;
};

struct {
  __uint(type, ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct cells);
} cells SEC(".maps");

SEC("syscall")
int atomics(struct request *request) {
  u32 zero = 0;
  struct cells *cell = bpf_map_lookup_elem(&cells, &zero);
  if (!cell) return -1;
  u64 operand = request->operand;
  __sync_fetch_and_add(&cell->sum, operand);
  request->old[0] = __sync_fetch_and_add(&cell->sum, 1);
  request->old[1] = __sync_fetch_and_and(&cell->mask, operand);
  request->old[2] = __sync_fetch_and_or(&cell->bits, operand);
  request->old[3] = __sync_fetch_and_xor(&cell->flip, operand);
  request->old[4] = __sync_lock_test_and_set(&cell->last, operand);
  request->old[5] = __sync_val_compare_and_swap(&cell->owner, request->expected, operand);
  request->old[6] = __sync_fetch_and_add(&cell->sum32, (u32)operand);
  request->old[7] = __sync_lock_test_and_set(&cell->last32, (u32)operand);
  return cell->owner == operand;
}

LICENSE("GPL");
