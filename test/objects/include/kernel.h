/*
 * The kernel's structures, with the members that programs here read. Offsets are not the kernel's: each access is noted as a
 * CO-RE relocation and filled in at load.
 */
#pragma once
#include "bpf.h"

#define EPERM 1
#define TASK_COMM_LEN 16
#define AF_INET 2
#define AF_INET6 10
#define SOCK_RAW 3
#define S_ISUID 04000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  int counter;
} atomic_t;

typedef struct {
  u32 val;
} kuid_t;

typedef struct {
  u32 val;
} kgid_t;

struct cred {
  kuid_t uid;
  kgid_t gid;
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
  u32 s_dev;
  unsigned long s_magic;
};

struct inode {
  u16 i_mode;
  kuid_t i_uid;
  struct super_block *i_sb;
  unsigned long i_ino;
  u32 i_nlink;
};

struct dentry {
  struct dentry *d_parent;
  struct qstr d_name;
  struct inode *d_inode;
};

struct vfsmount {
  struct dentry *mnt_root;
};

struct mount {
  struct mount *mnt_parent;
  struct dentry *mnt_mountpoint;
  struct vfsmount mnt;
};

struct path {
  struct vfsmount *mnt;
  struct dentry *dentry;
};

struct file {
  struct path f_path;
  struct inode *f_inode;
  u32 f_flags;
};

struct fdtable {
  u32 max_fds;
  struct file **fd;
};

struct files_struct {
  struct fdtable *fdt;
};

struct mm_struct {
  unsigned long arg_start;
  unsigned long arg_end;
  struct file *exe_file;
};

struct kernfs_node {
  u64 id;
};

struct cgroup {
  int level;
  struct kernfs_node *kn;
};

struct css_set {
  struct cgroup *dfl_cgrp;
};

struct task_struct {
  u32 flags;
  struct mm_struct *mm;
  int pid;
  int tgid;
  struct task_struct *real_parent;
  struct task_struct *group_leader;
  u64 start_boottime;
  const struct cred *cred;
  const struct cred *real_cred;
  char comm[TASK_COMM_LEN];
  struct files_struct *files;
  struct css_set *cgroups;
};

struct linux_binprm {
  struct file *file;
  const struct cred *cred;
  int argc;
  const char *filename;
};

struct sockaddr {
  u16 sa_family;
  char sa_data[14];
};

struct sock_common {
  u32 skc_daddr;
  u32 skc_rcv_saddr;
  u16 skc_dport;
  u16 skc_num;
  u16 skc_family;
};

struct sock {
  struct sock_common __sk_common;
};

struct socket {
  short type;
  struct sock *sk;
};

struct pt_regs {
  unsigned long r10, r9, r8, ax, dx, si, di, orig_ax, ip, sp;
};

struct seq_file;

struct bpf_iter_meta {
  struct seq_file *seq;
  u64 session_id;
  u64 seq_num;
};

struct bpf_iter__task {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
};

#pragma clang attribute pop

/* struct sockaddr_in as it lies in memory: the kernel's has a union that hides nothing from us. */
struct address4 {
  u16 family;
  u16 port;
  u32 address;
};
