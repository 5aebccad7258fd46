/*
 * The types of a kernel that exists in tests only, with the real one's names. Everything lies elsewhere than in ../include/kernel.h,
 * some of it in unions or with other widths, so that programs only work once they are relocated.
 */
#include "../include/bpf.h"

typedef struct {
  int counter;
} atomic_t;
typedef u32 uid_t;
typedef struct {
  uid_t val;
} kuid_t;
typedef struct {
  uid_t val;
} kgid_t;

struct cred {
  atomic_t usage;
  kuid_t uid;
  kgid_t gid;
  kuid_t suid;
  kuid_t euid;
};

struct qstr {
  union {
    struct {
      u32 hash;
      u32 len;
    };
    u64 hash_len;
  };
  const unsigned char *name;
};

struct super_block {
  void *s_list[2];
  u32 s_dev;
  unsigned long s_magic;
};

struct inode {
  u16 i_mode;
  u16 i_opflags;
  kuid_t i_uid;
  kgid_t i_gid;
  void *i_op;
  struct super_block *i_sb;
  unsigned long i_ino;
  union {
    const unsigned int i_nlink;
    unsigned int __i_nlink;
  };
};

struct dentry {
  u32 d_flags;
  struct dentry *d_parent;
  struct qstr d_name;
  struct inode *d_inode;
  unsigned char d_iname[32];
};

struct vfsmount {
  struct dentry *mnt_root;
  struct super_block *mnt_sb;
};

struct mount {
  void *mnt_hash[2];
  struct mount *mnt_parent;
  struct dentry *mnt_mountpoint;
  struct vfsmount mnt;
};

struct path {
  struct vfsmount *mnt;
  struct dentry *dentry;
};

struct file {
  atomic_t f_count;
  u32 f_mode;
  struct inode *f_inode;
  u32 f_flags;
  union {
    const struct path f_path;
    struct path __f_path;
  };
};

struct fdtable {
  u32 max_fds;
  struct file **fd;
};

struct files_struct {
  atomic_t count;
  struct fdtable *fdt;
};

struct mm_struct {
  struct {
    atomic_t mm_count;
    unsigned long start_code;
    unsigned long arg_start, arg_end;
    struct file *exe_file;
  };
};

struct kernfs_node {
  atomic_t count;
  u64 id;
};

struct cgroup {
  unsigned long flags;
  int level;
  struct kernfs_node *kn;
};

struct css_set {
  void *subsys[4];
  struct cgroup *dfl_cgrp;
};

struct task_struct {
  u32 __state;
  u32 flags;
  void *stack;
  struct mm_struct *mm;
  int exit_code;
  unsigned personality;
  unsigned sched_reset_on_fork : 1;
  unsigned sched_contributes_to_load : 1;
  unsigned : 0;
  unsigned in_execve : 1;
  unsigned in_iowait : 1;
  unsigned no_cgroup_migration : 1;
  int pid;
  int tgid;
  struct task_struct *real_parent;
  struct task_struct *parent;
  struct task_struct *group_leader;
  u64 start_time;
  u64 start_boottime;
  const struct cred *ptracer_cred;
  const struct cred *real_cred;
  const struct cred *cred;
  char comm[16];
  struct files_struct *files;
  struct css_set *cgroups;
};

struct linux_binprm {
  struct mm_struct *mm;
  struct file *executable;
  struct file *file;
  struct cred *cred;
  int argc, envc;
  const char *filename;
  const char *interp;
};

struct sockaddr {
  u16 sa_family;
  union {
    char sa_data_min[14];
    char sa_data[14];
  };
};

struct sock_common {
  union {
    u64 skc_addrpair;
    struct {
      u32 skc_daddr;
      u32 skc_rcv_saddr;
    };
  };
  u32 skc_hash;
  union {
    u32 skc_portpair;
    struct {
      u16 skc_dport;
      u16 skc_num;
    };
  };
  u16 skc_family;
};

struct sock {
  struct sock_common __sk_common;
  u16 sk_type;
};

