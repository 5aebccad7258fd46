/* Where a pattern begins in a text, how long a prefix two texts share, and a glob with one star: loops with bounds only. */
#include "bpf.h"

#define TEXT 64
#define PATTERN 8

struct request {
  char text[TEXT];
  char pattern[PATTERN];
  s32 found;
  u32 prefix;
  u32 matches;
  u32 length;
};

static NOINLINE u32 length_of(const char *text, u32 most) {
  u32 length = 0;
  for (; length < TEXT && length < most; length++)
    if (text[length] == 0) break;
  return length;
}

SEC("syscall")
int substring(struct request *request) {
  char text[TEXT + PATTERN] = {0};
  char pattern[PATTERN];
  __builtin_memcpy(text, request->text, TEXT);
  __builtin_memcpy(pattern, request->pattern, PATTERN);
  pattern[PATTERN - 1] = 0;

  u32 length = length_of(text, TEXT), wanted = length_of(pattern, PATTERN);
  request->length = length;
  request->found = -1;
  request->prefix = 0;
  for (u32 i = 0; i < PATTERN; i++) {
    if (pattern[i] == 0 || pattern[i] != text[i]) break;
    request->prefix = i + 1;
  }
  for (u32 at = 0; at < TEXT; at++) {
    if (at + wanted > length) break;
    u32 same = 0;
    for (u32 i = 0; i < PATTERN; i++) {
      if (i >= wanted || text[at + i] != pattern[i]) break;
      same++;
    }
    if (same == wanted) {
      request->found = at;
      break;
    }
  }
  request->matches = request->found == 0 ? 2 : request->found > 0;
  return request->found;
}

LICENSE("GPL");
