/*
 * bulk: writes and reads a lot, and says what it was.
 *
 *   bulk write FILE MIB SEED   MIB mebibytes that no other seed gives
 *   bulk read FILE MIB         read them
 *   bulk zero FILE AT MIB      make MIB mebibytes zero, AT behind the beginning
 *   bulk punch FILE AT MIB     the same, and they need no space
 *
 * write and read print one line: sum=HASH, of what was written or read, MIB
 * mebibytes from the file's beginning. What exists is not truncated.
 *
 * Theory of operation. In an emulated guest a cryptographic hash of a gigabyte
 * takes minutes, and so does a good random generator. What is written is a
 * Weyl sequence, in which no word comes twice, so that no piece can stand for
 * another; the hash takes each word in turn, so that it knows their order. I/O
 * is direct where the file can do that, a mebibyte at a time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES (1UL << 20)
#define CHUNK_WORDS (CHUNK_BYTES / sizeof(uint64_t))
#define ALIGN_BYTES 4096
/* Odd: as a step it reaches every word, as a factor it loses no bit. */
#define ODD	    0x9e3779b97f4a7c15ULL

static void die(const char *what)
{
	fprintf(stderr, "bulk: %s: %s\n", what, strerrordesc_np(errno));
	exit(1);
}

static uint64_t hash_add(uint64_t hash, const uint64_t *words)
{
	for (size_t i = 0; i < CHUNK_WORDS; i++) {
		hash = (hash ^ words[i]) * ODD;
		hash ^= hash >> 32;
	}
	return hash;
}

/* A word that depends on all bits of its place and of the seed. */
static void fill(uint64_t *words, uint64_t *state)
{
	for (size_t i = 0; i < CHUNK_WORDS; i++) {
		*state += ODD;
		words[i] = *state ^ *state >> 29;
	}
}

/* All of it, or the program ends. */
static void transfer(int fd, char *data, bool write_it)
{
	size_t done_bytes = 0;

	while (done_bytes < CHUNK_BYTES) {
		ssize_t got = write_it ? write(fd, data + done_bytes,
					       CHUNK_BYTES - done_bytes) :
					 read(fd, data + done_bytes,
					      CHUNK_BYTES - done_bytes);

		if (got == 0)
			errno = ENODATA;
		if (got <= 0)
			die(write_it ? "write" : "read");
		done_bytes += (size_t)got;
	}
}

static int open_file(const char *path, bool write_it)
{
	int flags = write_it ? O_WRONLY | O_CREAT : O_RDONLY;
	int fd = open(path, flags | O_CLOEXEC | O_DIRECT, 0644);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		die(path);
	return fd;
}

static unsigned long long number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end != '\0') {
		fprintf(stderr, "bulk: '%s' is no number\n", text);
		exit(2);
	}
	return value;
}

/* fallocate(2) with the arguments FILE AT MIB. */
static int make_zero(char **arguments, int mode)
{
	off_t at = (off_t)(number(arguments[1]) * CHUNK_BYTES);
	off_t bytes = (off_t)(number(arguments[2]) * CHUNK_BYTES);
	int fd = open(arguments[0], O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		die(arguments[0]);
	if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, at, bytes))
		die("fallocate");
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	bool write_it = argc == 5 && !strcmp(verb, "write");
	uint64_t *words;
	uint64_t hash = 0, state, chunks;
	int fd;

	if (argc == 5 && !strcmp(verb, "zero"))
		return make_zero(argv + 2, FALLOC_FL_ZERO_RANGE);
	if (argc == 5 && !strcmp(verb, "punch"))
		return make_zero(argv + 2, FALLOC_FL_PUNCH_HOLE);
	if (!write_it && (argc != 4 || strcmp(verb, "read") != 0)) {
		fputs("usage: bulk write FILE MIB SEED | read FILE MIB\n"
		      "       bulk zero FILE AT MIB | punch FILE AT MIB\n",
		      stderr);
		return 2;
	}
	words = aligned_alloc(ALIGN_BYTES, CHUNK_BYTES);
	if (!words)
		die("memory");
	chunks = number(argv[3]);
	state = write_it ? number(argv[4]) : 0;
	fd = open_file(argv[2], write_it);
	for (uint64_t i = 0; i < chunks; i++) {
		if (write_it)
			fill(words, &state);
		transfer(fd, (char *)words, write_it);
		hash = hash_add(hash, words);
	}
	if (write_it && fsync(fd))
		die("fsync");
	printf("sum=%016llx\n", (unsigned long long)hash);
	free(words);
	close(fd);
	return 0;
}