struct socket {
  int state;
  short type;
  struct sock *sk;
};

struct pt_regs {
  unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct seq_file {
  char *buf;
};

struct bpf_iter_meta {
  union {
    struct seq_file *seq;
  };
  u64 session_id;
  u64 seq_num;
};

struct bpf_iter__task {
  union {
    struct bpf_iter_meta *meta;
  };
  union {
    struct task_struct *task;
  };
};

struct bpf_iter_num {
  u64 __opaque[1];
} __attribute__((aligned(8)));

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_SIGNALED_BY_TRACER, PIDTYPE_PGID, PIDTYPE_SID };
enum kernel_read_file_id { READING_UNKNOWN, READING_FIRMWARE, READING_POLICY, READING_MODULE };
enum kernel_load_data_id { LOADING_UNKNOWN, LOADING_FIRMWARE, LOADING_POLICY, LOADING_MODULE };

/* Tracepoints: the first argument is the attached program's own. */
typedef void (*btf_trace_sys_enter)(void *, struct pt_regs *regs, long id);
typedef void (*btf_trace_sys_exit)(void *, struct pt_regs *regs, long ret);
typedef void (*btf_trace_sched_process_exec)(void *, struct task_struct *p, int old_pid, struct linux_binprm *bprm);
typedef void (*btf_trace_sched_process_fork)(void *, struct task_struct *parent, struct task_struct *child);
typedef void (*btf_trace_sched_process_exit)(void *, struct task_struct *p, bool group_dead);

struct tracepoints {
  btf_trace_sys_enter sys_enter;
  btf_trace_sys_exit sys_exit;
  btf_trace_sched_process_exec sched_process_exec;
  btf_trace_sched_process_fork sched_process_fork;
  btf_trace_sched_process_exit sched_process_exit;
};

/* Functions that programs attach to or call. */
int tcp_v4_connect(struct sock *sk, struct sockaddr *uaddr, int addr_len) { return sk && uaddr ? addr_len : 0; }
int bpf_lsm_file_open(struct file *file) { return !file; }
int bpf_lsm_bprm_check_security(struct linux_binprm *bprm) { return !bprm; }
int bpf_lsm_socket_connect(struct socket *sock, struct sockaddr *address, int addrlen) { return sock && address ? addrlen : 0; }
int bpf_lsm_ptrace_access_check(struct task_struct *child, unsigned int mode) { return child ? mode : 0; }
int bpf_lsm_kernel_read_file(struct file *file, enum kernel_read_file_id id, bool contents) { return file && contents ? id : 0; }
int bpf_lsm_kernel_load_data(enum kernel_load_data_id id, bool contents) { return contents ? id : 0; }
int bpf_iter_task(struct bpf_iter_meta *meta, struct task_struct *task) { return meta && task; }
int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) { return it ? start : end; }
int *bpf_iter_num_next(struct bpf_iter_num *it) { return (int *)it; }
void bpf_iter_num_destroy(struct bpf_iter_num *it) { it->__opaque[0] = 0; }

#ifdef STRING_KFUNCS
int bpf_strstr(const char *s1__ign, const char *s2__ign) { return s1__ign == s2__ign; }
#endif

/* What nothing else refers to, so that the compiler keeps it. */
struct everything {
  struct tracepoints tracepoints;
  struct cred cred;
  struct super_block super_block;
  struct inode inode;
  struct dentry dentry;
  struct mount mount;
  struct path path;
  struct file file;
  struct fdtable fdtable;
  struct files_struct files_struct;
  struct mm_struct mm_struct;
  struct kernfs_node kernfs_node;
  struct cgroup cgroup;
  struct css_set css_set;
  struct task_struct task_struct;
  struct linux_binprm linux_binprm;
  struct sockaddr sockaddr;
  struct sock sock;
  struct socket socket;
  struct pt_regs pt_regs;
  struct seq_file seq_file;
  struct bpf_iter_meta bpf_iter_meta;
  struct bpf_iter__task bpf_iter__task;
  enum pid_type pid_type;
} everything;
