// Opens files by each of the calls for it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS };
	long folder;

	if (syscall(SYS_open, "/etc/shadow", O_RDONLY) < 0)
		return 1;
	folder = syscall(SYS_openat, AT_FDCWD, "/etc", O_RDONLY | O_DIRECTORY);
	if (syscall(SYS_openat, folder, "shadow", O_RDONLY) < 0)
		return 2;
	if (syscall(SYS_openat2, AT_FDCWD, "/etc/gshadow", &how, sizeof(how)) < 0)
		return 3;
	how.resolve = 0;
	if (syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how)) < 0)
		return 4;
	return syscall(SYS_openat, AT_FDCWD, "/etc/shadow", O_PATH) < 0 ? 5 : 0;
}
