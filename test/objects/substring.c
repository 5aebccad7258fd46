/* Where a pattern begins in a text, and how much of it the text begins with: loops with bounds only. */
#include "bpf.h"

#define TEXT 64
#define PATTERN 8

struct text {
  char bytes[TEXT + PATTERN];
};

struct request {
  char text[TEXT];
  char pattern[PATTERN];
  s32 found;
  u32 prefix;
  u32 length;
};

/* Global, so that it is verified once and its result is any number: its 65 ways out don't multiply with what follows. */
NOINLINE u32 length_of(const struct text *text) {
  if (!text) return 0;
  for (u32 length = 0; length < TEXT; length++)
    if (text->bytes[length] == 0) return length;
  return TEXT;
}

SEC("syscall")
int substring(struct request *request) {
  struct text text = {0}, pattern = {0};
  __builtin_memcpy(text.bytes, request->text, TEXT);
  __builtin_memcpy(pattern.bytes, request->pattern, PATTERN - 1);

  u32 length = length_of(&text), wanted = length_of(&pattern);
  if (length > TEXT || wanted >= PATTERN) return -1;
  request->length = length;
  request->found = -1;
  request->prefix = 0;
  for (u32 i = 0; i < PATTERN; i++) {
    if (i >= wanted || pattern.bytes[i] != text.bytes[i]) break;
    request->prefix = i + 1;
  }
  /* Eight bytes of text at once against the pattern, what lies behind the pattern's end masked out. */
  u64 needle, window, mask = wanted ? ~0ULL >> (64 - 8 * wanted) : 0;
  __builtin_memcpy(&needle, pattern.bytes, PATTERN);
  for (u32 at = 0; at < TEXT; at++) {
    if (at + wanted > length) break;
    __builtin_memcpy(&window, &text.bytes[at], PATTERN);
    if (((window ^ needle) & mask) == 0) {
      request->found = at;
      break;
    }
  }
  return request->found;
}

LICENSE("GPL");
