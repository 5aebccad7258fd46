// A second thread executes a program; the first ends with it.
#include <pthread.h>
#include <unistd.h>

static void *executes(void *unused)
{
	static char *arguments[] = { "payload", "-x", 0 };

	execv("/tmp/payload", arguments);
	return 0;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, 0, executes, 0) == 0)
		pthread_join(thread, 0);
	return 1;
}
