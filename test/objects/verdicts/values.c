/* Small programs about numbers, memory, loops and callbacks. */
#include "samples.h"

SEC("syscall") int masked_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  return s[r->a & 1023];
}

SEC("syscall") int compared_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u64 i = r->a;
  if (i < 1024) return s[i];
  return 0;
}

SEC("syscall") int signed_compared_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  s64 i = r->a;
  if (i >= 0 && i <= 1023) return s[i];
  return 0;
}

SEC("syscall") int signed_32_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  s32 i = r->a;
  if (i >= 0 && i < 1000) return s[i];
  return 0;
}

SEC("syscall") int two_part_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u32 i = (r->a & 31) * 8 + (r->b & 7);
  return s[i] + s[i + 700];
}

SEC("syscall") int shifted_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u32 i = (u32)r->a >> 23;
  return s[i];
}

SEC("syscall") int modulo_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  return s[(u32)r->a % 1000];
}

SEC("syscall") int divided_index(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u64 x = r->a & 0xffff;
  return s[x / 64];
}

SEC("syscall") int out_of_bounds_by_one(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u64 i = r->a;
  if (i <= 1024) return s[i];
  return 0;
}

SEC("syscall") int variable_size_read(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u64 n = r->a;
  if (n > 512) n = 512;
  return bpf_probe_read_user(s, n, (void *)r->b);
}

SEC("syscall") int variable_size_and_offset(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u64 n = r->a & 511, o = r->b & 511;
  return bpf_probe_read_user(s + o, n, (void *)r->c);
}

SEC("syscall") int sizes_that_add_up(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  long o = 0;
  for (int i = 0; i < 4; i++) {
    long n = bpf_probe_read_user_str(s + o, 128, (void *)(r->a + i));
    if (n < 0) break;
    if (n > 128) break;
    o += n;
    if (o > 512) break;
  }
  return o;
}

SEC("syscall") int str_result_masked(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  long n = bpf_probe_read_user_str(s, 256, (void *)r->a);
  if (n <= 0) return 0;
  s[n - 1] = '!';
  return s[n & 255];
}

SEC("syscall") int null_check_by_or(struct request *r) {
  u32 z = 0, o = 1;
  struct value *x = bpf_map_lookup_elem(&a, &z), *y = bpf_map_lookup_elem(&a, &o);
  if (!x || !y) return 0;
  x->a += y->b;
  return x->n == y->n;
}

SEC("syscall") int null_check_of_copy(struct request *r) {
  u64 k = r->a;
  struct value *x = bpf_map_lookup_elem(&h, &k);
  struct value *y = x;
  if (y) return x->n;
  return 1;
}

SEC("syscall") int select_pointer(struct request *r) {
  u64 k = r->a;
  u32 z = 0;
  struct value *x = bpf_map_lookup_elem(&h, &k);
  if (!x) x = bpf_map_lookup_elem(&a, &z);
  if (!x) return 0;
  x->a++;
  return x->n;
}

SEC("syscall") int spills_across_calls(struct request *r) {
  u64 k = r->a, l = r->b, m = r->c;
  struct value *x = bpf_map_lookup_elem(&h, &k);
  if (!x) return 0;
  struct value *y = bpf_map_lookup_elem(&h, &l);
  if (!y) return 0;
  struct value *z = bpf_map_lookup_elem(&h, &m);
  if (!z) return 0;
  u64 t = bpf_ktime_get_ns();
  x->a = y->a + z->a + t + k + l + m + r->d;
  return 0;
}

SEC("syscall") int bitmap_search(struct request *r) {
  u64 b = r->a;
  int n = 0;
  for (int i = 0; i < 64; i++) {
    if (b & 1) n += i;
    b >>= 1;
  }
  return n;
}

SEC("syscall") int hash_loop(struct request *r) {
  u32 v = 2166136261u;
  for (int i = 0; i < 64; i++) {
    v ^= (u8)r->text[i];
    v *= 16777619;
  }
  return v;
}

SEC("syscall") int hash_until_nul(struct request *r) {
  char t[64];
  __builtin_memcpy(t, r->text, 64);
  u32 v = 2166136261u;
  for (int i = 0; i < 64; i++) {
    if (!t[i]) break;
    v ^= (u8)t[i];
    v *= 16777619;
  }
  return v;
}

SEC("syscall") int strlen_loop(struct request *r) {
  char t[64];
  __builtin_memcpy(t, r->text, 64);
  int n = 0;
  for (; n < 64; n++)
    if (!t[n]) break;
  return n;
}

