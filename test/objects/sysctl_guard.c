/* Writes to settings that loosen the kernel's own protection are refused: by name, and what they would be set to. */
#include "net.h"

#define NAME_SIZE 48
#define VALUE_SIZE 16

struct name {
  char text[NAME_SIZE];
};

/* The least value that each guarded setting may be given. */
struct {
  __uint(type, HASH);
  __uint(max_entries, 32);
  __type(key, struct name);
  __type(value, u64);
} guarded SEC(".maps");

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} refusals SEC(".maps");

SEC("cgroup/sysctl")
int sysctl_guard(struct bpf_sysctl *ctx) {
  if (!ctx->write) return 1;
  struct name name = {0};
  if (bpf_sysctl_get_name(ctx, name.text, sizeof(name.text), 0) < 0) return 0;
  u64 *least = bpf_map_lookup_elem(&guarded, &name);
  if (!least) return 1;
  char text[VALUE_SIZE] = {0};
  long length = bpf_sysctl_get_new_value(ctx, text, sizeof(text));
  u64 value = 0;
  bool is_number = length > 0;
  for (int i = 0; i < VALUE_SIZE; i++) {
    u8 digit = text[i] - '0';
    if (text[i] == 0 || text[i] == '\n') break;
    if (digit > 9) {
      is_number = false;
      break;
    }
    value = value * 10 + digit;
  }
  if (is_number && value >= *least) return 1;
  bpf_ringbuf_output(&refusals, &name, sizeof(name), 0);
  return 0;
}

LICENSE("GPL");
