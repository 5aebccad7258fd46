/*
 * Makes sequences of calls on Linux and writes down what they came to.
 *
 *     driver CGROUP_PROCS... < program > results
 *
 * Everything happens in user, pid, mount, net, ipc and uts namespaces of its own, in which ids are unprivileged ones of the host, on a tmpfs of
 * its own from which nothing of the host can be reached: there is no /proc, /sys or /dev. Each sequence has a pid and a mount namespace
 * and a tmpfs of its own below that. The files named as arguments are the cgroup.procs of the cgroups that limit it.
 */
#include "shared.h"

#define O_RDWR 2
#define EINTR 4
#define CLONE_NEWNS 0x20000L
#define CLONE_NEWUTS 0x04000000L
#define CLONE_NEWIPC 0x08000000L
#define CLONE_NEWUSER 0x10000000L
#define CLONE_NEWPID 0x20000000L
#define CLONE_NEWNET 0x40000000L
#define SIGCHLD 17
#define SIGKILL 9
#define SIGALRM 14
#define MS_REC_PRIVATE (16384 | (1 << 18))
#define MNT_DETACH 2
#define PIDFD_THREAD 0200
#define POLLIN 1
#define POLLHUP 16
#define WNOHANG 1
#define WALL 0x40000000
#define CLOSE_ALL call(436, 0, ~0U, 0, 0, 0)

/* Results that are no call's. */
#define ENDED (1L << 40)     /* the process did not come back from it */
#define WAITS (2L << 40)     /* it goes on waiting; the sequence ends here */
#define GONE (3L << 40)      /* there is no such process any more */

/* After so long a call counts as waiting; after so long something is wrong. The machine may be busy. */
#define WAITS_NS 8000000000UL
#define ANSWER_NS 20000000000UL

enum { SETTLE = 1, STARTS = 2 };
enum { INTEGER, BYTES, OUT, STRINGS };

static u8 *program, *at;
static u8 results[1 << 22];
static u64 used;
static int thread_fd[SLOTS], process_fd[SLOTS];
static u8 alive[SLOTS];
/* The slot of each one's first thread. */
static u32 group[SLOTS];

static u64 length(const char *text) {
    u64 count = 0;
    while (text[count]) count++;
    return count;
}

static void fail(const char *what, long result) {
    char digits[24], *end = digits + 24, *first = end;
    u64 number = result < 0 ? -result : result;
    *--first = '\n';
    do *--first = '0' + number % 10;
    while (number /= 10);
    call(1, 2, what, length(what), 0, 0);
    call(1, 2, ": ", 2, 0, 0);
    call(1, 2, first, end - first, 0, 0);
    call(231, 70, 0, 0, 0, 0);
}

static long must(const char *what, long result) {
    if (result < 0 && result > -4096) fail(what, result);
    return result;
}

static void put(const void *bytes, u64 count) {
    if (used + count > sizeof results) fail("results", count);
    memcpy(results + used, bytes, count);
    used += count;
}
static void put_u32(u32 value) { put(&value, 4); }
static void put_u64(u64 value) { put(&value, 8); }

static void flush(int fd) {
    for (u64 done = 0; done < used;) done += must("write of results", call(1, fd, results + done, used - done, 0, 0));
    used = 0;
}

static u64 take(int bytes) {
    u64 value = 0;
    for (int i = 0; i < bytes; i++) value |= (u64)at[i] << (8 * i);
    at += bytes;
    return value;
}

static void write_file(const char *path, const char *text) {
    long fd = must(path, call(2, path, 1, 0, 0, 0));
    must(path, call(1, fd, text, length(text), 0, 0));
    call(3, fd, 0, 0, 0, 0);
}

/* The next call of the program, with its arguments laid out. Gives where its output buffers are. */
struct pending { u32 slot, child, flags, outs; struct { u8 *at; u32 size; } out[6]; };

