/* Small programs about hooks, contexts, packets, kernel structures and functions. */
#include "samples.h"

HELPER(104, long, bpf_sysctl_set_new_value, void *c, const char *b, u64 l);
HELPER(44, long, bpf_xdp_adjust_head, void *c, int n);
HELPER(9, long, bpf_skb_store_bytes, void *s, u32 o, const void *f, u32 l, u64 g);

SEC("tp_btf/sys_exit") int task_walk_typed(u64 *ctx) {
  struct task_struct *t = bpf_get_current_task_btf();
  u64 n = 0;
  for (int i = 0; i < 30; i++) {
    t = t->real_parent;
    n += t->tgid;
    if (t->tgid <= 1) break;
  }
  return n;
}

SEC("tp_btf/sys_exit") int task_cred_chain(u64 *ctx) {
  struct task_struct *t = bpf_get_current_task_btf();
  return t->cred->uid.val + t->group_leader->real_parent->cred->gid.val;
}

SEC("tp_btf/sys_exit") int pt_regs_and_map(u64 *ctx) {
  struct pt_regs *r = (void *)ctx[0];
  u64 k = r->orig_ax;
  struct value *v = bpf_map_lookup_elem(&h, &k);
  if (v) v->a += ctx[1] > 0;
  return 0;
}

SEC("tp_btf/sys_exit") int file_path_read(u64 *ctx) {
  struct task_struct *t = bpf_get_current_task_btf();
  char name[32];
  struct dentry *d = t->mm->exe_file->f_path.dentry;
  bpf_probe_read_kernel_str(name, sizeof(name), d->d_name.name);
  return name[0];
}

SEC("tp_btf/sys_exit") int null_task_field_compare(u64 *ctx) {
  struct task_struct *t = bpf_get_current_task_btf();
  if (!t->mm) return 1;
  return t->mm->arg_start > 0;
}

SEC("raw_tp/sys_enter") int raw_tp_pointer_not_dereferenced(u64 *ctx) {
  struct pt_regs *r = (void *)ctx[0];
  return r->di;
}

SEC("raw_tp/sys_enter") int raw_tp_read_by_helper(u64 *ctx) {
  struct pt_regs *r = (void *)ctx[0];
  return CORE_READ(r, di);
}

SEC("tp_btf/sys_exit") int write_to_task(u64 *ctx) {
  struct task_struct *t = bpf_get_current_task_btf();
  t->pid = 3;
  return 0;
}

SEC("xdp") int xdp_header_chain(struct xdp_md *c) {
  void *d = DATA(c), *e = DATA_END(c);
  struct ethhdr *h = d;
  if (d + sizeof(*h) > e) return 0;
  struct iphdr *ip = d + 14;
  if ((void *)(ip + 1) > e) return 1;
  u32 l = ip->length_words * 4;
  struct tcphdr *t = (void *)ip + l;
  if ((void *)(t + 1) > e) return 1;
  return t->destination == 80 ? 1 : 2;
}

SEC("xdp") int xdp_payload_loop(struct xdp_md *c) {
  u8 *d = DATA(c), *e = DATA_END(c);
  u32 sum = 0;
  for (int i = 0; i < 200; i++) {
    if (d + i + 1 > e) break;
    sum += d[i];
  }
  return sum & 1;
}

SEC("xdp") int xdp_checksum_fixed(struct xdp_md *c) {
  void *d = DATA(c), *e = DATA_END(c);
  u16 *w = d + 14;
  if ((void *)(w + 10) > e) return 0;
  u32 s = 0;
  for (int i = 0; i < 10; i++) s += w[i];
  s = (s & 0xffff) + (s >> 16);
  w[5] = ~s;
  return 2;
}

SEC("xdp") int xdp_options_walk(struct xdp_md *c) {
  u8 *d = DATA(c), *e = DATA_END(c);
  u32 at = 54;
  for (int i = 0; i < 10; i++) {
    if (at > 90) break;
    u8 *p = d + at;
    if (p + 2 > e) break;
    if (p[0] == 0) break;
    if (p[0] == 1) {
      at++;
      continue;
    }
    u8 l = p[1];
    if (l < 2) break;
    at += l;
  }
  return at & 1;
}

SEC("xdp") int xdp_adjust_head(struct xdp_md *c) {
  if (bpf_xdp_adjust_head(c, -8)) return 0;
  u8 *d = DATA(c);
  if (d + 8 > (u8 *)DATA_END(c)) return 0;
  d[0] = 1;
  return 2;
}

