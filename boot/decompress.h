/*
 * The compression formats in which distributions ship kernels, decoded as a
 * stream: bytes come from a range of a file and go to a sink in the order of
 * the plain data. The scratch memory is given back on return. Main thread.
 */
#ifndef BOOT_DECOMPRESS_H
#define BOOT_DECOMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "boot/file.h"
#include "core/err.h"

enum compression {
	COMPRESSION_UNKNOWN,
	COMPRESSION_NONE, /* an ELF file as it is */
	COMPRESSION_GZIP,
	COMPRESSION_XZ,
	COMPRESSION_ZSTD,
	COMPRESSION_LZ4, /* the legacy frame, which is what Linux uses */
	COMPRESSION_BZIP2,
	COMPRESSION_LZO, /* lzop's container */
	COMPRESSION_LZMA, /* lzma-alone */
};

/* Bytes of the beginning that compression_of looks at. */
#define COMPRESSION_MAGIC_BYTES 9

/* "gzip", "xz", ...; a constant string. */
const char *compression_name(enum compression format);

/* Recognizes a format by its first @len bytes. */
enum compression compression_of(const uint8_t *head, size_t len);

/* Takes the next @len plain bytes; an error ends the decoding. */
struct byte_sink {
	int (*write)(struct byte_sink *sink, const uint8_t *data, size_t len,
		     struct err *err);
};

struct byte_range {
	const struct boot_file *file; /* borrowed */
	uint64_t offset;
	uint64_t size_bytes;
};

/*
 * Decodes @input, which must yield exactly @plain_bytes: decoding stops with
 * an error as soon as there are more. -EINVAL says that the data are corrupt.
 */
int decompress(enum compression format, const struct byte_range *input,
	       uint64_t plain_bytes, struct byte_sink *sink, struct err *err);

#endif