static struct pending next_call(struct segment *shared) {
    struct pending pending = {.slot = take(1), .child = take(1), .flags = take(1), .outs = 0};
    shared->number = take(2);
    shared->child = pending.child;
    u32 count = take(1), place = 0;
    for (u32 i = 0; i < 6; i++) {
        shared->arguments[i] = 0;
        if (i >= count) continue;
        u8 *here = shared->data + place;
        switch (take(1)) {
        case INTEGER:
            shared->arguments[i] = take(8);
            break;
        case BYTES: {
            u32 size = take(4);
            memcpy(here, at, size);
            at += size;
            shared->arguments[i] = (long)here;
            place += (size + 23) & ~15;
            break;
        }
        case OUT: {
            u32 size = take(4);
            memset(here, 0, size);
            pending.out[pending.outs].at = here;
            pending.out[pending.outs++].size = size;
            shared->arguments[i] = (long)here;
            place += (size + 23) & ~15;
            break;
        }
        case STRINGS: {
            u32 texts = take(4);
            long *list = (long *)here;
            place += (8 * (texts + 1) + 15) & ~15;
            for (u32 text = 0; text < texts; text++) {
                u32 size = take(4);
                list[text] = (long)(shared->data + place);
                memcpy(shared->data + place, at, size);
                at += size;
                place += (size + 15) & ~15;
            }
            list[texts] = 0;
            shared->arguments[i] = (long)here;
            break;
        }
        }
        if (place > DATA_BYTES - 65536) fail("arguments", place);
    }
    return pending;
}

static u32 polled(int fd) {
    struct { int fd; short events, revents; } set = {fd, POLLIN, 0};
    return call(7, &set, 1, 0, 0, 0) > 0 ? (u16)set.revents : 0;
}

static u64 now(void) {
    long time[2];
    call(228, 1, time, 0, 0, 0);
    return time[0] * 1000000000UL + time[1];
}

static void wait_for(volatile u32 *word, u32 value, u64 nanoseconds) {
    long timeout[2] = {0, nanoseconds};
    call(202, word, FUTEX_WAIT, value, timeout, 0);
}

static void watch(u32 slot, u32 leader, long tid, long process) {
    alive[slot] = 1;
    SEGMENT_AT->lives[slot] = 1;
    group[slot] = leader;
    thread_fd[slot] = must("pidfd_open", call(434, tid, PIDFD_THREAD, 0, 0, 0));
    process_fd[slot] = process ? must("pidfd_open", call(434, process, 0, 0, 0, 0)) : -1;
}

/* A pidfd tells of a first thread's end only once the last one has ended, too; while others live the kernel clears its word. */
static int is_dead(u32 slot) { return polled(thread_fd[slot]) || !SEGMENT_AT->lives[slot]; }

static void unwatch(u32 slot) {
    alive[slot] = 0;
    call(3, thread_fd[slot], 0, 0, 0, 0);
    if (process_fd[slot] >= 0) call(3, process_fd[slot], 0, 0, 0, 0);
}

/* Waits until what a dead thread leaves is as it stays: a zombie for its parent, or nothing. */
static void bury(u32 slot) {
    u64 until = now() + ANSWER_NS;
    int leads = process_fd[slot] >= 0, others = 0;
    for (u32 other = 0; other < SLOTS; other++) others |= other != slot && alive[other] && group[other] == group[slot];
    while (!(leads ? others || (polled(process_fd[slot]) & POLLIN) : polled(thread_fd[slot]) & POLLHUP)) {
        if (now() > until) fail("a dead thread stays; slot", slot);
        call(24, 0, 0, 0, 0, 0);
    }
    unwatch(slot);
}

/* Orphans are waited for at once, as systemd does. */
static void reap(void) {
    while (call(61, -1, 0, WNOHANG | WALL, 0, 0) > 0) continue;
}

/* Lets every process see the signals it has got: each that lives comes back from a call that is none. */
static void settle(struct segment *shared) {
    shared->number = -1;
    for (int died = 1; died;) {
        died = 0;
        for (u32 slot = 0; slot < SLOTS; slot++) {
            if (!alive[slot]) continue;
            shared->turn[slot] = CALL;
            wake(&shared->turn[slot]);
            u64 until = now() + ANSWER_NS;
            while (shared->turn[slot] != DONE) {
                if (is_dead(slot)) {
                    bury(slot);
                    died = 1;
                    break;
                }
                if (now() > until) fail("a process does not answer; slot", slot);
                wait_for(&shared->turn[slot], CALL, 50000);
            }
            shared->turn[slot] = IDLE;
        }
        reap();
    }
}

