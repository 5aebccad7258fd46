/* What test/cli/bpf.test.ts shows: a program that loads everywhere, one that the verifier refuses, and one kernel structure. */
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, type) typeof(type) *name

struct {
  __uint(type, 1);
  __uint(max_entries, 64);
  __type(key, u32);
  __type(value, u64);
} counts SEC(".maps");

struct task_struct {
  int pid;
} __attribute__((preserve_access_index));

static void *(*const lookup)(void *map, const void *key) = (void *)1;
static u64 (*const current_task)(void) = (void *)35;

SEC("xdp")
int pass(void *ctx) {
  u32 key = 7;
  u64 *count = lookup(&counts, &key);
  if (count) *count += 1;
  return 2;
}

SEC("raw_tp/sys_enter")
int careless(void *ctx) {
  u32 key = 7;
  u64 *count = lookup(&counts, &key);
  return *count;
}

SEC("?raw_tp/sys_exit")
int pid(void *ctx) {
  struct task_struct *task = (void *)current_task();
  return __builtin_preserve_field_info(task->pid, 0);
}

char program_license[] SEC("license") = "GPL";
