// Makes system calls and says what one took. Pins itself to the CPU of its first argument; the second is the file to open.
// Reads lines "getppid BATCHES CALLS" and "open BATCHES CALLS" (openat and close); answers each with the nanoseconds a call took in
// the median batch, so that batches in which something else ran don't count.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BATCHES = 4096 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void make_calls(int opens, const char *file, int calls) {
  for (int i = 0; i < calls; i++) {
    if (!opens) {
      syscall(SYS_getppid);
      continue;
    }
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
    if (fd < 0) {
      perror(file);
      exit(1);
    }
    syscall(SYS_close, fd);
  }
}

int main(int argc, char **argv) {
  static double batch[MAX_BATCHES];
  char line[128], what[16];
  int batches, calls;
  cpu_set_t cpus;
  if (argc != 3) return 2;
  CPU_ZERO(&cpus);
  CPU_SET(atoi(argv[1]), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
    perror("sched_setaffinity");
    return 1;
  }
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "%15s %d %d", what, &batches, &calls) != 3 || batches < 1 || batches > MAX_BATCHES) return 2;
    int opens = strcmp(what, "open") == 0;
    make_calls(opens, argv[2], calls);
    for (int i = 0; i < batches; i++) {
      double start = now();
      make_calls(opens, argv[2], calls);
      batch[i] = (now() - start) / calls;
    }
    qsort(batch, batches, sizeof *batch, ascending);
    printf("%.2f\n", batch[batches / 2]);
    fflush(stdout);
  }
  return 0;
}
