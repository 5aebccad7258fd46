/* Maps and a request that the small programs of ../verdicts share. */
#pragma once
#include "core.h"
#include "iter.h"
#include "net.h"

struct value {
  u64 a, b;
  char text[48];
  u32 n;
};

struct {
  __uint(type, HASH);
  __uint(max_entries, 64);
  __type(key, u64);
  __type(value, struct value);
} h SEC(".maps");

struct {
  __uint(type, ARRAY);
  __uint(max_entries, 8);
  __type(key, u32);
  __type(value, struct value);
} a SEC(".maps");

struct {
  __uint(type, PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, char[1024]);
} scratch SEC(".maps");

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 4096);
} rb SEC(".maps");

struct {
  __uint(type, LPM_TRIE);
  __uint(map_flags, 1);
  __uint(max_entries, 64);
  __type(key, u64);
  __type(value, u32);
} lpm SEC(".maps");

struct {
  __uint(type, PROG_ARRAY);
  __uint(max_entries, 8);
  __uint(key_size, 4);
  __uint(value_size, 4);
} progs SEC(".maps");

struct request {
  u64 a, b, c, d;
  char text[64];
};