SEC("syscall") int to_upper(struct request *r) {
  char t[64];
  __builtin_memcpy(t, r->text, 64);
  for (int i = 0; i < 64; i++)
    if (t[i] >= 'a' && t[i] <= 'z') t[i] -= 32;
  __builtin_memcpy(r->text, t, 64);
  return 0;
}

SEC("syscall") int count_words(struct request *r) {
  char t[64];
  __builtin_memcpy(t, r->text, 64);
  int n = 0;
  bool in = false;
  for (int i = 0; i < 64; i++) {
    if (t[i] == 0) break;
    if (t[i] == ' ')
      in = false;
    else if (!in) {
      in = true;
      n++;
    }
  }
  return n;
}

SEC("syscall") int parse_number(struct request *r) {
  char t[16];
  __builtin_memcpy(t, r->text, 16);
  u64 v = 0;
  for (int i = 0; i < 16; i++) {
    u8 d = t[i] - '0';
    if (d > 9) break;
    v = v * 10 + d;
  }
  return v;
}

SEC("syscall") int last_slash(struct request *r) {
  char t[64];
  __builtin_memcpy(t, r->text, 64);
  int at = -1;
  for (int i = 0; i < 64; i++) {
    if (!t[i]) break;
    if (t[i] == '/') at = i;
  }
  return at;
}

SEC("syscall") int nested_loops_with_array(struct request *r) {
  u32 m[4][4];
  u32 n = 0;
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) m[i][j] = r->a >> (i * 4 + j);
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      for (int k = 0; k < 4; k++) n += m[i][k] * m[k][j];
  return n;
}

struct bpf_loop_with_state_st {
  u64 sum;
  u32 i;
  struct request *r;
};
static long bpf_loop_with_state_cb(u32 i, struct bpf_loop_with_state_st *s) {
  s->sum += i;
  s->i++;
  return s->sum > 100;
}
SEC("syscall") int bpf_loop_with_state(struct request *r) {
  struct bpf_loop_with_state_st s = {0};
  bpf_loop(1000, bpf_loop_with_state_cb, &s, 0);
  return s.sum;
}

struct bpf_loop_with_pointer_to_map_value_st {
  struct value *v;
  u32 n;
};
static long bpf_loop_with_pointer_to_map_value_cb(u32 i, struct bpf_loop_with_pointer_to_map_value_st *s) {
  if (i < 48) s->v->text[i] = i;
  s->n++;
  return 0;
}
SEC("syscall") int bpf_loop_with_pointer_to_map_value(struct request *r) {
  u64 k = r->a;
  struct bpf_loop_with_pointer_to_map_value_st s = {.v = bpf_map_lookup_elem(&h, &k)};
  if (!s.v) return 0;
  bpf_loop(100, bpf_loop_with_pointer_to_map_value_cb, &s, 0);
  return s.n;
}

SEC("syscall") int iterator_with_sums(struct request *r) {
  int i;
  u64 sum = 0;
  FOR_NUM(i, 0, 100) {
    sum += i;
    if (sum > 1000) break;
  }
  return sum;
}

SEC("syscall") int iterator_with_array(struct request *r) {
  int i;
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u32 n = 0;
  FOR_NUM(i, 0, 1000) {
    if (i < 0 || i >= 1024) break;
    if (s[i] == 0) break;
    n++;
  }
  return n;
}

SEC("syscall") int nested_iterators(struct request *r) {
  int i, j;
  u64 sum = 0;
  FOR_NUM(i, 0, 10) {
    FOR_NUM(j, 0, i) {
      sum += i * j;
    }
  }
  return sum;
}

SEC("syscall") int iterator_with_state_machine(struct request *r) {
  int i;
  u32 z = 0;
  u8 *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u32 state = 0;
  FOR_NUM(i, 0, 512) {
    u32 c = s[i & 511];
    switch (state) {
      case 0:
        state = c == 'a' ? 1 : 0;
        break;
      case 1:
        state = c == 'b' ? 2 : 0;
        break;
      case 2:
        state = c == 'c' ? 3 : 0;
        break;
    }
    if (state == 3) break;
  }
  return state;
}

SEC("syscall") int may_goto_string(struct request *r) {
  u32 z = 0;
  u8 *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u64 n = r->a & 1;
  for (;;) {
    asm volatile goto("may_goto %l[out]" : : : : out);
    if (n >= 1024) break;
    if (!s[n]) break;
    n++;
  }
out:
  return n;
}

