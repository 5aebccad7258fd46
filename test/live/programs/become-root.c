// As a set-user-ID program of root's, opens the password file and takes root's identity wholly, and sets its own bit again.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	if (open("/etc/shadow", O_RDONLY) < 0)
		return 1;
	if (setresuid(0, 0, 0))
		return 2;
	return chmod("/srv/behaviour/become-root", 04711) ? 3 : 0;
}
