// Opens files by the calls of 32-bit programs; numbers from arch/x86/entry/syscalls/syscall_32.tbl.
#define NR_EXIT 1
#define NR_OPEN 5
#define NR_OPENAT 295
#define AT_FDCWD (-100)

static long call(long number, long a, long b, long c, long d)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	return result;
}

void _start(void)
{
	long failed = 0;

	if (call(NR_OPEN, (long)"/etc/shadow", 0, 0, 0) < 0)
		failed = 1;
	if (call(NR_OPENAT, AT_FDCWD, (long)"/etc/gshadow", 0, 0) < 0)
		failed = 2;
	call(NR_EXIT, failed, 0, 0, 0);
	__builtin_unreachable();
}
