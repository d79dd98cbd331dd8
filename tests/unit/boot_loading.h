/*
 * One boot_load after the other, of an image that a test changes, and a look at
 * what it left in guest memory. The state is the test program's own.
 */
#ifndef TESTS_UNIT_BOOT_LOADING_H
#define TESTS_UNIT_BOOT_LOADING_H

#include <stdio.h>
#include <unistd.h>

#include "boot/layout.h"
#include "boot/load.h"
#include "tests/unit/boot_kernels.h"
#include "tests/unit/quick_check.h"

#define LOADING_MEMORY (64 * MIB)

static struct gmem gmem;
static struct platform platform;
static struct boot_request request;
static struct boot_result result;
static struct err err;
static struct image image;
static char kernel_path[32];
static char module_paths[2][32];
static char *modules[2];
static int fds[8];
static unsigned int fd_count;

static inline void set_up(void)
{
	ck_assert_int_eq(gmem_init(&gmem, LOADING_MEMORY, 0, NULL), 0);
	platform = (struct platform){ .cpu_count = 1, .gmem = &gmem };
	request = (struct boot_request){ .kernel_path = kernel_path };
	fd_count = 0;
}

static inline void tear_down(void)
{
	gmem_release(&gmem);
	for (unsigned int i = 0; i < fd_count; i++)
		close(fds[i]);
}

static inline int load_part(size_t len)
{
	int fd = image_file(image.bytes, len, kernel_path);
	int rc;

	memset(&err, 0, sizeof(err));
	memset(&result, 0x5a, sizeof(result));
	rc = boot_load(&request, &platform, &result, &err);
	close(fd);
	return rc;
}

static inline void load(void)
{
	ck_assert_msg(load_part(image.len) == 0, "%s", err.msg);
}

static inline void refused(const char *said)
{
	int rc = load_part(image.len);

	ck_assert_int_lt(rc, 0);
	ck_assert_int_eq(rc, -err.code);
	ck_assert_msg(strstr(err.msg, said) != NULL, "%s", err.msg);
}

static inline void truncated_everywhere(size_t from, size_t to)
{
	for (size_t len = from; len < to; len++) {
		if (len > 0x400 && len % 97 && len < to - 64)
			continue;
		ck_assert_msg(load_part(len) < 0, "%zu bytes", len);
		ck_assert_msg(strstr(err.msg, kernel_path) != NULL, "%s",
			      err.msg);
	}
}

static inline uint32_t get32(gpa_t gpa)
{
	uint8_t bytes[4];

	ck_assert_int_eq(gmem_read(&gmem, gpa, bytes, sizeof(bytes)), 0);
	return load_le32(bytes);
}

static inline const char *text(gpa_t gpa)
{
	return gmem_ptr(&gmem, gpa, 256);
}

/* Two modules: 5000 bytes, then 3. */
static inline void put_modules(const char *words)
{
	static uint8_t bytes[5000];
	static char texts[2][64];

	memset(bytes, 0x3d, sizeof(bytes));
	fds[fd_count++] = image_file(bytes, sizeof(bytes), module_paths[0]);
	fds[fd_count++] = image_file("abc", 3, module_paths[1]);
	snprintf(texts[0], sizeof(texts[0]), "%s%s", module_paths[0], words);
	snprintf(texts[1], sizeof(texts[1]), "%s", module_paths[1]);
	modules[0] = texts[0];
	modules[1] = texts[1];
	request.modules = modules;
	request.module_count = 2;
}

#endif
