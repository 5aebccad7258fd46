/* CO-RE: reads through kernel pointers that may fault, and questions about the kernel's types. */
#pragma once
#include "kernel.h"

/* Reads `source`, an lvalue reached through a kernel pointer, into `*to`; 0, or a negative errno and zeroes. */
#define CORE_READ_INTO(to, source) bpf_probe_read_kernel(to, sizeof(*(to)), __builtin_preserve_access_index(&(source)))

/* The value of `pointer->a`, `pointer->a->b`, ...; 0 where any of the reads faults. */
#define CORE_READ_1(pointer, a)                    \
  ({                                               \
    typeof(pointer) from_ = (pointer);             \
    typeof(from_->a) value_ = {0};                 \
    CORE_READ_INTO(&value_, from_->a);             \
    value_;                                        \
  })
#define CORE_READ_2(pointer, a, b)                 \
  ({                                               \
    typeof(pointer) from_ = (pointer);             \
    typeof(from_->a) one_;                         \
    CORE_READ_INTO(&one_, from_->a);               \
    typeof(from_->a->b) two_;                      \
    CORE_READ_INTO(&two_, one_->b);                \
    two_;                                          \
  })
#define CORE_READ_PICK(_1, _2, _3, macro, ...) macro
#define CORE_READ(...) CORE_READ_PICK(__VA_ARGS__, CORE_READ_2, CORE_READ_1)(__VA_ARGS__)

/* enum bpf_field_info_kind, bpf_type_info_kind and bpf_enum_value_kind of the compiler's built-ins */
#define FIELD_BYTE_OFFSET 0
#define FIELD_BYTE_SIZE 1
#define FIELD_EXISTS 2
#define FIELD_SIGNED 3
#define FIELD_LSHIFT_U64 4
#define FIELD_RSHIFT_U64 5
#define TYPE_EXISTS 0
#define TYPE_SIZE 1
#define TYPE_MATCHES 2
#define ENUMVAL_EXISTS 0
#define ENUMVAL_VALUE 1

#define FIELD(pointer, field, what) __builtin_preserve_field_info((pointer)->field, what)
#define FIELD_EXISTS_IN(pointer, field) FIELD(pointer, field, FIELD_EXISTS)
#define TYPE(type, what) __builtin_preserve_type_info(*(typeof(type) *)0, what)
#define ENUM(type, value, what) __builtin_preserve_enum_value(*(typeof(type) *)value, what)

/* A member narrower or elsewhere than here, bit fields included: 8 bytes around it, shifted left, then right. */
#define CORE_READ_BITS(pointer, field)                                                               \
  ({                                                                                                 \
    u64 value_ = 0;                                                                                  \
    bpf_probe_read_kernel(&value_, FIELD(pointer, field, FIELD_BYTE_SIZE),                           \
                          (const void *)(pointer) + FIELD(pointer, field, FIELD_BYTE_OFFSET));       \
    value_ <<= FIELD(pointer, field, FIELD_LSHIFT_U64);                                              \
    FIELD(pointer, field, FIELD_SIGNED) ? (u64)((s64)value_ >> FIELD(pointer, field, FIELD_RSHIFT_U64)) \
                                        : value_ >> FIELD(pointer, field, FIELD_RSHIFT_U64);         \
  })
