/* Which device nodes a cgroup may open: a table of rules, the first that fits decides. */
#include "net.h"

/* The lower half of access_type is the kind of node, the upper the access. */
#define BLOCK 1
#define CHARACTER 2
#define MKNOD 1
#define READ 2
#define WRITE 4
#define ANY 0xffffffff

struct rule {
  u32 kind, major, minor, access;
};

/* As container runtimes have it: null, zero, full, random, urandom, tty, ptmx, pts; any node may be made. */
static const struct rule rules[] = {
    {CHARACTER, 1, 3, MKNOD | READ | WRITE}, {CHARACTER, 1, 5, MKNOD | READ | WRITE}, {CHARACTER, 1, 7, MKNOD | READ | WRITE},
    {CHARACTER, 1, 8, MKNOD | READ | WRITE}, {CHARACTER, 1, 9, MKNOD | READ},         {CHARACTER, 5, 0, MKNOD | READ | WRITE},
    {CHARACTER, 5, 2, MKNOD | READ | WRITE}, {CHARACTER, 136, ANY, READ | WRITE},     {CHARACTER, ANY, ANY, MKNOD},
    {BLOCK, ANY, ANY, MKNOD},
};

u32 denied = 0;

SEC("cgroup/dev")
int device_policy(struct bpf_cgroup_dev_ctx *ctx) {
  u32 kind = ctx->access_type & 0xffff, access = ctx->access_type >> 16;
  for (int i = 0; i < COUNT(rules); i++) {
    const struct rule *rule = &rules[i];
    if (rule->kind != kind || (rule->major != ANY && rule->major != ctx->major)) continue;
    if (rule->minor != ANY && rule->minor != ctx->minor) continue;
    if ((access & ~rule->access) == 0) return 1;
  }
  denied++;
  return 0;
}

LICENSE("GPL");
