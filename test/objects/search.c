/* A search that uses the kernel's own where it has one, and a loop where it doesn't: both find the same. */
#include "bpf.h"

#define TEXT 64
#define NEEDLE 16

struct request {
  char text[TEXT];
  char needle[NEEDLE];
  s32 found;
  u32 by_kernel;
};

extern int bpf_strstr(const char *text, const char *needle) KSYM WEAK;

static char text[TEXT], needle[NEEDLE];

#define ENOENT 2

SEC("syscall")
int search(struct request *request) {
  __builtin_memcpy(text, request->text, TEXT);
  __builtin_memcpy(needle, request->needle, NEEDLE);
  text[TEXT - 1] = needle[NEEDLE - 1] = 0;
  request->by_kernel = 0;
  request->found = -ENOENT;
  if (bpf_strstr) {
    request->by_kernel = 1;
    request->found = bpf_strstr(text, needle);
    return 0;
  }
  for (u32 at = 0; at < TEXT; at++) {
    u32 i = 0;
    for (; i < NEEDLE; i++) {
      if (needle[i] == 0 || text[(at + i) & (TEXT - 1)] != needle[i]) break;
    }
    if (i < NEEDLE && needle[i] == 0) {
      request->found = at;
      break;
    }
    if (text[at] == 0) break;
  }
  return 0;
}

LICENSE("GPL");
