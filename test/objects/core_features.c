/* One program for kernels that differ: what a structure is called, whether it has a member, which number an enum has. */
#include "core.h"

/* Two ages of one structure; the running kernel has one of them. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct___before {
  long state;
};
struct task_struct___after {
  u32 __state;
};
struct no_such_struct {
  int member;
};
struct task_struct___odd {
  int no_such_member;
  int exit_code;
  char comm[TASK_COMM_LEN];
};
#pragma clang attribute pop

enum pid_type___mine { PIDTYPE_PID___mine, PIDTYPE_TGID___mine, PIDTYPE_PGID___mine, PIDTYPE_NONE___mine = 77 };

struct answers {
  u32 comm_size;
  u32 has_state;
  u32 has_new_state;
  u32 has_missing_member;
  u32 has_task_struct;
  u32 has_missing_struct;
  u32 task_size_known;
  u32 has_pgid;
  u32 pgid;
  u32 has_none;
  u32 state;
  u32 exit_code_signed;
};

struct answers answers = {0};

SEC("raw_tp/sys_enter")
int core_features(u64 *ctx) {
  void *task = (void *)bpf_get_current_task();
  struct task_struct___odd *odd = task;
  answers.comm_size = FIELD(odd, comm, FIELD_BYTE_SIZE);
  answers.exit_code_signed = FIELD(odd, exit_code, FIELD_SIGNED);
  answers.has_missing_member = FIELD_EXISTS_IN(odd, no_such_member);
  answers.has_task_struct = TYPE(struct task_struct, TYPE_EXISTS);
  answers.has_missing_struct = TYPE(struct no_such_struct, TYPE_EXISTS);
  answers.task_size_known = TYPE(struct task_struct, TYPE_SIZE) >= 64;
  answers.has_pgid = ENUM(enum pid_type___mine, PIDTYPE_PGID___mine, ENUMVAL_EXISTS);
  answers.has_none = ENUM(enum pid_type___mine, PIDTYPE_NONE___mine, ENUMVAL_EXISTS);
  if (answers.has_pgid) answers.pgid = ENUM(enum pid_type___mine, PIDTYPE_PGID___mine, ENUMVAL_VALUE);

  struct task_struct___before *before = task;
  struct task_struct___after *after = task;
  answers.has_state = FIELD_EXISTS_IN(before, state);
  answers.has_new_state = FIELD_EXISTS_IN(after, __state);
  answers.state = FIELD_EXISTS_IN(after, __state) ? CORE_READ(after, __state) : CORE_READ(before, state);
  return 0;
}

LICENSE("GPL");
