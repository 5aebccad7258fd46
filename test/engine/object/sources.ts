/** What the sources below begin with: types, sections and map definitions, as libbpf's headers have them. */
export const PRELUDE = `
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
typedef int s32; typedef long long s64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, type) typeof(type) *name
#define __array(name, type) typeof(type) *name[]
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))
#define __core __attribute__((preserve_access_index))
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_tail_call)(void *context, void *map, u32 index) = (void *)12;
static long (*bpf_loop)(u32 count, void *callback, void *context, u64 flags) = (void *)181;
char LICENSE[] SEC("license") = "GPL";
`;

/** One of everything that an object can hold. */
export const PROGRAMS_OF_EVERY_SORT = `${PRELUDE}
struct event { u32 pid; char comm[16]; };
struct { __uint(type, 1); __uint(max_entries, 1024); __type(key, u32); __type(value, struct event); } events SEC(".maps");
struct inner { __uint(type, 2); __uint(max_entries, 4); __type(key, u32); __type(value, u64); };
struct inner first SEC(".maps"), second SEC(".maps");
struct { __uint(type, 12); __uint(max_entries, 4); __type(key, u32); __array(values, struct inner); } outer SEC(".maps") =
  { .values = { [1] = &first, [3] = &second } };
int optional(void *context);
struct { __uint(type, 3); __uint(max_entries, 4); __uint(key_size, 4); __array(values, int (void *)); } jumps SEC(".maps") =
  { .values = { [2] = (void *)&optional } };

int counter;
u64 wide = 5;
static volatile int hidden = 7;
const volatile u32 target = 42;

struct task_struct { int pid; struct task_struct *real_parent; u32 flag : 3; } __core;
extern int LINUX_KERNEL_VERSION __kconfig;
extern int bpf_function(u64 value) __ksym __weak;
extern const int runqueues __ksym;

static __noinline int scale(u32 value) { hidden += value; return value * 3 + target; }
__noinline int count(u32 value) { counter++; return scale(value) + wide; }
static int each(u32 index, void *context) { *(u32 *)context += index; return 0; }

SEC("tp_btf/sched_process_exec") int on_exec(u64 *context) {
  struct task_struct *task = (void *)context[0];
  u32 key = task->pid, sum = 0;
  struct event *event = bpf_map_lookup_elem(&events, &key);
  if (event) event->pid += task->flag;
  bpf_loop(10, each, &sum, 0);
  if (bpf_function) bpf_function(3);
  bpf_tail_call(context, &jumps, 2);
  return count(key) + sum + LINUX_KERNEL_VERSION + runqueues;
}
SEC("?tp_btf/sched_process_exec") int optional(void *context) {
  u32 key = 1;
  void *map = bpf_map_lookup_elem(&outer, &key);
  return scale(map != 0);
}
`;