static long perform(struct segment *shared, struct pending *pending) {
    u32 slot = pending->slot;
    if (!alive[slot]) return GONE;
    shared->current = slot;
    shared->child_ready = 0;
    shared->tid[slot] = 0;
    shared->turn[slot] = CALL;
    wake(&shared->turn[slot]);
    u64 until = now() + WAITS_NS;
    while (shared->turn[slot] != DONE) {
        int starts = pending->flags & STARTS;
        int dead = starts ? process_fd[slot] >= 0 && polled(process_fd[slot]) : is_dead(slot);
        if (dead && shared->turn[slot] != DONE) return ENDED;
        if (now() > until) return WAITS;
        wait_for(&shared->turn[slot], CALL, 100000);
    }
    shared->turn[slot] = IDLE;
    long result = shared->result;
    if ((pending->flags & STARTS) && result == 0) {
        /* The other threads are gone, and the pid of the first one is now this one's. */
        for (u32 other = 0; other < SLOTS; other++)
            if (alive[other] && group[other] == group[slot]) unwatch(other);
        watch(slot, slot, shared->tid[slot], shared->tid[slot]);
    }
    if (pending->child < SLOTS && result > 0) {
        while (!shared->child_ready) {
            if (now() > until) return WAITS;
            wait_for(&shared->child_ready, 0, 100000);
        }
        int thread = (shared->number == 56 && (shared->arguments[0] & 0x10000)) ||
                     (shared->number == 435 && (*(u64 *)shared->arguments[0] & 0x10000));
        watch(pending->child, thread ? group[slot] : pending->child, result, thread ? 0 : result);
    }
    return result;
}

static void play(struct segment *shared, u32 first_actors, int output) {
    for (u32 slot = 0; slot < SLOTS; slot++) shared->turn[slot] = IDLE;
    for (u32 slot = 0; slot < first_actors; slot++) {
        long pid = must("fork", call(57, 0, 0, 0, 0, 0));
        if (pid == 0) {
            CLOSE_ALL;
            register_slot(slot);
            make_calls(slot);
        }
        watch(slot, slot, pid, pid);
    }
    u32 calls = take(4);
    for (; calls > 0; calls--) {
        struct pending pending = next_call(shared);
        long result = perform(shared, &pending);
        if (result == ENDED) bury(pending.slot);
        if (result == ENDED || (pending.flags & SETTLE)) settle(shared);
        if (!alive[pending.slot] && result != GONE && result != WAITS) result = ENDED;
        u64 living = 0;
        for (u32 slot = 0; slot < SLOTS; slot++) living |= (u64)alive[slot] << slot;
        put_u64(result);
        put_u64(living);
        put_u32(pending.outs);
        for (u32 i = 0; i < pending.outs; i++) {
            put_u32(pending.out[i].size);
            put(pending.out[i].at, pending.out[i].size);
        }
        if (result == WAITS) break;
    }
    flush(output);
    call(231, 0, 0, 0, 0, 0);
}

static void set_limit(int which, u64 most) {
    u64 limit[2] = {most, most};
    must("setrlimit", call(160, which, limit, 0, 0, 0));
}

/* A new tmpfs becomes the root; the old one is not reachable any more. */
static void new_root(const char *options) {
    must("mount", call(165, "tmpfs", "/tmp", "tmpfs", 0, options));
    must("chdir", call(80, "/tmp", 0, 0, 0, 0));
    must("pivot_root", call(155, ".", ".", 0, 0, 0));
    must("umount", call(166, ".", MNT_DETACH, 0, 0, 0));
    must("chdir", call(80, "/", 0, 0, 0, 0));
}

static void set_up(u32 calls, struct segment *shared) {
    for (; calls > 0; calls--) {
        next_call(shared);
        long *a = (long *)shared->arguments;
        must("a call of the set-up", call6(shared->number, a[0], a[1], a[2], a[3], a[4], a[5]));
    }
}

