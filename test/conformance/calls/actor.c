/* A process that makes the calls of a sequence: forked by the coordinator or by another one, and started again by execve. */
#include "shared.h"

#define SYS_fork 57
#define SYS_clone 56
#define SYS_clone3 435
#define SYS_exit_group 231
#define CLONE_VM 0x100

static u8 stacks[SLOTS][STACK_BYTES] __attribute__((aligned(16)));

void *memset(void *to, int byte, u64 count) {
    for (u8 *at = to; count > 0; count--) *at++ = byte;
    return to;
}

void *memcpy(void *to, const void *from, u64 count) {
    const u8 *source = from;
    for (u8 *at = to; count > 0; count--) *at++ = *source++;
    return to;
}

void register_slot(u32 slot) {
    SEGMENT_AT->lives[slot] = 1;
    call(218, &SEGMENT_AT->lives[slot], 0, 0, 0, 0);
}

/* Where a new process goes on, whatever stack it has. */
__attribute__((used, noreturn)) void begin_child(void) {
    struct segment *shared = SEGMENT_AT;
    u32 slot = shared->child;
    register_slot(slot);
    shared->child_ready = 1;
    wake(&shared->child_ready);
    make_calls(slot);
}

/* clone whose child never comes back here. */
static long spawn(long number, long a, long b, long c, long d, long e) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "and $-16, %%rsp\n\t"
                     "call begin_child\n\t"
                     "1:"
                     : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return result;
}

static long make(struct segment *shared) {
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = shared->arguments[i];
    u8 *stack = stacks[shared->child];
    switch (shared->number) {
    case SYS_fork:
        return spawn(SYS_fork, 0, 0, 0, 0, 0);
    case SYS_clone:
        return spawn(SYS_clone, a[0], a[0] & CLONE_VM ? (long)(stack + STACK_BYTES) : 0, 0, 0, 0);
    case SYS_clone3: {
        u64 *args = (u64 *)a[0];
        int ours = (u8 *)args >= shared->data && (u8 *)args < shared->data + DATA_BYTES;
        if (ours && (u64)a[1] >= 64 && (args[0] & CLONE_VM)) {
            args[5] = (u64)stack;
            args[6] = STACK_BYTES;
        }
        return spawn(SYS_clone3, a[0], a[1], 0, 0, 0);
    }
    default:
        return call6(shared->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}

void make_calls(u32 slot) {
    struct segment *shared = SEGMENT_AT;
    for (;;) {
        u32 turn = shared->turn[slot];
        if (turn != CALL) {
            call(202, &shared->turn[slot], FUTEX_WAIT, turn, 0, 0);
            continue;
        }
        if (shared->number >= 0) shared->result = make(shared);
        shared->turn[slot] = DONE;
        wake(&shared->turn[slot]);
    }
}

#ifdef PROGRAM
/* The program that execve starts: it goes on where the one that called execve was. */
__attribute__((used, noreturn)) void begin_program(void) {
    long segment = call(29, SEGMENT_KEY, 0, 0, 0, 0);
    struct segment *shared = (struct segment *)call(30, segment, SEGMENT_AT, 0, 0, 0);
    if (shared != SEGMENT_AT) call(SYS_exit_group, 99, 0, 0, 0, 0);
    u32 slot = shared->current;
    register_slot(slot);
    shared->tid[slot] = call(186, 0, 0, 0, 0, 0);
    shared->result = 0;
    shared->turn[slot] = DONE;
    wake(&shared->turn[slot]);
    make_calls(slot);
    __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall begin_program\n");
#endif
