/*
 * Makes the system calls it is told to: the tasks of the kernel suite on Linux. Without a C library, so that it makes no others.
 *
 * Each task reads requests from a channel of its own (a socket at descriptor 200 and up) and answers there. A request is
 *   u32 length of what follows, u8 what
 *   what 0, a call: u8 table (0 x86-64, 1 ia32), u16 number, u8 arguments, each u8 kind and
 *     kind 0 u64 value; 1 u32 length and bytes; 2 u32 count of texts, each u32 length and bytes with the NUL
 *   what 1, a new task: u8 thread or process, u8 its channel
 * and an answer is s64 result, u32 kind (0 a result, 1 a program that has just begun), u32 pid.
 * A program that is executed takes its channel from the environment: CHANNEL=3.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { CHANNELS = 8, FIRST_GIVEN = 3, FIRST_CHANNEL = 200, ROOM = 65536, STACK = 16384, POINTERS = 128 };
enum { SYS_close = 3, SYS_readv = 19, SYS_writev = 20, SYS_dup2 = 33, SYS_getpid = 39, SYS_clone = 56, SYS_exit_group = 231 };
/* SIGCHLD; CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM */
enum { PROCESS = 17, THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 };

/* Below 4 GiB in a static program, where 32-bit calls can point to. */
static u8 rooms[CHANNELS][ROOM] __attribute__((aligned(16)));
static u64 pointers[CHANNELS][POINTERS];
static u8 stacks[CHANNELS][STACK] __attribute__((aligned(16)));

long call_x86_64(long number, const u64 *arguments);
long call_ia32(long number, const u64 *arguments);
long new_thread(long flags, u64 *stack);
void serve(u64 channel);

__asm__(".text\n"
        "call_x86_64:\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %rcx\n"
        "  mov 0(%rcx), %rdi\n"
        "  mov 8(%rcx), %rsi\n"
        "  mov 16(%rcx), %rdx\n"
        "  mov 24(%rcx), %r10\n"
        "  mov 32(%rcx), %r8\n"
        "  mov 40(%rcx), %r9\n"
        "  syscall\n"
        "  ret\n"
        "call_ia32:\n"
        "  push %rbx\n"
        "  push %rbp\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %r10\n"
        "  mov 0(%r10), %rbx\n"
        "  mov 8(%r10), %rcx\n"
        "  mov 16(%r10), %rdx\n"
        "  mov 24(%r10), %rsi\n"
        "  mov 32(%r10), %rdi\n"
        "  mov 40(%r10), %rbp\n"
        "  int $0x80\n"
        "  movslq %eax, %rax\n"
        "  pop %rbp\n"
        "  pop %rbx\n"
        "  ret\n"
        /* The new thread finds its channel on its stack. */
        "new_thread:\n"
        "  mov $56, %eax\n"
        "  xor %edx, %edx\n"
        "  xor %r10d, %r10d\n"
        "  xor %r8d, %r8d\n"
        "  syscall\n"
        "  test %rax, %rax\n"
        "  jz 1f\n"
        "  ret\n"
        "1:\n"
        "  pop %rdi\n"
        "  call serve\n"
        "  hlt\n"
        ".globl _start\n"
        "_start:\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call begin\n"
        "  hlt\n");

static long call(long number, u64 a, u64 b, u64 c) {
  u64 arguments[6] = {a, b, c, 0, 0, 0};
  return call_x86_64(number, arguments);
}

static void leave(int status) {
  for (;;) call(SYS_exit_group, status, 0, 0);
}

struct part {
  void *at;
  u64 length;
};

/* Nobody at the other end is the end. */
static void read_all(u64 channel, u8 *to, u64 length) {
  while (length > 0) {
    struct part part = {to, length};
    long got = call(SYS_readv, FIRST_CHANNEL + channel, (u64)&part, 1);
    if (got == -4) continue;
    if (got <= 0) leave(0);
    to += got;
    length -= got;
  }
}

static void answer(u64 channel, long result, u32 kind) {
  struct {
    long result;
    u32 kind, pid;
  } message = {result, kind, (u32)call(SYS_getpid, 0, 0, 0)};
  struct part part = {&message, sizeof message};
  call(SYS_writev, FIRST_CHANNEL + channel, (u64)&part, 1);
}

static u64 number_at(const u8 **at, int bytes) {
  u64 value = 0;
  for (int i = 0; i < bytes; i++) value |= (u64)(*at)[i] << (8 * i);
  *at += bytes;
  return value;
}

static u64 texts_at(u64 channel, const u8 **at, u64 *used, int wide) {
  u64 count = number_at(at, 4);
  u64 *list = pointers[channel] + *used;
  u32 *narrow = (u32 *)list;
  for (u64 i = 0; i < count; i++) {
    u64 length = number_at(at, 4);
    if (wide) list[i] = (u64)*at;
    else narrow[i] = (u32)(u64)*at;
    *at += length;
  }
  if (wide) list[count] = 0;
  else narrow[count] = 0;
  *used += count + 1;
  return (u64)list;
}

static long make_call(u64 channel, const u8 *at) {
  u64 compat = number_at(&at, 1);
  long number = (long)number_at(&at, 2);
  u64 count = number_at(&at, 1);
  u64 arguments[6] = {0, 0, 0, 0, 0, 0};
  u64 used = 0;
  for (u64 i = 0; i < count && i < 6; i++) {
    u64 kind = number_at(&at, 1);
    if (kind == 0) {
      arguments[i] = number_at(&at, 8);
    } else if (kind == 1) {
      u64 length = number_at(&at, 4);
      arguments[i] = (u64)at;
      at += length;
    } else {
      arguments[i] = texts_at(channel, &at, &used, !compat);
    }
  }
  return compat ? call_ia32(number, arguments) : call_x86_64(number, arguments);
}

static long make_task(const u8 *at) {
  u64 thread = number_at(&at, 1);
  u64 channel = number_at(&at, 1);
  if (thread) {
    u64 *stack = (u64 *)(stacks[channel] + STACK - 8);
    *stack = channel;
    return new_thread(THREAD, stack);
  }
  long pid = call(SYS_clone, PROCESS, 0, 0);
  if (pid == 0) serve(channel);
  return pid;
}

__attribute__((used)) void serve(u64 channel) {
  u8 *room = rooms[channel];
  for (;;) {
    u32 length;
    read_all(channel, (u8 *)&length, sizeof length);
    if (length == 0 || length > ROOM) leave(1);
    read_all(channel, room, length);
    answer(channel, room[0] == 0 ? make_call(channel, room + 1) : make_task(room + 1), 0);
  }
}

/* The channel's number in the environment, or -1. */
static long given_channel(char **environment) {
  static const char NAME[] = "CHANNEL=";
  for (; *environment; environment++) {
    const char *at = *environment;
    int i = 0;
    while (NAME[i] && at[i] == NAME[i]) i++;
    if (!NAME[i]) return at[i] - '0';
  }
  return -1;
}

__attribute__((used)) void begin(u64 *stack) {
  long channel = given_channel((char **)(stack + 1 + stack[0] + 1));
  if (channel < 0) {
    channel = 0;
    for (int i = 0; i < CHANNELS; i++) {
      call(SYS_dup2, FIRST_GIVEN + i, FIRST_CHANNEL + i, 0);
      call(SYS_close, FIRST_GIVEN + i, 0, 0);
    }
  }
  answer(channel, 0, 1);
  serve(channel);
}

void *memset(void *to, int value, u64 length) {
  for (u64 i = 0; i < length; i++) ((volatile u8 *)to)[i] = (u8)value;
  return to;
}
