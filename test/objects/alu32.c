/* Arithmetic of all widths: what is narrow is extended as C says, signed division rounds to zero, shifts keep the sign. */
#include "bpf.h"

struct request {
  s64 a;
  s64 b;
  s64 results[16];
};

SEC("syscall")
int alu32(struct request *request) {
  s64 a = request->a, b = request->b;
  s32 a32 = a, b32 = b;
  u32 ua = a, ub = b;
  request->results[0] = (s8)a;
  request->results[1] = (s16)a;
  request->results[2] = a32;
  request->results[3] = (s64)(s8)a * (s16)b;
  request->results[4] = a / b;
  request->results[5] = a % b;
  request->results[6] = a32 / b32;
  request->results[7] = a32 % b32;
  request->results[8] = ua / ub;
  request->results[9] = (u64)a / (u64)b;
  request->results[10] = a32 >> (b & 31);
  request->results[11] = (u32)(ua << (b & 31));
  request->results[12] = a >> (b & 63);
  request->results[13] = __builtin_bswap32(ua);
  request->results[14] = (s64)__builtin_bswap64(a);
  request->results[15] = a32 < b32 ? (ua < ub ? 3 : 1) : (ua < ub ? 2 : 0);
  return (s16)__builtin_bswap16(a);
}

LICENSE("GPL");
