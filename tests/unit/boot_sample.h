/*
 * A platform to describe, and the tools that read what was described: shared by
 * the tests of the ACPI tables and of the device tree.
 */
#ifndef TESTS_UNIT_BOOT_SAMPLE_H
#define TESTS_UNIT_BOOT_SAMPLE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/platform.h"
#include "core/util.h"
#include "tests/unit/quick_check.h"

#define SAMPLE_VIRTIO_BASE 0xd0000000ULL
#define SAMPLE_ECAM_BASE   0xe0000000ULL

struct sample {
	struct platform platform;
	struct gmem gmem; /* regions without memory */
};

static inline void sample_add(struct sample *sample,
			      struct platform_device device)
{
	struct platform *platform = &sample->platform;

	ck_assert_uint_lt(platform->device_count, PLATFORM_MAX_DEVICES);
	platform->devices[platform->device_count++] = device;
}

static inline void sample_add_port(struct sample *sample,
				   enum platform_device_kind kind,
				   uint64_t base, uint64_t size, int gsi)
{
	sample_add(sample, (struct platform_device){ .kind = kind,
						     .is_port = true,
						     .base = base,
						     .size = size,
						     .gsi = gsi });
}

/* The devices that every machine has. */
static inline void sample_init(struct sample *sample, unsigned int cpus,
			       uint64_t memory)
{
	struct gmem *gmem = &sample->gmem;
	uint64_t low = min_u64(memory, GMEM_HOLE_START);

	memset(sample, 0, sizeof(*sample));
	gmem->fd = -1;
	gmem->size_bytes = memory;
	gmem->regions[0] = (struct gmem_region){ .size_bytes = low };
	gmem->region_count = 1;
	if (memory > low) {
		gmem->regions[1] =
			(struct gmem_region){ .start = GMEM_HOLE_END,
					      .size_bytes = memory - low };
		gmem->region_count = 2;
	}
	sample->platform.gmem = gmem;
	sample->platform.cpu_count = cpus;
	sample_add_port(sample, PLATFORM_SERIAL, 0x3f8, 8, 4);
	sample_add_port(sample, PLATFORM_RTC, 0x70, 2, -1);
	sample_add_port(sample, PLATFORM_POWER, 0x600, 4, 9);
	sample_add_port(sample, PLATFORM_PVPANIC, 0x505, 1, -1);
	sample_add_port(sample, PLATFORM_DEBUG_EXIT, 0xf4, 4, -1);
}

static inline void sample_add_pci(struct sample *sample)
{
	sample_add(sample, (struct platform_device){ .kind = PLATFORM_PCI_HOST,
						     .base = SAMPLE_ECAM_BASE,
						     .size = 256 * MIB,
						     .gsi = -1 });
	sample->platform.pci = (struct platform_pci){
		.mmio32_base = 0xc0000000,
		.mmio32_size = 0x10000000,
		.mmio64_base = 0x8000000000,
		.mmio64_size = 0x4000000000,
		.intx_gsi = { 16, 17, 18, 19 },
	};
}

/* Interrupts 5 to 23, edge and level in turn. */
static inline void sample_add_virtio(struct sample *sample, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		sample_add(sample,
			   (struct platform_device){
				   .kind = PLATFORM_VIRTIO_MMIO,
				   .base = SAMPLE_VIRTIO_BASE + 0x1000ULL * i,
				   .size = 0x1000,
				   .gsi = 5 + (int)(i % 19),
				   .level_triggered = i % 2 != 0,
			   });
}

/* A folder to be removed again with tool_run("rm", "-r", ...). */
static inline const char *scratch_new(void)
{
	static char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s/hull-tables-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	return folder;
}

static inline void tool_check_io(int rc)
{
	ck_assert_msg(rc == 0, "cannot prepare to run a tool");
}

/*
 * Runs @argv[0] and keeps the start of what it says on both streams. Returns
 * its status, or -1 when there is no such tool.
 */
static inline int tool_run(char *const argv[], char *said, size_t size)
{
	posix_spawn_file_actions_t actions;
	size_t len = 0;
	int fds[2];
	int status;
	pid_t pid;
	int rc;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	tool_check_io(posix_spawn_file_actions_init(&actions));
	tool_check_io(posix_spawn_file_actions_adddup2(&actions, fds[1], 1));
	tool_check_io(posix_spawn_file_actions_adddup2(&actions, fds[1], 2));
	rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (rc == ENOENT) {
		close(fds[0]);
		printf("%s is not installed: not checked with it\n", argv[0]);
		return -1;
	}
	ck_assert_int_eq(rc, 0);
	for (;;) {
		char more[512];
		ssize_t n = read(fds[0], more, sizeof(more));

		if (n <= 0)
			break;
		n = (ssize_t)min_u64((uint64_t)n, size - 1 - len);
		memcpy(said + len, more, (size_t)n);
		len += (size_t)n;
	}
	said[len] = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline void scratch_remove(const char *folder)
{
	char text[256];
	char *const argv[] = { (char *)"rm", (char *)"-r", (char *)"--",
			       (char *)folder, NULL };

	ck_assert_int_eq(tool_run(argv, text, sizeof(text)), 0);
}

#endif
