/* The open-coded iterator over numbers, a family of kernel functions (kernel/bpf/bpf_iter.c). */
#pragma once
#include "bpf.h"

struct bpf_iter_num {
  u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) KSYM;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) KSYM;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) KSYM;

/* Runs the statement that follows for i from start to end - 1; `break` and `continue` work, `return` does not. */
#define FOR_NUM(i, start, end)                                                                                      \
  for (struct bpf_iter_num it_ __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))),                          \
       *once_ __attribute__((unused)) = (bpf_iter_num_new(&it_, (start), (end)), (struct bpf_iter_num *)0);         \
       ({                                                                                                           \
         int *next_ = bpf_iter_num_next(&it_);                                                                      \
         if (next_) i = *next_;                                                                                     \
         next_;                                                                                                     \
       });)
