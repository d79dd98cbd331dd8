/*
 * Each decoder is one function over `struct stream`, which hands out input and
 * takes output through two buffers. The block formats (LZ4, LZO) need a whole
 * block of each in memory; the others work with what fits.
 */
#include "boot/decompress.h"

#include <bzlib.h>
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "core/bytes.h"

/* A dictionary of 128 MiB is the largest that Linux' build ever asks for. */
#define XZ_MEMORY_LIMIT (192 * MIB)

/* Decoded size of a full block in LZ4's legacy frame. */
#define LZ4_BLOCK_BYTES (8 * MIB)

/* lzop never writes larger blocks than this. */
#define LZO_BLOCK_BYTES (64 * MIB)

#define STREAM_BUFFER_BYTES (256 * KIB)

/* Scratch memory straight from the kernel, so that freeing gives it back. */
struct scratch {
	uint8_t *bytes; /* owned mapping */
	size_t size;
};

static int scratch_grow(struct scratch *scratch, size_t size, struct err *err)
{
	void *bytes;

	if (scratch->size >= size)
		return 0;
	if (scratch->bytes)
		munmap(scratch->bytes, scratch->size);
	*scratch = (struct scratch){ 0 };
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return err_sys(err, errno,
			       "no memory to decompress the kernel");
	scratch->bytes = bytes;
	scratch->size = size;
	return 0;
}

static void scratch_release(struct scratch *scratch)
{
	if (scratch->bytes)
		munmap(scratch->bytes, scratch->size);
	*scratch = (struct scratch){ 0 };
}

struct stream {
	enum compression format;
	const struct boot_file *file;
	uint64_t offset; /* of the next byte to read from the file */
	uint64_t input_left;
	uint64_t output_left;
	struct byte_sink *sink;
	struct scratch in;
	struct scratch out;
};

static int corrupt(const struct stream *stream, const char *detail,
		   struct err *err)
{
	return err_set(err, EINVAL, "%s %s: its %s payload is corrupt (%s)",
		       stream->file->what, stream->file->path,
		       compression_name(stream->format), detail);
}

/* Reads exactly @len bytes of the input. */
static int take(struct stream *stream, void *to, size_t len, struct err *err)
{
	int rc;

	if (len > stream->input_left)
		return corrupt(stream, "it ends too early", err);
	rc = boot_file_read(stream->file, stream->offset, to, len, err);
	if (rc)
		return rc;
	stream->offset += len;
	stream->input_left -= len;
	return 0;
}

/* Reads into stream->in what fits there; *ret_len is 0 at the end. */
static int take_some(struct stream *stream, size_t *ret_len, struct err *err)
{
	size_t len = (size_t)min_u64(stream->in.size, stream->input_left);
	int rc = take(stream, stream->in.bytes, len, err);

	if (!rc)
		*ret_len = len;
	return rc;
}

static int put(struct stream *stream, const uint8_t *data, size_t len,
	       struct err *err)
{
	if (len > stream->output_left)
		return corrupt(stream, "it is larger than it says", err);
	stream->output_left -= len;
	return len ? stream->sink->write(stream->sink, data, len, err) : 0;
}

static int buffers_init(struct stream *stream, struct err *err)
{
	int rc = scratch_grow(&stream->in, STREAM_BUFFER_BYTES, err);

	return rc ? rc : scratch_grow(&stream->out, STREAM_BUFFER_BYTES, err);
}

static int copy_plain(struct stream *stream, struct err *err)
{
	size_t len = 1;
	int rc = buffers_init(stream, err);

	while (!rc && len) {
		rc = take_some(stream, &len, err);
		if (!rc)
			rc = put(stream, stream->in.bytes, len, err);
	}
	return rc;
}

