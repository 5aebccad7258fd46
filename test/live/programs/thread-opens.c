// A second thread opens the password file.
#include <fcntl.h>
#include <pthread.h>

static void *opens(void *unused)
{
	return (void *)(long)open("/etc/shadow", O_RDONLY);
}

int main(void)
{
	pthread_t thread;
	void *fd;

	if (pthread_create(&thread, 0, opens, 0) || pthread_join(thread, &fd))
		return 1;
	return (long)fd < 0 ? 2 : 0;
}
