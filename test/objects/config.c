/* Configuration from user space in one call: a list of commands is checked as a whole, then applied to the maps. */
#include "bpf.h"

#define COMMANDS 8

enum operation { END, SET, CLEAR, FLUSH };

struct command {
  u32 operation;
  u32 key;
  u64 value;
};

struct request {
  struct command commands[COMMANDS];
  u32 applied;
  s32 error;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 16);
  __type(key, u32);
  __type(value, u64);
} settings SEC(".maps");

u32 generation = 0;

static long clear(void *map, const u32 *key, u64 *value, u32 *cleared) {
  bpf_map_delete_elem(map, key);
  *cleared += 1;
  return 0;
}

SEC("syscall")
int config(struct request *request) {
  request->applied = 0;
  request->error = 0;
  struct command commands[COMMANDS];
  __builtin_memcpy(commands, request->commands, sizeof(commands));
  for (int i = 0; i < COMMANDS; i++) {
    u32 operation = commands[i].operation;
    if (operation == END) break;
    if (operation > FLUSH || (operation == SET && commands[i].value == 0)) {
      request->error = -22;
      return i;
    }
  }
  u32 applied = 0;
  for (int i = 0; i < COMMANDS; i++) {
    struct command command = commands[i];
    if (command.operation == END) break;
    if (command.operation == FLUSH) {
      bpf_for_each_map_elem(&settings, clear, &applied, 0);
      continue;
    }
    long error = command.operation == SET ? bpf_map_update_elem(&settings, &command.key, &command.value, BPF_ANY)
                                          : bpf_map_delete_elem(&settings, &command.key);
    if (error) {
      request->error = error;
      break;
    }
    applied++;
  }
  request->applied = applied;
  return __sync_fetch_and_add(&generation, 1) + 1;
}

LICENSE("GPL");
