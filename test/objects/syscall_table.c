/* As seccomp would: a table of actions by number, some with a condition on an argument; what it says is only counted. */
#include "core.h"

#define NUMBERS 512

enum action { ALLOW, LOG, CHECK_CLONE, CHECK_SOCKET, REFUSE };

static const u8 actions[NUMBERS] = {
    [41] = CHECK_SOCKET, [56] = CHECK_CLONE, [101] = LOG,    [155] = REFUSE, [165] = REFUSE, [166] = REFUSE,
    [169] = REFUSE,      [175] = REFUSE,     [176] = REFUSE, [246] = REFUSE, [272] = LOG,    [304] = REFUSE,
    [313] = REFUSE,      [321] = LOG,        [425] = LOG,
};

#define CLONE_NEW 0x7e020000
#define AF_PACKET 17
#define X32_BIT 0x40000000

struct {
  __uint(type, PERCPU_ARRAY);
  __uint(max_entries, REFUSE + 1);
  __type(key, u32);
  __type(value, u64);
} counts SEC(".maps");

struct refusal {
  u32 pid;
  u32 number;
  u64 argument;
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} refusals SEC(".maps");

SEC("tp_btf/sys_enter")
int syscall_table(u64 *ctx) {
  struct pt_regs *regs = (void *)ctx[0];
  u64 number = ctx[1];
  u32 action = number & X32_BIT ? REFUSE : number < NUMBERS ? actions[number] : LOG;
  if (action == CHECK_CLONE) action = regs->di & CLONE_NEW ? REFUSE : ALLOW;
  if (action == CHECK_SOCKET) action = regs->di == AF_PACKET ? REFUSE : ALLOW;
  u64 *count = bpf_map_lookup_elem(&counts, &action);
  if (count) *count += 1;
  if (action != REFUSE) return 0;
  struct refusal refusal = {.pid = UPPER32(bpf_get_current_pid_tgid()), .number = number, .argument = regs->di};
  bpf_ringbuf_output(&refusals, &refusal, sizeof(refusal), 0);
  return 0;
}

LICENSE("GPL");