static NOINLINE u64 static_functions_with_pointers_sum(struct value *v, u32 n) {
  return n < 48 ? v->text[n] + v->a : 0;
}
static NOINLINE u64 static_functions_with_pointers_both(struct value *v, struct value *w, u32 n) {
  return static_functions_with_pointers_sum(v, n) + static_functions_with_pointers_sum(w, n + 1);
}
SEC("syscall") int static_functions_with_pointers(struct request *r) {
  u64 k = r->a, l = r->b;
  struct value *x = bpf_map_lookup_elem(&h, &k), *y = bpf_map_lookup_elem(&h, &l);
  if (!x || !y) return 0;
  return static_functions_with_pointers_both(x, y, r->c);
}

static NOINLINE void stack_passed_to_static_function_fill(u64 *x, u32 n) {
  for (u32 i = 0; i < 8; i++) x[i] = n + i;
}
SEC("syscall") int stack_passed_to_static_function(struct request *r) {
  u64 x[8];
  stack_passed_to_static_function_fill(x, r->a);
  return x[r->b & 7];
}

NOINLINE u64 global_function_with_memory_total(const struct value *v) {
  return v ? v->a + v->b + v->text[3] : 0;
}
SEC("syscall") int global_function_with_memory(struct request *r) {
  struct value v = {.a = r->a};
  u64 k = 3;
  struct value *w = bpf_map_lookup_elem(&h, &k);
  return global_function_with_memory_total(&v) + global_function_with_memory_total(w);
}

SEC("syscall") int ringbuf_leak(struct request *r) {
  u64 *e = bpf_ringbuf_reserve(&rb, 16, 0);
  if (!e) return 0;
  if (r->a == 3) return 1;
  e[0] = 1;
  bpf_ringbuf_submit(e, 0);
  return 0;
}

SEC("syscall") int ringbuf_two(struct request *r) {
  u64 *e = bpf_ringbuf_reserve(&rb, 16, 0);
  if (!e) return 0;
  u64 *g = bpf_ringbuf_reserve(&rb, 32, 0);
  if (!g) {
    bpf_ringbuf_discard(e, 0);
    return 1;
  }
  e[1] = g[3] = r->a;
  bpf_ringbuf_submit(g, 0);
  bpf_ringbuf_submit(e, 0);
  return 0;
}

SEC("syscall") int ringbuf_use_after_submit(struct request *r) {
  u64 *e = bpf_ringbuf_reserve(&rb, 16, 0);
  if (!e) return 0;
  bpf_ringbuf_submit(e, 0);
  e[0] = 1;
  return 0;
}

SEC("syscall") int ringbuf_as_helper_memory(struct request *r) {
  struct value *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
  if (!e) return 0;
  bpf_get_current_comm(e->text, 16);
  bpf_probe_read_user_str(e->text + 16, 32, (void *)r->a);
  bpf_ringbuf_submit(e, 0);
  return 0;
}

SEC("syscall") int ringbuf_variable_offset(struct request *r) {
  struct value *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
  if (!e) return 0;
  u32 n = r->a;
  if (n < 48) e->text[n] = 1;
  bpf_ringbuf_discard(e, 0);
  return 0;
}

SEC("syscall") int division_by_register(struct request *r) {
  return r->a / r->b + (u32)r->c % (u32)r->d;
}

SEC("syscall") int shift_by_register(struct request *r) {
  return (r->a << (r->b & 63)) + ((u32)r->c >> (r->d & 31));
}

SEC("syscall") int with_64_bit_constants(struct request *r) {
  return r->a == 0x123456789abcdef0ULL ? 1 : r->b > 0xffffffff00000000ULL ? 2 : 3;
}

SEC("syscall") int atomics_on_map(struct request *r) {
  u32 z = 0;
  struct value *v = bpf_map_lookup_elem(&a, &z);
  if (!v) return 0;
  __sync_fetch_and_add(&v->a, r->a);
  return __sync_val_compare_and_swap(&v->b, 1, 2) + __sync_fetch_and_or(&v->n, 4);
}

SEC("syscall") int context_variable_offset(struct request *r) {
  return r->text[r->a & 31];
}

SEC("socket") int labels_only(struct __sk_buff *skb) {
  char text[32] = {0};
  if (bpf_skb_load_bytes(skb, 0, text, 32) < 0) return 0;
  u32 label = 0, n = 0;
  for (u32 i = 0; i < 32; i++) {
    u8 byte = text[i];
    if (i == label) {
      n++;
      label = i + 1 + byte;
    }
  }
  return n;
}

LICENSE("GPL");
