/*
 * hull-unpack: what hull-ct starts to apply a layer of an image to a root
 * filesystem, which is this program's root directory already, and to write one
 * as an archive. The layer is standard input, the archive standard output. It
 * is a program of its own because it reads what others wrote, with a library
 * that is larger than all of hull-ct.
 *
 *	layer BYTES	applies a layer of an image
 *	plain BYTES	unpacks an archive that is no layer
 *	pack FILTER	writes one; progress goes to standard error
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/parse.h"
#include "unpack/layer.h"
#include "unpack/pack.h"

#define MAX_ENTRIES 4000000
#define IDS	    65536

static int usage(void)
{
	fprintf(stderr, "hull-unpack is for hull-ct alone\n");
	return 2;
}

static int unpack(const char *bytes, bool plain, struct err *err)
{
	struct layer_limits limits = { .entries = MAX_ENTRIES,
				       .ids = IDS,
				       .plain = plain };

	if (parse_u64(bytes, &limits.bytes))
		return usage();
	umask(0);
	return layer_apply(STDIN_FILENO, &limits, err);
}

int main(int argc, char *argv[])
{
	struct err err = { 0 };
	int rc;

	if (argc != 3)
		return usage();
	if (!strcmp(argv[1], "pack"))
		rc = pack_tree(STDOUT_FILENO, argv[2], STDERR_FILENO, &err);
	else
		rc = unpack(argv[2], !strcmp(argv[1], "plain"), &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	return rc < 0 ? 1 : rc;
}
