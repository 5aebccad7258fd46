// Mounts two file systems and takes one away; with an argument it fails to mount one.
#include <errno.h>
#include <sys/mount.h>

int main(int argc, char **argv)
{
	if (argc > 1)
		return mount("none", "/mnt/none", "tmpfs", 0, 0) && errno == ENOENT ? 0 : 1;
	if (mount("none", "/mnt/disk", "tmpfs", 0, 0))
		return 2;
	if (mount("none", "/etc/ssh", "tmpfs", 0, 0))
		return 3;
	return umount2("/mnt/disk", 0) ? 4 : 0;
}