SEC("xdp") int xdp_stale_pointer(struct xdp_md *c) {
  u8 *d = DATA(c);
  if (d + 8 > (u8 *)DATA_END(c)) return 0;
  if (bpf_xdp_adjust_head(c, 4)) return 0;
  return d[0];
}

SEC("xdp") int xdp_packet_as_key(struct xdp_md *c) {
  void *d = DATA(c), *e = DATA_END(c);
  if (d + 34 > e) return 0;
  struct value *v = bpf_map_lookup_elem(&h, d + 26);
  return v ? v->n : 1;
}

SEC("tc") int tc_store_bytes(struct __sk_buff *s) {
  u32 x = s->len;
  if (bpf_skb_store_bytes(s, 14, &x, 4, 0)) return 2;
  u8 *d = DATA(s);
  if (d + 20 > (u8 *)DATA_END(s)) return 0;
  return d[19];
}

SEC("tc") int tc_cb_and_mark(struct __sk_buff *s) {
  s->cb[3] = s->hash;
  s->mark = s->cb[0] + s->priority;
  s->tc_classid = 7;
  return s->tc_index;
}

SEC("socket") int skb_field_not_allowed(struct __sk_buff *s) {
  s->mark = 1;
  return 0;
}

SEC("socket") int skb_data_in_socket_filter(struct __sk_buff *s) {
  u8 *d = DATA(s);
  if (d + 1 > (u8 *)DATA_END(s)) return 0;
  return d[0];
}

SEC("cgroup_skb/ingress") int cgroup_skb_returns_2(struct __sk_buff *s) {
  return 2;
}

SEC("cgroup/connect6") int connect6_write(struct bpf_sock_addr *c) {
  c->user_ip6[3] = 5;
  c->user_port = 6;
  return 1;
}

SEC("cgroup/connect4") int connect4_writes_ip6(struct bpf_sock_addr *c) {
  c->user_ip6[3] = 5;
  return 1;
}

SEC("cgroup/sysctl") int sysctl_write_value(struct bpf_sysctl *c) {
  char x[2] = "1";
  if (c->write) bpf_sysctl_set_new_value(c, x, 2);
  c->file_pos = 0;
  return 1;
}

SEC("tp_btf/sys_exit") int lsm_style_int_return_on_tracing(u64 *ctx) {
  return ctx[1];
}

SEC("cgroup/dev") int fexit_return_nonzero(struct bpf_cgroup_dev_ctx *c) {
  return c->major;
}

SEC("cgroup/dev") int narrow_context_loads(struct bpf_cgroup_dev_ctx *c) {
  return (u8)c->access_type == 2;
}

SEC("xdp") int tail_call_index_from_context(struct xdp_md *c) {
  bpf_tail_call(c, &progs, c->rx_queue_index);
  return 2;
}

static NOINLINE int tail_call_in_subprogram_sub(struct xdp_md *c) {
  bpf_tail_call(c, &progs, 1);
  return 1;
}
SEC("xdp") int tail_call_in_subprogram(struct xdp_md *c) {
  return tail_call_in_subprogram_sub(c);
}

static NOINLINE int deep_calls_f7(u64 x) {
  return x * 3;
}
static NOINLINE int deep_calls_f6(u64 x) {
  return deep_calls_f7(x + 1) ^ 1;
}
static NOINLINE int deep_calls_f5(u64 x) {
  return deep_calls_f6(x + 1) ^ 2;
}
static NOINLINE int deep_calls_f4(u64 x) {
  return deep_calls_f5(x + 1) ^ 3;
}
static NOINLINE int deep_calls_f3(u64 x) {
  return deep_calls_f4(x + 1) ^ 4;
}
static NOINLINE int deep_calls_f2(u64 x) {
  return deep_calls_f3(x + 1) ^ 5;
}
static NOINLINE int deep_calls_f1(u64 x) {
  return deep_calls_f2(x + 1) ^ 6;
}
SEC("syscall") int deep_calls(struct request *r) {
  return deep_calls_f1(r->a);
}

