/* Ports that a user may bind, each user with a map of their own; without one, only those that need no privilege. */
#include "net.h"

struct ports {
  __uint(type, HASH);
  __uint(max_entries, 64);
  __type(key, u16);
  __type(value, u8);
} web SEC(".maps"), mail SEC(".maps");

struct {
  __uint(type, HASH_OF_MAPS);
  __uint(max_entries, 16);
  __uint(key_size, 4);
  __array(values, struct ports);
} users SEC(".maps") = {
    .values = {[8] = (void *)&mail, [33] = (void *)&web},
};

SEC("cgroup/bind4")
int user_ports(struct bpf_sock_addr *ctx) {
  u32 user = bpf_get_current_uid_gid();
  u16 port = SWAP16(ctx->user_port);
  void *ports = bpf_map_lookup_elem(&users, &user);
  if (!ports) return port == 0 || port >= 1024;
  return bpf_map_lookup_elem(ports, &port) != NULL;
}

LICENSE("GPL");
