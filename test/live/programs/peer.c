// Listens on each address:port of its arguments and answers "ok" to whoever connects. Returns once it listens on all.
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct pollfd listeners[8];
	int count = 0;

	for (int i = 1; i < argc && count < 8; i++, count++) {
		char *colon = strrchr(argv[i], ':');
		struct sockaddr_in address = { .sin_family = AF_INET };
		int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

		if (!colon)
			return 2;
		*colon = 0;
		inet_pton(AF_INET, argv[i], &address.sin_addr);
		address.sin_port = htons(atoi(colon + 1));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16))
			return 1;
		listeners[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	if (fork())
		return 0;
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	while (poll(listeners, count, -1) > 0) {
		for (int i = 0; i < count; i++) {
			int fd = listeners[i].revents ? accept(listeners[i].fd, 0, 0) : -1;

			if (fd < 0)
				continue;
			if (write(fd, "ok\n", 3) < 0)
				return 1;
			close(fd);
		}
	}
	return 0;
}
