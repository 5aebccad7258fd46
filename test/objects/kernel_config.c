/* What a program knows of the kernel it is loaded into before it runs: version, numbers and switches of its configuration. */
#include "bpf.h"

extern int LINUX_KERNEL_VERSION KCONFIG;
extern u32 CONFIG_HZ KCONFIG;
extern bool CONFIG_BPF_SYSCALL KCONFIG;
extern bool CONFIG_NO_SUCH_SWITCH KCONFIG WEAK;
extern int CONFIG_NO_SUCH_NUMBER KCONFIG WEAK;

#define VERSION(major, minor) ((major) << 16 | (minor) << 8)

struct answer {
  u32 version;
  u32 hz;
  u32 has_bpf;
  u32 has_switch;
  u32 number;
  u32 is_old;
};

SEC("syscall")
int kernel_config(struct answer *answer) {
  answer->version = LINUX_KERNEL_VERSION;
  answer->hz = CONFIG_HZ;
  answer->has_bpf = CONFIG_BPF_SYSCALL;
  answer->has_switch = CONFIG_NO_SUCH_SWITCH;
  answer->number = CONFIG_NO_SUCH_NUMBER;
  /* What an old kernel doesn't have is never reached, and needn't be verified. */
  answer->is_old = LINUX_KERNEL_VERSION < VERSION(5, 8);
  return CONFIG_BPF_SYSCALL ? 1000 / CONFIG_HZ : -1;
}

LICENSE("GPL");
