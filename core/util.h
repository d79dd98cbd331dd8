/*
 * Small helpers that every layer uses: sizes of arrays, rounding, ownership of
 * local variables. No state, any thread.
 */
#ifndef CORE_UTIL_H
#define CORE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define PRINTF_LIKE(fmt_arg, first_arg) \
	__attribute__((format(printf, fmt_arg, first_arg)))

/* Rounding to a power of two @align; the caller rules out overflow. */
static inline uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static inline uint64_t align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

static inline void cleanup_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A local that owns heap memory, or an fd, and gives it up at scope end; it may
 * have no other use. */
#define autofree  __attribute__((cleanup(cleanup_free), unused))
#define autoclose __attribute__((cleanup(cleanup_close), unused))

/* Hands the fd in @fd to the caller and leaves -1 behind. */
static inline int move_fd(int *fd)
{
	int moved = *fd;

	*fd = -1;
	return moved;
}

static inline void *move_ptr(void *pointer_to_pointer)
{
	void **slot = pointer_to_pointer;
	void *moved = *slot;

	*slot = NULL;
	return moved;
}

#endif
