/* Variables of all kinds of sections, static functions, and global functions, which are verified alone. */
#include "bpf.h"

struct request {
  u32 index;
  s32 step;
  u64 result;
  u64 calls;
};

u64 calls = 0;
s32 bias = -7;
const volatile u32 factor = 3;
static const u16 squares[16] = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144, 169, 196, 225};
static u64 history[8];

static NOINLINE u64 square(u32 index) {
  return squares[index & 15];
}

/* Global: its arguments are any numbers to the verifier, and so is what it returns. */
NOINLINE s32 scaled(s32 value, u32 times) {
  if (times > 100) return -1;
  return value * (s32)times;
}

NOINLINE int remember(struct request *request) {
  if (!request) return -1;
  history[request->index & 7] += request->step;
  return history[request->index & 7] > 100;
}

SEC("syscall")
int globals(struct request *request) {
  struct request copy = {.index = request->index, .step = request->step};
  calls++;
  request->calls = calls;
  request->result = square(request->index) + (s64)scaled(request->step, factor) + bias;
  return remember(&copy);
}

LICENSE("GPL");