static int inflate_steps(struct stream *stream, z_stream *z, struct err *err)
{
	int state = Z_OK;

	while (state != Z_STREAM_END) {
		size_t made;
		int rc;

		if (!z->avail_in) {
			size_t len;

			rc = take_some(stream, &len, err);
			if (rc)
				return rc;
			z->next_in = stream->in.bytes;
			z->avail_in = (uInt)len;
		}
		z->next_out = stream->out.bytes;
		z->avail_out = (uInt)stream->out.size;
		state = inflate(z, Z_NO_FLUSH);
		/* Z_BUF_ERROR: no input is left and nothing was made. */
		if (state != Z_OK && state != Z_STREAM_END)
			return corrupt(stream, z->msg ? z->msg : "cut short",
				       err);
		made = stream->out.size - z->avail_out;
		rc = put(stream, stream->out.bytes, made, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int decode_gzip(struct stream *stream, struct err *err)
{
	z_stream z = { 0 };
	int rc = buffers_init(stream, err);

	if (rc)
		return rc;
	/* 16: a gzip header and trailer are there and get checked. */
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return err_set(err, ENOMEM, "cannot start zlib");
	rc = inflate_steps(stream, &z, err);
	inflateEnd(&z);
	return rc;
}

static const char *lzma_words(lzma_ret state)
{
	switch (state) {
	case LZMA_MEM_ERROR:
		return "no memory";
	case LZMA_MEMLIMIT_ERROR:
		return "its dictionary is too large";
	case LZMA_FORMAT_ERROR:
		return "not in this format";
	case LZMA_OPTIONS_ERROR:
		return "unknown filter";
	case LZMA_BUF_ERROR:
		return "cut short";
	default:
		return "bad data";
	}
}

static int lzma_steps(struct stream *stream, lzma_stream *lzma, struct err *err)
{
	lzma_ret state = LZMA_OK;

	while (state != LZMA_STREAM_END) {
		int rc;

		if (!lzma->avail_in) {
			rc = take_some(stream, &lzma->avail_in, err);
			if (rc)
				return rc;
			lzma->next_in = stream->in.bytes;
		}
		lzma->next_out = stream->out.bytes;
		lzma->avail_out = stream->out.size;
		state = lzma_code(lzma, LZMA_RUN);
		/* NO_CHECK and the like do not come up: flags are 0. */
		if (state != LZMA_OK && state != LZMA_STREAM_END)
			return corrupt(stream, lzma_words(state), err);
		rc = put(stream, stream->out.bytes,
			 stream->out.size - lzma->avail_out, err);
		if (rc)
			return rc;
		if (stream->output_left == 0 &&
		    stream->format == COMPRESSION_LZMA)
			break; /* may have no end marker */
	}
	return 0;
}

static int decode_lzma(struct stream *stream, struct err *err)
{
	lzma_stream lzma = LZMA_STREAM_INIT;
	lzma_ret state;
	int rc = buffers_init(stream, err);

	if (rc)
		return rc;
	/* The x86 BCJ filter that Linux adds is known to liblzma itself. */
	if (stream->format == COMPRESSION_XZ)
		state = lzma_stream_decoder(&lzma, XZ_MEMORY_LIMIT, 0);
	else
		state = lzma_alone_decoder(&lzma, XZ_MEMORY_LIMIT);
	if (state != LZMA_OK)
		return err_set(err, ENOMEM, "cannot start liblzma");
	rc = lzma_steps(stream, &lzma, err);
	lzma_end(&lzma);
	return rc;
}

static int zstd_steps(struct stream *stream, ZSTD_DCtx *zstd, struct err *err)
{
	ZSTD_inBuffer in = { .src = stream->in.bytes };
	size_t state = 1;

	while (state != 0) {
		ZSTD_outBuffer out = { .dst = stream->out.bytes,
				       .size = stream->out.size };
		size_t before = in.pos;
		int rc;

		if (in.pos == in.size) {
			rc = take_some(stream, &in.size, err);
			if (rc)
				return rc;
			in.pos = 0;
			before = 0;
		}
		state = ZSTD_decompressStream(zstd, &out, &in);
		if (ZSTD_isError(state))
			return corrupt(stream, ZSTD_getErrorName(state), err);
		if (in.pos == before && out.pos == 0 && state != 0)
			return corrupt(stream, "cut short", err);
		rc = put(stream, stream->out.bytes, out.pos, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int decode_zstd(struct stream *stream, struct err *err)
{
	ZSTD_DCtx *zstd;
	int rc = buffers_init(stream, err);

	if (rc)
		return rc;
	/* The default limit of the window, 128 MiB, is Linux' largest too. */
	zstd = ZSTD_createDCtx();
	if (!zstd)
		return err_set(err, ENOMEM, "cannot start libzstd");
	rc = zstd_steps(stream, zstd, err);
	ZSTD_freeDCtx(zstd);
	return rc;
}

static int bzip2_steps(struct stream *stream, bz_stream *bz, struct err *err)
{
	int state = BZ_OK;

	while (state != BZ_STREAM_END) {
		size_t made;
		int rc;

		if (!bz->avail_in) {
			size_t len;

			rc = take_some(stream, &len, err);
			if (rc)
				return rc;
			bz->next_in = (char *)stream->in.bytes;
			bz->avail_in = (unsigned int)len;
		}
		bz->next_out = (char *)stream->out.bytes;
		bz->avail_out = (unsigned int)stream->out.size;
		state = BZ2_bzDecompress(bz);
		if (state != BZ_OK && state != BZ_STREAM_END)
			return corrupt(stream, "bad data", err);
		made = stream->out.size - bz->avail_out;
		if (state == BZ_OK && !made && !bz->avail_in &&
		    !stream->input_left)
			return corrupt(stream, "cut short", err);
		rc = put(stream, stream->out.bytes, made, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int decode_bzip2(struct stream *stream, struct err *err)
{
	bz_stream bz = { 0 };
	int rc = buffers_init(stream, err);

	if (rc)
		return rc;
	if (BZ2_bzDecompressInit(&bz, 0, 0) != BZ_OK)
		return err_set(err, ENOMEM, "cannot start libbz2");
	rc = bzip2_steps(stream, &bz, err);
	BZ2_bzDecompressEnd(&bz);
	return rc;
}

static int lz4_block(struct stream *stream, uint32_t packed_bytes,
		     struct err *err)
{
	int made;
	int rc;

	if (packed_bytes > LZ4_COMPRESSBOUND(LZ4_BLOCK_BYTES))
		return corrupt(stream, "oversize block", err);
	rc = scratch_grow(&stream->in, packed_bytes, err);
	if (!rc)
		rc = scratch_grow(&stream->out, LZ4_BLOCK_BYTES, err);
	if (!rc)
		rc = take(stream, stream->in.bytes, packed_bytes, err);
	if (rc)
		return rc;
	made = LZ4_decompress_safe((const char *)stream->in.bytes,
				   (char *)stream->out.bytes, (int)packed_bytes,
				   (int)LZ4_BLOCK_BYTES);
	if (made < 0)
		return corrupt(stream, "bad block", err);
	return put(stream, stream->out.bytes, (size_t)made, err);
}

/* The legacy frame: a magic number, then blocks behind their sizes. */
static int decode_lz4(struct stream *stream, struct err *err)
{
	static const uint8_t magic[] = { 0x02, 0x21, 0x4c, 0x18 };
	uint8_t word[4];
	int rc = take(stream, word, sizeof(word), err);

	/* The first block may be the largest: size the buffer once. */
	if (!rc)
		rc = scratch_grow(&stream->in,
				  LZ4_COMPRESSBOUND(LZ4_BLOCK_BYTES), err);
	while (!rc && stream->input_left) {
		rc = take(stream, word, sizeof(word), err);
		if (rc)
			break;
		if (!memcmp(word, magic, sizeof(magic)))
			continue; /* another frame behind this one */
		if (load_le32(word) == 0)
			rc = corrupt(stream, "empty block", err);
		else
			rc = lz4_block(stream, load_le32(word), err);
	}
	return rc;
}

/* Flags of lzop's header that change what follows. */
#define LZOP_ADLER32_D 0x0001
#define LZOP_ADLER32_C 0x0002
#define LZOP_EXTRA     0x0040
#define LZOP_CRC32_D   0x0100
#define LZOP_CRC32_C   0x0200
#define LZOP_FILTER    0x0800

static int take_be32(struct stream *stream, uint32_t *ret_value,
		     struct err *err)
{
	uint8_t word[4];
	int rc = take(stream, word, sizeof(word), err);

	if (!rc)
		*ret_value = be32toh(load_le32(word));
	return rc;
}

/* The header up to the first block; yields the flags. */
static int lzop_header(struct stream *stream, uint32_t *ret_flags,
		       struct err *err)
{
	/* magic 9, version 2, library 2, needed 2, method 1, level 1 */
	uint8_t fixed[17];
	uint8_t rest[4 + 4 + 4 + 1]; /* mode, time low, time high, name */
	uint8_t name[255 + 4]; /* and the header's checksum */
	uint32_t filter;
	uint32_t flags;
	int rc = take(stream, fixed, sizeof(fixed), err);

	if (rc)
		return rc;
	/* Older headers are shorter; nobody has written one since 1997. */
	if ((fixed[9] << 8 | fixed[10]) < 0x0940)
		return corrupt(stream, "too old a version", err);
	rc = take_be32(stream, &flags, err);
	if (!rc && (flags & LZOP_FILTER))
		rc = take_be32(stream, &filter, err);
	if (!rc)
		rc = take(stream, rest, sizeof(rest), err);
	if (!rc)
		rc = take(stream, name, rest[12] + 4U, err);
	if (rc)
		return rc;
	if (flags & (LZOP_EXTRA | LZOP_FILTER))
		return corrupt(stream, "unknown header flags", err);
	*ret_flags = flags;
	return 0;
}

/* The checksums in front of a block; what is not there stays 0. */
struct lzop_sums {
	uint32_t adler_plain;
	uint32_t crc_plain;
};

static int lzop_sums(struct stream *stream, uint32_t flags, bool packed,
		     struct lzop_sums *ret_sums, struct err *err)
{
	struct lzop_sums sums = { 0 };
	uint32_t ignored;
	int rc = 0;

	if (flags & LZOP_ADLER32_D)
		rc = take_be32(stream, &sums.adler_plain, err);
	if (!rc && (flags & LZOP_CRC32_D))
		rc = take_be32(stream, &sums.crc_plain, err);
	if (!rc && packed && (flags & LZOP_ADLER32_C))
		rc = take_be32(stream, &ignored, err);
	if (!rc && packed && (flags & LZOP_CRC32_C))
		rc = take_be32(stream, &ignored, err);
	if (!rc)
		*ret_sums = sums;
	return rc;
}

static int lzop_block(struct stream *stream, uint32_t flags,
		      uint32_t plain_bytes, struct err *err)
{
	const uint8_t *plain = NULL;
	uint32_t packed_bytes = 0;
	struct lzop_sums sums = { 0 };
	lzo_uint made = plain_bytes;
	int rc = take_be32(stream, &packed_bytes, err);

	if (rc)
		return rc;
	if (plain_bytes > LZO_BLOCK_BYTES || packed_bytes > plain_bytes ||
	    packed_bytes == 0)
		return corrupt(stream, "impossible block size", err);
	rc = lzop_sums(stream, flags, packed_bytes < plain_bytes, &sums, err);
	if (!rc)
		rc = scratch_grow(&stream->in, packed_bytes, err);
	if (!rc)
		rc = scratch_grow(&stream->out, plain_bytes, err);
	if (!rc)
		rc = take(stream, stream->in.bytes, packed_bytes, err);
	if (rc)
		return rc;
	if (packed_bytes == plain_bytes) {
		plain = stream->in.bytes; /* stored */
	} else {
		plain = stream->out.bytes;
		if (lzo1x_decompress_safe(stream->in.bytes, packed_bytes,
					  stream->out.bytes, &made,
					  NULL) != LZO_E_OK ||
		    made != plain_bytes)
			return corrupt(stream, "bad block", err);
	}
	if (((flags & LZOP_ADLER32_D) &&
	     adler32(1, plain, plain_bytes) != sums.adler_plain) ||
	    ((flags & LZOP_CRC32_D) &&
	     crc32(0, plain, plain_bytes) != sums.crc_plain))
		return corrupt(stream, "checksum", err);
	return put(stream, plain, plain_bytes, err);
}

static int decode_lzo(struct stream *stream, struct err *err)
{
	uint32_t plain_bytes = 0;
	uint32_t flags = 0;
	int rc;

	if (lzo_init() != LZO_E_OK)
		return err_set(err, EINVAL, "liblzo2 does not work here");
	rc = lzop_header(stream, &flags, err);
	while (!rc) {
		rc = take_be32(stream, &plain_bytes, err);
		if (rc || plain_bytes == 0)
			break;
		rc = lzop_block(stream, flags, plain_bytes, err);
	}
	return rc;
}

struct format {
	enum compression format;
	const char *name;
	const char *magic;
	size_t magic_len;
	int (*decode)(struct stream *stream, struct err *err);
};

static const struct format formats[] = {
	{ COMPRESSION_NONE, "none",
	  "\x7f"
	  "ELF",
	  4, copy_plain },
	{ COMPRESSION_GZIP, "gzip", "\x1f\x8b\x08", 3, decode_gzip },
	{ COMPRESSION_XZ, "xz", "\xfd\x37zXZ\x00", 6, decode_lzma },
	{ COMPRESSION_ZSTD, "zstd", "\x28\xb5\x2f\xfd", 4, decode_zstd },
	{ COMPRESSION_LZ4, "lz4", "\x02\x21\x4c\x18", 4, decode_lz4 },
	{ COMPRESSION_BZIP2, "bzip2", "BZh", 3, decode_bzip2 },
	{ COMPRESSION_LZO, "lzo", "\x89LZO\x00\x0d\x0a\x1a\x0a", 9,
	  decode_lzo },
	{ COMPRESSION_LZMA, "lzma", "\x5d\x00\x00", 3, decode_lzma },
};

static const struct format *format_of(enum compression format)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i].format == format)
			return &formats[i];
	}
	return NULL;
}

const char *compression_name(enum compression format)
{
	const struct format *entry = format_of(format);

	return entry ? entry->name : "unknown";
}

enum compression compression_of(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (len >= formats[i].magic_len &&
		    !memcmp(head, formats[i].magic, formats[i].magic_len))
			return formats[i].format;
	}
	return COMPRESSION_UNKNOWN;
}

int decompress(enum compression format, const struct byte_range *input,
	       uint64_t plain_bytes, struct byte_sink *sink, struct err *err)
{
	const struct format *entry = format_of(format);
	struct stream stream = {
		.format = format,
		.file = input->file,
		.offset = input->offset,
		.input_left = input->size_bytes,
		.output_left = plain_bytes,
		.sink = sink,
	};
	int rc;

	if (!entry)
		return err_set(err, EINVAL, "%s %s: unknown payload format",
			       input->file->what, input->file->path);
	rc = entry->decode(&stream, err);
	if (!rc && stream.output_left)
		rc = corrupt(&stream, "it is smaller than it says", err);
	scratch_release(&stream.in);
	scratch_release(&stream.out);
	return rc;
}
