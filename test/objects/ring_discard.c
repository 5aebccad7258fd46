/* Records are filled in first and judged afterwards: what isn't wanted goes back unseen, what finds no room is counted. */
#include "core.h"

struct record {
  u64 sequence;
  u32 pid;
  u32 number;
  u64 arguments[6];
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} records SEC(".maps");

u64 sequence = 0, discarded = 0, lost = 0;
/* The number of the call that is wanted, or -1 for all. */
const volatile s64 wanted = -1;

SEC("tp_btf/sys_exit")
int ring_discard(u64 *ctx) {
  struct pt_regs *regs = (void *)ctx[0];
  struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
  if (!record) {
    __sync_fetch_and_add(&lost, 1);
    return 0;
  }
  record->sequence = __sync_fetch_and_add(&sequence, 1);
  record->pid = UPPER32(bpf_get_current_pid_tgid());
  record->number = regs->orig_ax;
  record->arguments[0] = regs->di;
  record->arguments[1] = regs->si;
  record->arguments[2] = regs->dx;
  record->arguments[3] = regs->r10;
  record->arguments[4] = regs->r8;
  record->arguments[5] = regs->r9;
  if (wanted >= 0 && record->number != wanted) {
    bpf_ringbuf_discard(record, 0);
    __sync_fetch_and_add(&discarded, 1);
    return 0;
  }
  bpf_ringbuf_submit(record, 0);
  return 0;
}

LICENSE("GPL");