static NOINLINE int too_deep_calls_f8(u64 x) {
  return x * 3;
}
static NOINLINE int too_deep_calls_f7(u64 x) {
  return too_deep_calls_f8(x) * 3;
}
static NOINLINE int too_deep_calls_f6(u64 x) {
  return too_deep_calls_f7(x + 1) ^ 1;
}
static NOINLINE int too_deep_calls_f5(u64 x) {
  return too_deep_calls_f6(x + 1) ^ 2;
}
static NOINLINE int too_deep_calls_f4(u64 x) {
  return too_deep_calls_f5(x + 1) ^ 3;
}
static NOINLINE int too_deep_calls_f3(u64 x) {
  return too_deep_calls_f4(x + 1) ^ 4;
}
static NOINLINE int too_deep_calls_f2(u64 x) {
  return too_deep_calls_f3(x + 1) ^ 5;
}
static NOINLINE int too_deep_calls_f1(u64 x) {
  return too_deep_calls_f2(x + 1) ^ 6;
}
SEC("syscall") int too_deep_calls(struct request *r) {
  return too_deep_calls_f1(r->a);
}

static NOINLINE int stack_of_480_in_two_g(u64 x) {
  char b[300];
  for (int i = 0; i < 300; i++) b[i] = x;
  return b[x & 255];
}
SEC("syscall") int stack_of_480_in_two(struct request *r) {
  char b[200];
  for (int i = 0; i < 200; i++) b[i] = r->a;
  return stack_of_480_in_two_g(r->b) + b[r->c & 127];
}

SEC("syscall") int variable_stack_access(struct request *r) {
  u64 x[16] = {0};
  x[r->a & 15] = r->b;
  return x[r->c & 15];
}

SEC("syscall") int variable_stack_write_then_key(struct request *r) {
  u8 k[8] = {0};
  k[r->a & 7] = 1;
  struct value *v = bpf_map_lookup_elem(&h, k);
  return v ? v->n : 0;
}

SEC("syscall") int pointer_in_map_value(struct request *r) {
  u32 z = 0;
  struct value *v = bpf_map_lookup_elem(&a, &z);
  if (!v) return 0;
  v->a = (u64)v;
  return 0;
}

SEC("syscall") int pointer_arithmetic_on_maybe_null(struct request *r) {
  u64 k = r->a;
  char *v = bpf_map_lookup_elem(&h, &k);
  v += 4;
  if (!v) return 0;
  return *v;
}

SEC("xdp") int subtract_pointers(struct xdp_md *c) {
  return DATA_END(c) - DATA(c);
}

SEC("syscall") int map_value_pointer_compare(struct request *r) {
  u64 k = r->a, l = r->b;
  void *v = bpf_map_lookup_elem(&h, &k), *w = bpf_map_lookup_elem(&h, &l);
  return v == w;
}

SEC("syscall") int lpm_lookup(struct request *r) {
  struct {
    u32 bits;
    u32 addr;
  } k = {32, r->a};
  u32 *v = bpf_map_lookup_elem(&lpm, &k);
  return v ? *v : 0;
}

SEC("syscall") int key_too_small(struct request *r) {
  u32 k = 3;
  void *v = bpf_map_lookup_elem(&h, &k);
  return v != 0;
}

SEC("syscall") int format_with_pointer(struct request *r) {
  static const char fmt[] = "%d %s %p";
  char out[64];
  u64 d[] = {1, (u64)fmt, r->a};
  return bpf_snprintf(out, 64, fmt, d, sizeof(d));
}

SEC("syscall") int trace_printk(struct request *r) {
  static const char fmt[] = "%d %llu\n";
  return bpf_trace_printk(fmt, sizeof(fmt), 3, r->a);
}

static long for_each_array_with_context_cb(void *m, u32 *k, struct value *v, u64 *s) {
  *s += v->a + *k;
  return *s > 50;
}
SEC("syscall") int for_each_array_with_context(struct request *r) {
  u64 s = 0;
  bpf_for_each_map_elem(&a, for_each_array_with_context_cb, &s, 0);
  return s;
}

static long callback_returns_2_cb(u32 i, void *c) {
  return 2;
}
SEC("syscall") int callback_returns_2(struct request *r) {
  return bpf_loop(5, callback_returns_2_cb, 0, 0);
}

static long callback_with_unbounded_count_cb(u32 i, u64 *c) {
  *c += i;
  return 0;
}
SEC("syscall") int callback_with_unbounded_count(struct request *r) {
  u64 x = 0;
  bpf_loop(r->a, callback_with_unbounded_count_cb, &x, 0);
  return x > 4;
}

