// Tries calls of the x32 table; returns 0 where the kernel has none of it.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define X32 0x40000000L

int main(void)
{
	// A call that isn't there reads no path, so that its page would not be in memory yet, and the path unknown.
	char path[] = "/etc/shadow";

	if (syscall(X32 | 2, path, O_RDONLY) != -1 || errno != ENOSYS)
		return 1;
	return syscall(X32 | 257, AT_FDCWD, path, O_RDONLY) != -1 || errno != ENOSYS ? 2 : 0;
}
