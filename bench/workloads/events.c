// Makes the events of a file over and over. Pins itself to the CPU of its first argument; the second is the file: lines
// "openat PATH", "unlinkat PATH", "fchmodat PATH", "connect ADDRESS PORT", "kill PID" and "getppid". Files are opened for reading and
// closed; connections are of datagram sockets, so that nothing is sent; the other calls name what isn't there.
// Reads numbers of rounds, and answers each with the number of events it made.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_EVENTS = 4096 };

struct event {
  char call;
  char path[256];
  struct sockaddr_in address;
  int pid;
};

static struct event events[MAX_EVENTS];
static int count, datagrams;

static void make(const struct event *e) {
  int fd;
  switch (e->call) {
    case 'o':
      fd = syscall(SYS_openat, AT_FDCWD, e->path, O_RDONLY);
      if (fd >= 0) close(fd);
      break;
    case 'u':
      syscall(SYS_unlinkat, AT_FDCWD, e->path, 0);
      break;
    case 'f':
      syscall(SYS_fchmodat, AT_FDCWD, e->path, 0600);
      break;
    case 'c':
      connect(datagrams, (const struct sockaddr *)&e->address, sizeof e->address);
      break;
    case 'k':
      syscall(SYS_kill, e->pid, 0);
      break;
    default:
      syscall(SYS_getppid);
  }
}

int main(int argc, char **argv) {
  char line[512], call[16], text[256];
  int rounds, number;
  cpu_set_t cpus;
  FILE *file;
  if (argc != 3) return 2;
  CPU_ZERO(&cpus);
  CPU_SET(atoi(argv[1]), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0 || (file = fopen(argv[2], "r")) == NULL) {
    perror(argv[2]);
    return 1;
  }
  datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  while (count < MAX_EVENTS && fgets(line, sizeof line, file)) {
    struct event *e = &events[count];
    int fields = sscanf(line, "%15s %255s %d", call, text, &number);
    if (fields < 1) continue;
    e->call = call[0];
    if (fields > 1) strcpy(e->path, text);
    if (e->call == 'k') e->pid = atoi(text);
    if (e->call == 'c') {
      e->address.sin_family = AF_INET;
      e->address.sin_port = htons(number);
      if (inet_pton(AF_INET, text, &e->address.sin_addr) != 1) return 2;
    }
    count++;
  }
  fclose(file);
  while (fgets(line, sizeof line, stdin)) {
    rounds = atoi(line);
    for (int round = 0; round < rounds; round++)
      for (int i = 0; i < count; i++) make(&events[i]);
    printf("%d\n", rounds * count);
    fflush(stdout);
  }
  return 0;
}
