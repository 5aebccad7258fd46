// Attaches to a child of its own and writes into its memory; with an argument the child asks to be traced instead.
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static long target = 1;

int main(int argc, char **argv)
{
	pid_t child = fork();
	int failed = 0;

	if (child == 0) {
		if (argc > 1) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			_exit(0);
		}
		for (;;)
			pause();
	}
	if (argc > 1) {
		waitpid(child, 0, 0);
		return ptrace(PTRACE_ATTACH, 999999, 0, 0) == -1 && errno == ESRCH ? 0 : 1;
	}
	if (ptrace(PTRACE_ATTACH, child, 0, 0))
		failed = 1;
	waitpid(child, 0, 0);
	if (ptrace(PTRACE_POKEDATA, child, &target, 2L))
		failed = 2;
	ptrace(PTRACE_DETACH, child, 0, 0);
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
	return failed;
}
