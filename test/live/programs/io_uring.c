// Does its work through io_uring, without liburing: io_uring [sqpoll] (OPERATION ARGUMENT...)..., one request after the other:
//   open PATH | openwrite PATH | connect PORT | bind PORT | send PORT | unlink PATH | rename FROM TO | link FROM TO | symlink TEXT PATH | mkdir PATH
// connect, bind and send are at 127.0.0.1, send by UDP. Prints the result of each request in a line; returns 1 where there is no ring, 2 for other words.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than the headers may be: IORING_OP_BIND.
#define OP_BIND 56

static int ring;
static int polled;
static struct io_uring_params params;
static unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;

static void *map(size_t size, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);
	if (at == MAP_FAILED)
		exit(1);
	return at;
}

static void set_up(void)
{
	params.flags = polled ? IORING_SETUP_SQPOLL : 0;
	params.sq_thread_idle = 1000;
	ring = (int)syscall(SYS_io_uring_setup, 8, &params);
	if (ring < 0) {
		fprintf(stderr, "io_uring_setup: %s\n", strerror(errno));
		exit(1);
	}
	char *sq = map(params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	char *cq = map(params.cq_off.cqes + params.cq_entries * sizeof(*cqes), IORING_OFF_CQ_RING);
	sqes = map(params.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
	sq_tail = (unsigned *)(sq + params.sq_off.tail);
	sq_mask = (unsigned *)(sq + params.sq_off.ring_mask);
	sq_flags = (unsigned *)(sq + params.sq_off.flags);
	sq_array = (unsigned *)(sq + params.sq_off.array);
	cq_head = (unsigned *)(cq + params.cq_off.head);
	cq_tail = (unsigned *)(cq + params.cq_off.tail);
	cq_mask = (unsigned *)(cq + params.cq_off.ring_mask);
	cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
}

// Puts a request on the ring and waits for its result.
static int submit(const struct io_uring_sqe *request)
{
	unsigned tail = *sq_tail;
	unsigned index = tail & *sq_mask;
	sqes[index] = *request;
	sq_array[index] = index;
	__atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
	unsigned flags = IORING_ENTER_GETEVENTS;
	if (polled) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(sq_flags, __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
			flags |= IORING_ENTER_SQ_WAKEUP;
	}
	while (syscall(SYS_io_uring_enter, ring, polled ? 0 : 1, 1, flags, NULL, 0) < 0)
		if (errno != EINTR) {
			fprintf(stderr, "io_uring_enter: %s\n", strerror(errno));
			exit(1);
		}
	while (__atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) == *cq_head)
		;
	int result = cqes[*cq_head & *cq_mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return result;
}

static struct io_uring_sqe address_request(int opcode, int type, struct sockaddr_in *address, const char *port)
{
	struct io_uring_sqe request = {.opcode = opcode, .fd = socket(AF_INET, type, 0)};
	address->sin_family = AF_INET;
	address->sin_port = htons((unsigned short)atoi(port));
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return request;
}

static struct io_uring_sqe path_request(int opcode, const char *path)
{
	struct io_uring_sqe request = {.opcode = opcode, .fd = AT_FDCWD, .addr = (unsigned long)path};
	return request;
}

static struct io_uring_sqe two_paths(int opcode, const char *from, const char *to)
{
	struct io_uring_sqe request = path_request(opcode, from);
	request.len = AT_FDCWD;
	request.addr2 = (unsigned long)to;
	return request;
}

int main(int argc, char **argv)
{
	int at = 1;
	if (argc > at && strcmp(argv[at], "sqpoll") == 0) {
		polled = 1;
		at++;
	}
	set_up();
	while (at + 1 < argc) {
		const char *name = argv[at++], *argument = argv[at++];
		struct io_uring_sqe request;
		struct sockaddr_in address = {0};
		if (strcmp(name, "open") == 0) {
			request = path_request(IORING_OP_OPENAT, argument);
		} else if (strcmp(name, "openwrite") == 0) {
			request = path_request(IORING_OP_OPENAT, argument);
			request.open_flags = O_WRONLY | O_CREAT | O_APPEND;
			request.len = 0600;
		} else if (strcmp(name, "connect") == 0) {
			request = address_request(IORING_OP_CONNECT, SOCK_STREAM, &address, argument);
			request.addr = (unsigned long)&address;
			request.off = sizeof(address);
		} else if (strcmp(name, "bind") == 0) {
			request = address_request(OP_BIND, SOCK_STREAM, &address, argument);
			request.addr = (unsigned long)&address;
			request.off = sizeof(address);
		} else if (strcmp(name, "send") == 0) {
			request = address_request(IORING_OP_SEND, SOCK_DGRAM, &address, argument);
			request.addr = (unsigned long)"text";
			request.len = 4;
			request.addr2 = (unsigned long)&address;
			request.splice_fd_in = sizeof(address);
		} else if (strcmp(name, "unlink") == 0) {
			request = path_request(IORING_OP_UNLINKAT, argument);
		} else if (strcmp(name, "mkdir") == 0) {
			request = path_request(IORING_OP_MKDIRAT, argument);
			request.len = 0700;
		} else if (strcmp(name, "rename") == 0 && at < argc) {
			request = two_paths(IORING_OP_RENAMEAT, argument, argv[at++]);
		} else if (strcmp(name, "link") == 0 && at < argc) {
			request = two_paths(IORING_OP_LINKAT, argument, argv[at++]);
		} else if (strcmp(name, "symlink") == 0 && at < argc) {
			request = path_request(IORING_OP_SYMLINKAT, argument);
			request.addr2 = (unsigned long)argv[at++];
		} else {
			return 2;
		}
		printf("%s %d\n", name, submit(&request));
	}
	return at == argc ? 0 : 2;
}
