// A child without root's rights tries to load /srv/behaviour/module.ko; then its parent loads it and removes the module again.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE_INIT_COMPRESSED_FILE 4

int main(void)
{
	int fd = open("/srv/behaviour/module.ko", O_RDONLY | O_CLOEXEC), status, flags;
	char magic[4] = "";
	pid_t child;

	if (fd < 0 || pread(fd, magic, sizeof(magic), 0) < 0)
		return 1;
	flags = memcmp(magic, "\x7f" "ELF", 4) ? MODULE_INIT_COMPRESSED_FILE : 0;
	child = fork();
	if (child == 0) {
		if (setgid(33) || setuid(33))
			_exit(2);
		_exit(syscall(SYS_finit_module, fd, "", flags) == -1 && errno == EPERM ? 0 : 3);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return 4;
	if (syscall(SYS_finit_module, fd, "", flags)) {
		perror("finit_module");
		return 5;
	}
	return syscall(SYS_delete_module, "dummy", O_NONBLOCK) ? 6 : 0;
}
