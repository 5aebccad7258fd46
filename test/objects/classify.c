/* System calls sorted into classes by jumps: dense and sparse cases, nested by architecture and flags. */
#include "bpf.h"

struct request {
  u32 number;
  u32 flags;
  u64 argument;
  u32 class;
  u32 weight;
};

enum { OTHER, READS, WRITES, NETWORK, PROCESS, PRIVILEGED, MEMORY };

#define O_ACCMODE 3
#define O_CREAT 0100
#define O_TRUNC 01000
#define PROT_WRITE 2
#define PROT_EXEC 4

static u32 open_class(u32 flags) {
  switch (flags & O_ACCMODE) {
    case 0:
      return flags & (O_CREAT | O_TRUNC) ? WRITES : READS;
    case 1:
    case 2:
      return WRITES;
  }
  return OTHER;
}

SEC("syscall")
int classify(struct request *request) {
  u32 class = OTHER, weight = 1;
  switch (request->number) {
    case 0:
    case 17:
    case 19:
    case 295:
      class = READS;
      break;
    case 1:
    case 18:
    case 20:
    case 296:
      class = WRITES;
      break;
    case 2:
    case 257:
    case 437:
      class = open_class(request->flags);
      weight = class == WRITES ? 3 : 2;
      break;
    case 9:
    case 10:
      class = MEMORY;
      if ((request->argument & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC)) weight = 9;
      break;
    case 41:
    case 42:
    case 43:
    case 44:
    case 45:
    case 46:
    case 47:
    case 49:
    case 50:
    case 288:
      class = NETWORK;
      weight = request->number == 42 ? 4 : 2;
      break;
    case 56:
    case 57:
    case 58:
    case 59:
    case 62:
    case 322:
    case 435:
      class = PROCESS;
      weight = request->number == 59 || request->number == 322 ? 5 : 2;
      break;
    case 101:
    case 105:
    case 106:
    case 155:
    case 165:
    case 166:
    case 175:
    case 176:
    case 308:
    case 313:
    case 321:
      class = PRIVILEGED;
      weight = request->number == 101 && request->argument == 16 ? 8 : 6;
      break;
  }
  request->class = class;
  request->weight = weight;
  return class * 10 + weight;
}

LICENSE("GPL");
