// Calls getppid at a steady rate: "flood RATE SECONDS URGENT" makes RATE calls a second, 1,000 times a second a share of them, and
// catches up where it is late; after every share URGENT calls of getpgid. Waits for a line on stdin, then prints how many of each it
// made and the nanoseconds that took. RATE 0: as fast as it goes, SECONDS is then the number of calls.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(long long at) {
  struct timespec t = {at / 1000000000LL, at % 1000000000LL};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long long rate = atoll(argv[1]), seconds = atoll(argv[2]), urgent = atoll(argv[3]);
  long long share = rate ? rate / 1000 : 1000, shares = rate ? seconds * 1000 : seconds / 1000;
  getchar();
  long long start = now();
  for (long long i = 0; i < shares; i++) {
    for (long long j = 0; j < share; j++) syscall(SYS_getppid);
    for (long long j = 0; j < urgent; j++) syscall(SYS_getpgid, 0);
    if (rate) sleep_until(start + (i + 1) * 1000000LL);
  }
  printf("%lld %lld %lld\n", shares * share, shares * urgent, now() - start);
  return 0;
}