static long nested_bpf_loop_in(u32 i, u64 *c) {
  *c += i;
  return 0;
}
static long nested_bpf_loop_cb(u32 i, u64 *c) {
  bpf_loop(i, nested_bpf_loop_in, c, 0);
  return 0;
}
SEC("syscall") int nested_bpf_loop(struct request *r) {
  u64 x = 0;
  bpf_loop(10, nested_bpf_loop_cb, &x, 0);
  return x > 4;
}

SEC("tp_btf/sys_exit") int comm_compare(u64 *ctx) {
  char c[16];
  bpf_get_current_comm(c, 16);
  return c[0] == 'b' && c[1] == 'a' && c[2] == 's' && c[3] == 'h' && c[4] == 0;
}

SEC("syscall") int switch_with_table_in_rodata(struct request *r) {
  switch (r->a) {
    case 0:
      return 17;
    case 1:
      return 99;
    case 2:
      return 4;
    case 3:
      return 88;
    case 4:
      return 12;
    case 5:
      return 1000;
  }
  return 0;
}

SEC("syscall") int large_struct_copy(struct request *r) {
  struct request x = *r;
  x.a++;
  u32 z = 0;
  struct value *v = bpf_map_lookup_elem(&a, &z);
  if (!v) return 0;
  __builtin_memcpy(v->text, x.text, 48);
  return x.a;
}

SEC("syscall") int many_ifs(struct request *r) {
  u32 n = 0;
  for (int i = 0; i < 32; i++)
    if (r->text[i] == i * 3) n |= 1 << i;
  return n;
}

SEC("syscall") int many_ifs_used_as_index(struct request *r) {
  u32 n = 0, z = 0;
  for (int i = 0; i < 10; i++)
    if (r->text[i] == i * 3) n++;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  return s[n];
}

SEC("syscall") int loop_with_map_lookups(struct request *r) {
  u64 t = 0;
  for (u64 i = 0; i < 20; i++) {
    struct value *v = bpf_map_lookup_elem(&h, &i);
    if (!v) continue;
    if (v->n > 3) break;
    t += v->a;
  }
  return t;
}

SEC("syscall") int loop_to_unknown_bound(struct request *r) {
  u32 z = 0;
  char *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u32 n = r->a, t = 0;
  if (n > 100) return 0;
  for (u32 i = 0; i < n; i++) t += s[i];
  return t;
}

SEC("syscall") int while_not_zero_with_bound(struct request *r) {
  u64 x = r->a;
  int n = 0;
  while (x && n < 64) {
    x &= x - 1;
    n++;
  }
  return n;
}

SEC("syscall") int gcd(struct request *r) {
  u64 a = r->a, b = r->b;
  for (int i = 0; i < 40 && b; i++) {
    u64 t = a % b;
    a = b;
    b = t;
  }
  return a;
}

SEC("syscall") int infinite_loop(struct request *r) {
  volatile int x = 0;
  for (;;) {
    x++;
    if (x == r->a) break;
  }
  return 0;
}

SEC("syscall") int binary_search(struct request *r) {
  u32 z = 0;
  u8 *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s) return 0;
  u32 lo = 0, hi = 256;
  for (int i = 0; i < 9; i++) {
    if (lo >= hi) break;
    u32 mid = ((lo + hi) / 2) & 255;
    if (s[mid] < (u8)r->a)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

SEC("syscall") int sixteen_flags(struct request *r) {
  u32 x = r->a, s = 0;
  if (x & 1) s += 1;
  if (x & 2) s += 3;
  if (x & 4) s += 5;
  if (x & 8) s += 7;
  if (x & 16) s += 11;
  if (x & 32) s += 13;
  if (x & 64) s += 17;
  if (x & 128) s += 19;
  if (x & 256) s += 23;
  if (x & 512) s += 29;
  return s;
}

SEC("syscall") int sixteen_flags_to_index(struct request *r) {
  u32 z = 0;
  u8 *p = bpf_map_lookup_elem(&scratch, &z);
  if (!p) return 0;
  u32 x = r->a, s = 0;
  if (x & 1) s += 1;
  if (x & 2) s += 3;
  if (x & 4) s += 5;
  if (x & 8) s += 7;
  if (x & 16) s += 11;
  if (x & 32) s += 13;
  if (x & 64) s += 17;
  if (x & 128) s += 19;
  if (x & 256) s += 23;
  if (x & 512) s += 29;
  return p[s];
}

LICENSE("GPL");