static void first_process(int output) {
    must("prctl", call(157, 1, SIGKILL, 0, 0, 0));
    must("mount", call(165, 0, "/", 0, MS_REC_PRIVATE, 0));
    new_root("size=64m,nr_inodes=1024,mode=755");
    must("mkdir", call(83, "/tmp", 0755, 0, 0, 0));
    call(436, 3, ~0U, 0, 0, 0);
    set_limit(4, 0);
    set_limit(7, 1024);
    set_limit(1, 16 << 20);
    long id = must("shmget", call(29, SEGMENT_KEY, sizeof(struct segment), 01000 | 0666, 0, 0));
    struct segment *shared = (struct segment *)must("shmat", call(30, id, SEGMENT_AT, 0, 0, 0));
    u32 setup_calls = take(4);
    u8 *setup = at;
    for (u32 i = 0; i < setup_calls; i++) next_call(shared);
    u32 actors = take(4), sequences = take(4);
    for (; sequences > 0; sequences--) {
        u32 bytes = take(4);
        long pid = must("clone", call(56, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0));
        if (pid == 0) {
            must("prctl", call(157, 1, SIGKILL, 0, 0, 0));
            must("setsid", call(112, 0, 0, 0, 0, 0));
            set_limit(0, 20);
            new_root("size=16m,nr_inodes=2048,mode=755");
            call(95, 0, 0, 0, 0, 0);
            u8 *sequence = at;
            at = setup;
            set_up(setup_calls, shared);
            call(95, 022, 0, 0, 0, 0);
            at = sequence;
            play(shared, actors, output);
        }
        u32 status = 0;
        while (call(61, pid, &status, WALL, 0, 0) == -EINTR) continue;
        if (status != 0) fail("a sequence's first process ended with status", status);
        at += bytes;
    }
    call(231, 0, 0, 0, 0, 0);
}

__attribute__((used, noreturn)) void begin(long *stack) {
    long count = stack[0];
    must("prctl", call(157, 1, SIGKILL, 0, 0, 0));
    char **words = (char **)(stack + 1);
    for (long i = 1; i < count; i++) write_file(words[i], "0");
    u64 size = 0, room = 1 << 28;
    program = (u8 *)must("mmap", call6(9, 0, room, 3, 0x22, -1, 0));
    for (;;) {
        long got = must("read", call(0, 0, program + size, room - size, 0, 0));
        if (got == 0) break;
        size += got;
    }
    at = program;
    int to_child[2], to_parent[2];
    must("pipe", call(22, to_child, 0, 0, 0, 0));
    must("pipe", call(22, to_parent, 0, 0, 0, 0));
    char byte = 0;
    long pid = must("fork", call(57, 0, 0, 0, 0, 0));
    if (pid == 0) {
        must("prctl", call(157, 1, SIGKILL, 0, 0, 0));
        must("unshare", call(272, CLONE_NEWUSER, 0, 0, 0, 0));
        must("write", call(1, to_parent[1], &byte, 1, 0, 0));
        if (call(0, to_child[0], &byte, 1, 0, 0) != 1) fail("no map of ids", 0);
        must("setresgid", call(119, 0, 0, 0, 0, 0));
        must("setresuid", call(117, 0, 0, 0, 0, 0));
        must("setgroups", call(116, 0, 0, 0, 0, 0));
        must("prctl", call(157, 1, SIGKILL, 0, 0, 0));
        must("unshare", call(272, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, 0, 0, 0, 0));
        long first = must("fork", call(57, 0, 0, 0, 0, 0));
        if (first == 0) first_process(1);
        u32 status = 0;
        while (call(61, first, &status, WALL, 0, 0) == -EINTR) continue;
        call(231, status ? 70 : 0, 0, 0, 0, 0);
    }
    must("read", call(0, to_parent[0], &byte, 1, 0, 0));
    char path[64] = "/proc/", *end = path + 6;
    char digits[24], *first = digits + 24;
    u64 number = pid;
    do *--first = '0' + number % 10;
    while (number /= 10);
    while (first < digits + 24) *end++ = *first++;
    memcpy(end, "/uid_map", 9);
    write_file(path, "0 1000000 65536");
    memcpy(end, "/gid_map", 9);
    write_file(path, "0 1000000 65536");
    must("write", call(1, to_child[1], &byte, 1, 0, 0));
    u32 status = 0;
    while (call(61, pid, &status, WALL, 0, 0) == -EINTR) continue;
    call(231, status ? 70 : 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
