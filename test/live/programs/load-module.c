// load-module refused: as a user, tries to load /srv/behaviour/module.ko. load-module load: loads it, as root, and removes the module again.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULE_INIT_COMPRESSED_FILE 4

int main(int argc, char **argv)
{
	int fd = open("/srv/behaviour/module.ko", O_RDONLY | O_CLOEXEC);
	char magic[4] = "";

	if (fd < 0 || argc < 2 || read(fd, magic, sizeof(magic)) < 0)
		return 1;
	if (strcmp(argv[1], "refused") == 0) {
		if (setgid(33) || setuid(33))
			return 2;
		return syscall(SYS_finit_module, fd, "", 0) == -1 && errno == EPERM ? 0 : 3;
	}
	if (syscall(SYS_finit_module, fd, "", memcmp(magic, "\x7f" "ELF", 4) ? MODULE_INIT_COMPRESSED_FILE : 0)) {
		perror("finit_module");
		return 4;
	}
	return syscall(SYS_delete_module, "dummy", O_NONBLOCK) ? 5 : 0;
}
