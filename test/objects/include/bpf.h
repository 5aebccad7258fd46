/* What every program here needs: types, sections, map definitions in BTF, helpers by number. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define WEAK __attribute__((weak))
/* Functions and variables of the kernel, and what is known of its configuration. */
#define KSYM __attribute__((section(".ksyms")))
#define KCONFIG __attribute__((section(".kconfig")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LICENSE(text) char program_license[] SEC("license") = text

/* A map's definition is a struct whose members say it in their types. */
#define __uint(name, value) int(*name)[value]
#define __type(name, type) typeof(type) *name
#define __array(name, type) typeof(type) *name[]

/* enum bpf_map_type */
#define HASH 1
#define ARRAY 2
#define PROG_ARRAY 3
#define PERF_EVENT_ARRAY 4
#define PERCPU_HASH 5
#define PERCPU_ARRAY 6
#define STACK_TRACE 7
#define LRU_HASH 9
#define LPM_TRIE 11
#define ARRAY_OF_MAPS 12
#define HASH_OF_MAPS 13
#define QUEUE 22
#define STACK 23
#define RINGBUF 27
#define TASK_STORAGE 29
#define BLOOM_FILTER 30
#define CGRP_STORAGE 32

/* Flags */
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_F_NO_PREALLOC 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1
#define BPF_F_CURRENT_CPU 0xffffffffULL

#define HELPER(number, returns, name, ...) static returns (*const name)(__VA_ARGS__) = (void *)number

HELPER(1, void *, bpf_map_lookup_elem, void *map, const void *key);
HELPER(2, long, bpf_map_update_elem, void *map, const void *key, const void *value, u64 flags);
HELPER(3, long, bpf_map_delete_elem, void *map, const void *key);
HELPER(5, u64, bpf_ktime_get_ns, void);
HELPER(6, long, bpf_trace_printk, const char *format, u32 size, ...);
HELPER(7, u32, bpf_get_prandom_u32, void);
HELPER(8, u32, bpf_get_smp_processor_id, void);
HELPER(12, long, bpf_tail_call, void *ctx, void *map, u32 index);
HELPER(14, u64, bpf_get_current_pid_tgid, void);
HELPER(15, u64, bpf_get_current_uid_gid, void);
HELPER(16, long, bpf_get_current_comm, void *buffer, u32 size);
HELPER(25, long, bpf_perf_event_output, void *ctx, void *map, u64 flags, void *data, u64 size);
HELPER(26, long, bpf_skb_load_bytes, const void *skb, u32 offset, void *to, u32 size);
HELPER(27, long, bpf_get_stackid, void *ctx, void *map, u64 flags);
HELPER(35, u64, bpf_get_current_task, void);
HELPER(80, u64, bpf_get_current_cgroup_id, void);
HELPER(87, long, bpf_map_push_elem, void *map, const void *value, u64 flags);
HELPER(88, long, bpf_map_pop_elem, void *map, void *value);
HELPER(89, long, bpf_map_peek_elem, void *map, void *value);
HELPER(101, long, bpf_sysctl_get_name, void *ctx, char *buffer, u64 size, u64 flags);
HELPER(103, long, bpf_sysctl_get_new_value, void *ctx, char *buffer, u64 size);
HELPER(112, long, bpf_probe_read_user, void *to, u32 size, const void *from);
HELPER(113, long, bpf_probe_read_kernel, void *to, u32 size, const void *from);
HELPER(114, long, bpf_probe_read_user_str, void *to, u32 size, const void *from);
HELPER(115, long, bpf_probe_read_kernel_str, void *to, u32 size, const void *from);
HELPER(125, u64, bpf_ktime_get_boot_ns, void);
HELPER(126, long, bpf_seq_printf, void *seq, const char *format, u32 size, const void *data, u32 length);
HELPER(127, long, bpf_seq_write, void *seq, const void *data, u32 length);
HELPER(130, long, bpf_ringbuf_output, void *ring, void *data, u64 size, u64 flags);
HELPER(131, void *, bpf_ringbuf_reserve, void *ring, u64 size, u64 flags);
HELPER(132, void, bpf_ringbuf_submit, void *record, u64 flags);
HELPER(133, void, bpf_ringbuf_discard, void *record, u64 flags);
HELPER(156, void *, bpf_task_storage_get, void *map, void *task, void *value, u64 flags);
HELPER(157, long, bpf_task_storage_delete, void *map, void *task);
HELPER(158, void *, bpf_get_current_task_btf, void);
HELPER(164, long, bpf_for_each_map_elem, void *map, void *callback, void *ctx, u64 flags);
HELPER(165, long, bpf_snprintf, char *to, u32 size, const char *format, const u64 *data, u32 length);
HELPER(181, long, bpf_loop, u32 iterations, void *callback, void *ctx, u64 flags);
HELPER(182, long, bpf_strncmp, const char *text, u32 size, const char *other);
HELPER(210, void *, bpf_cgrp_storage_get, void *map, void *cgroup, void *value, u64 flags);

#define UPPER32(x) ((u32)((x) >> 32))

/* Keeps the compiler from taking apart, merging or reordering what is known about a value. */
#define BARRIER(x) asm volatile("" : "+r"(x))

