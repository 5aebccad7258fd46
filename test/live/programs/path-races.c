// Opens a file over and over while another thread tries to make it look like another: path-races ATTACK ROUNDS, in an empty folder of
// its own. The round is passed as openat's mode, which means nothing without O_CREAT. Prints for each round the number, the result
// (0 or the errno), and the inode that the new descriptor had before the other thread could touch it; in front of them, "NAME INODE"
// for each file there is.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, DEPTH = 8 };

static atomic_int *stop;
static atomic_int target = -1;
static int bad_fd;
static char *path;

static void must(int result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

/** Threads on one CPU would take turns; where there is only one CPU they do. */
static void keep_to(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);
}

static ino_t make(const char *name) {
  struct stat found;
  int fd = open(name, O_CREAT | O_WRONLY, 0644);
  must(fd, name);
  must(fstat(fd, &found), name);
  close(fd);
  return found.st_ino;
}

/** link leads to good, to bad, and so on. */
static void *swap_links(void *unused) {
  for (int i = 0; !*stop; i++) {
    must(symlink(i % 2 ? "good" : "bad", "next"), "symlink");
    must(rename("next", "link"), "rename");
  }
  return unused;
}

static void *rewrite_path(void *unused) {
  static const char *const names[] = {"good", "bad\0", "none"};
  for (int i = 0; !*stop; i++) memcpy(path, names[i % 3], 4);
  return unused;
}

static void *drop_page(void *unused) {
  while (!*stop) {
    must(madvise(path, PAGE, MADV_DONTNEED), "madvise");
    for (volatile int pause = 0; pause < 500; pause++);
  }
  return unused;
}

static void *close_descriptor(void *unused) {
  while (!*stop) {
    int fd = target;
    if (fd >= 0) close(fd);
  }
  return unused;
}

static void *replace_descriptor(void *unused) {
  while (!*stop) {
    int fd = target;
    if (fd >= 0) dup2(bad_fd, fd);
  }
  return unused;
}

/** Once it has ended, nobody shares the descriptors any more. */
static void *replace_once(void *unused) {
  int fd = target;
  if (fd >= 0) dup2(bad_fd, fd);
  return unused;
}

/** Below x/one the last folder is p or m, below y/two it is m or q: no other pair ever is. */
static void *move_folders(void *unused) {
  static const char *const steps[][2] = {
    {"x/one/1/2/3/4/5/6/7/8/p", "x/one/1/2/3/4/5/6/7/8/m"},
    {"x/one", "y/two"},
    {"y/two/1/2/3/4/5/6/7/8/m", "y/two/1/2/3/4/5/6/7/8/q"},
    {"y/two/1/2/3/4/5/6/7/8/q", "y/two/1/2/3/4/5/6/7/8/m"},
    {"y/two", "x/one"},
    {"x/one/1/2/3/4/5/6/7/8/m", "x/one/1/2/3/4/5/6/7/8/p"},
  };
  for (int i = 0; !*stop; i++) must(rename(steps[i % 6][0], steps[i % 6][1]), steps[i % 6][0]);
  return unused;
}

static int make_folders(void) {
  char name[64] = "x/one";
  must(mkdir("x", 0755), "x");
  must(mkdir("y", 0755), "y");
  must(mkdir(name, 0755), name);
  for (int i = 1; i <= DEPTH; i++) {
    sprintf(name + strlen(name), "/%d", i);
    must(mkdir(name, 0755), name);
  }
  strcat(name, "/p");
  must(mkdir(name, 0755), name);
  int folder = open(name, O_PATH | O_DIRECTORY);
  must(folder, name);
  return folder;
}

static void *partner(void *attack) {
  keep_to(1);
  return ((void *(*)(void *))attack)(NULL);
}

struct attack {
  const char *name;
  void *(*meanwhile)(void *);
  /** By a process that shares nothing but the files, not by a thread. */
  int process;
};

static const struct attack attacks[] = {
  {"none", NULL, 0},
  {"symlink", swap_links, 0},
  {"symlink, by a process", swap_links, 1},
  {"rewrite", rewrite_path, 0},
  {"madvise", drop_page, 0},
  {"close", close_descriptor, 0},
  {"dup2", replace_descriptor, 0},
  {"dup2, and gone", NULL, 0},
  {"rename", move_folders, 0},
  {"rename, by a process", move_folders, 1},
};

static const struct attack *attack_of(const char *name) {
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
    if (strcmp(attacks[i].name, name) == 0) return &attacks[i];
  exit(2);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const struct attack *attack = attack_of(argv[1]);
  int rounds = atoi(argv[2]), from = AT_FDCWD;
  int goes = strcmp(attack->name, "dup2, and gone") == 0;
  int on_descriptor = attack->meanwhile == close_descriptor || attack->meanwhile == replace_descriptor || goes;
  struct rlimit files = {64, 64};
  setrlimit(RLIMIT_NOFILE, &files);
  path = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  strcpy(path, "good");
  if (attack->meanwhile == move_folders) {
    int home = open(".", O_PATH | O_DIRECTORY);
    from = make_folders();
    must(fchdir(from), "fchdir");
    printf("good %lu\n", make("good"));
    must(fchdir(home), "fchdir");
  } else {
    ino_t good = make("good"), bad = make("bad");
    printf("good %lu\nbad %lu\n", good, bad);
    must(symlink("good", "link"), "link");
    if (attack->meanwhile == swap_links) strcpy(path, "link");
    bad_fd = open("bad", O_RDONLY);
  }
  struct { int error; ino_t inode; } *seen = calloc(rounds, sizeof *seen);
  struct stat good;
  must(fstatat(from, "good", &good, 0), "good");
  pthread_t thread;
  pid_t process = 0;
  if (attack->process) {
    process = fork();
    must(process, "fork");
    if (process == 0) {
      partner((void *)attack->meanwhile);
      return 0;
    }
  } else if (attack->meanwhile && pthread_create(&thread, NULL, partner, (void *)attack->meanwhile) != 0) return 1;
  keep_to(0);
  for (int round = 0; round < rounds; round++) {
    if (attack->meanwhile == drop_page) memcpy(path, round % 2 ? "good" : "bad\0", 4);
    if (goes && pthread_create(&thread, NULL, replace_once, NULL) != 0) return 1;
    int fd = syscall(SYS_openat, from, path, O_RDONLY, round);
    if (goes) pthread_join(thread, NULL);
    if (fd < 0) {
      seen[round].error = errno;
      continue;
    }
    struct stat found;
    if (on_descriptor) {
      // The other thread aims at the descriptor that comes next: the one that was free just now. What was opened is known without it.
      found = good;
      target = fd;
      // What the other thread left open elsewhere.
      if (fd > 48) syscall(SYS_close_range, bad_fd + 1, 63, 0);
    } else must(fstat(fd, &found), "fstat");
    seen[round].inode = found.st_ino;
    close(fd);
  }
  *stop = 1;
  if (process) waitpid(process, NULL, 0);
  else if (attack->meanwhile) pthread_join(thread, NULL);
  for (int round = 0; round < rounds; round++) printf("%d %d %lu\n", round, seen[round].error, seen[round].inode);
  return 0;
}
