/*
 * A layer of an image, as unpack/layer.c gets it. An input is entries as lines
 * "TYPE NAME=TEXT" with the type of a tar header, where TEXT is what a link
 * leads to or what a file has in it; or, behind "!", the bytes of an archive.
 *
 * The root directory is a folder of the harness's own while a layer is applied,
 * as it is for hull-unpack; what stands outside of it must stay as it is. For
 * root; others have nothing to try.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/tree.h"
#include "unpack/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool truth)
{
	assert(truth);
}

static void in_root(int fd, const char *outside)
{
	const struct layer_limits limits = {
		.bytes = 1 << 20,
		.entries = 1000,
		.ids = 65536,
	};
	int host = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = { 0 };
	struct stat st;
	char root[64];
	int rc;

	snprintf(root, sizeof(root), "%s/root", outside);
	must(host >= 0 && cwd >= 0 && !mkdir(root, 0700));
	must(!chroot(root));
	rc = layer_apply(fd, &limits, &err);
	must(!rc == !err.code && (!rc || strlen(err.msg)));
	must(!fchdir(host) && !chroot(".") && !fchdir(cwd));
	/* A folder in a folder: nothing beside it was made or removed. */
	must(!stat(outside, &st) && st.st_nlink == 3);
	must(!stat(root, &st));
	close(host);
	close(cwd);
}

#define BLOCK 512

/* POSIX pax(1), "ustar Interchange Format". */
static void put_entry(int fd, const char *line, size_t len)
{
	static const char magic[] = { 'u', 's', 't', 'a', 'r', 0, '0', '0' };
	char header[BLOCK] = { 0 };
	char data[BLOCK] = { 0 };
	const char *equals = memchr(line, '=', len);
	size_t name = equals ? (size_t)(equals - line) : len;
	size_t text = equals ? len - name - 1 : 0;
	unsigned int sum = 0;

	name = name > 100 ? 100 : name;
	text = text > 100 ? 100 : text;
	if (name > 2)
		memcpy(header, line + 2, name - 2);
	memcpy(header + 100, "0004755", 8);
	memcpy(header + 108, "0000007", 8);
	memcpy(header + 116, "0000010", 8);
	memcpy(header + 136, "00000000000", 12);
	memset(header + 148, ' ', 8);
	header[156] = '0';
	if (len)
		header[156] = line[0];
	memcpy(header + 257, magic, sizeof(magic));
	if (text && (header[156] == '1' || header[156] == '2'))
		memcpy(header + 157, equals + 1, text);
	else if (text)
		memcpy(data, equals + 1, text);
	snprintf(header + 124, 12, "%011o", *data ? (unsigned int)text : 0U);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	assert(write(fd, header, BLOCK) == BLOCK);
	assert(!*data || write(fd, data, BLOCK) == BLOCK);
}

static void put_archive(int fd, const char *text, size_t len)
{
	static const char end[2 * BLOCK];

	if (len && *text == '!') {
		assert(write(fd, text + 1, len - 1) == (ssize_t)(len - 1));
		return;
	}
	while (len) {
		const char *stop = memchr(text, '\n', len);
		size_t line = stop ? (size_t)(stop - text) : len;

		put_entry(fd, text, line);
		text += line + (stop ? 1 : 0);
		len -= line + (stop ? 1 : 0);
	}
	assert(write(fd, end, sizeof(end)) == sizeof(end));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char outside[] = "/tmp/hull-fuzz-layer.XXXXXX";
	int fd;

	if (geteuid())
		return 0;
	fd = memfd_create("layer", MFD_CLOEXEC);
	assert(fd >= 0);
	put_archive(fd, (const char *)data, len);
	assert(mkdtemp(outside));
	umask(0);
	in_root(fd, outside);
	close(fd);
	assert(!tree_remove(AT_FDCWD, outside, NULL));
	return 0;
}
