/* An automaton over a text in a loop that the verifier needn't count: may_goto ends it at the latest. */
#include "bpf.h"

#define TEXT 256
#define STATES 8
#define CLASSES 4

/* How often `../` occurs: rows are states, columns are other, '.', '/', the end. */
static const u8 table[STATES][CLASSES] = {
    {0, 1, 0, 7}, {0, 2, 0, 7}, {0, 2, 3, 7}, {0, 1, 0, 7},
};

struct request {
  char text[TEXT];
  u32 found;
  u32 steps;
};

struct {
  __uint(type, PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct request);
} scratch SEC(".maps");

u32 first_index = 0;

/* JCOND | JMP, offset to `label`: taken when the program has used up its share of iterations. */
#define MAY_GOTO(label) asm volatile goto("may_goto %l[" #label "]" : : : : label)

INLINE u32 class_of(char c) { return c == 0 ? 3 : c == '/' ? 2 : c == '.' ? 1 : 0; }

SEC("syscall")
int long_loop(struct request *request) {
  u32 zero = 0, state = 0, found = 0, index = first_index;
  struct request *copy = bpf_map_lookup_elem(&scratch, &zero);
  if (!copy) return -1;
  __builtin_memcpy(copy->text, request->text, TEXT);
  for (;;) {
    MAY_GOTO(out);
    state = table[state & (STATES - 1)][class_of(copy->text[index & (TEXT - 1)])];
    index++;
    if (state == 3) found++;
    if (state == 7 || index >= TEXT) break;
  }
out:
  request->found = found;
  request->steps = index;
  return found;
}

LICENSE("GPL");
