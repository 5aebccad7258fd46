/* What the coordinator of a sequence and the processes that make its calls share: a segment of the private ipc namespace. */
#ifndef SHARED_H
#define SHARED_H

#define SLOTS 32
#define DATA_BYTES (1 << 20)
#define SEGMENT_KEY 0x5348524b
#define SEGMENT_AT ((struct segment *)0x1000000000)
#define STACK_BYTES 16384

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum turn { IDLE, CALL, DONE };

/* One call is made at a time. */
struct segment {
    volatile u32 turn[SLOTS];  /* futex words: enum turn */
    volatile u32 lives[SLOTS]; /* cleared by the kernel where a thread ends before others of its memory (set_tid_address(2)) */
    volatile long tid[SLOTS];  /* of a slot whose process started a new program */
    volatile u32 current;      /* the slot that makes the call */
    volatile u32 child;        /* the slot of the process that the call makes, if it makes one */
    volatile u32 child_ready;
    volatile long number;
    volatile long arguments[6];
    volatile long result;
    u8 data[DATA_BYTES];       /* what pointers point to */
};

static inline long call6(long n, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#define call(n, a, b, c, d, e) call6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
static inline void wake(volatile u32 *word) { call(202, word, FUTEX_WAKE, 64, 0, 0); }

void *memset(void *to, int byte, u64 count);
void *memcpy(void *to, const void *from, u64 count);
void register_slot(u32 slot);
void make_calls(u32 slot) __attribute__((noreturn));

#endif
