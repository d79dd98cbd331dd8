/*
 * Disk images on real files: opening, locking, data through every cache mode,
 * and a ring whose results are bent.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/block_uring.h"
#include "io/uring.h"
#include "tests/unit/quick_check.h"

#define IMAGE_BYTES (4 * MIB)
#define BUFFER	    (1 * MIB)

/* The disk's file system, and one in memory. */
static const char *const places[] = { "/var/tmp", "/dev/shm" };

static char directory[64];
static char path[sizeof(directory) + 16];
static struct err err;
static struct iothread *io;
static struct uring *ring;
static struct block_file *file;
static struct block *block;
static uint8_t *buffer; /* aligned to a page */
static uint8_t *expected;

static void make_directory(const char *place)
{
	snprintf(directory, sizeof(directory), "%s/hull-block-XXXXXX", place);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/image", directory);
}

static void make_image(uint64_t size_bytes)
{
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size_bytes), 0);
	close(fd);
}

static void set_up(void)
{
	make_directory(places[0]);
	ck_assert_int_eq(posix_memalign((void **)&buffer, 4096, BUFFER), 0);
	expected = malloc(BUFFER);
	ck_assert_ptr_nonnull(expected);
	for (size_t i = 0; i < BUFFER; i++)
		expected[i] = (uint8_t)(i * 7 + i / 512);
}

static void use_place(const char *place)
{
	rmdir(directory);
	make_directory(place);
}

static void tear_down(void)
{
	block_uring_free(block);
	block = NULL;
	iothread_free(io);
	io = NULL;
	block_file_free(file);
	file = NULL;
	unlink(path);
	rmdir(directory);
	free(buffer);
	free(expected);
}

static int try_open(const char *name, enum block_cache cache, bool read_only)
{
	const struct block_file_config config = {
		.path = name,
		.cache = cache,
		.read_only = read_only,
		.discard = true,
	};

	return block_file_open(&config, &file, &err);
}

static void start_io(unsigned int entries)
{
	const struct iothread_config config = { .name = "io",
						.entries = entries };

	ck_assert_msg(iothread_new(&config, &io, &err) == 0, "%s", err.msg);
	ring = iothread_uring(io);
	ck_assert_int_eq(iothread_start(io, &err), 0);
}

static void start(enum block_cache cache)
{
	make_image(IMAGE_BYTES);
	ck_assert_msg(try_open(path, cache, false) == 0, "%s", err.msg);
	start_io(0);
	ck_assert_int_eq(block_uring_new(file, io, &block, &err), 0);
}

/* --- Opening ------------------------------------------------------------- */

static void refused(int rc, int code, const char *says)
{
	ck_assert_int_eq(rc, -code);
	ck_assert_msg(strstr(err.msg, says) != NULL, "%s", err.msg);
	ck_assert_ptr_null(file);
}

START_TEST(test_what_cannot_be_opened)
{
	refused(try_open(path, BLOCK_CACHE_WRITEBACK, false), ENOENT,
		"does not exist");
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	refused(try_open(directory, BLOCK_CACHE_WRITEBACK, false), EISDIR,
		"is a directory");
	refused(try_open(directory, BLOCK_CACHE_NONE, true), EISDIR,
		"is a directory");
	refused(try_open("/dev/null", BLOCK_CACHE_NONE, false), EINVAL,
		"keeps data");
	make_image(0);
	refused(try_open(path, BLOCK_CACHE_WRITEBACK, false), EINVAL,
		"is empty");
	make_image(1000);
	refused(try_open(path, BLOCK_CACHE_WRITEBACK, false), EINVAL,
		"truncate -s %512");
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	refused(try_open(path, BLOCK_CACHE_NONE, true), EINVAL, "keeps data");
}
END_TEST

START_TEST(test_permission)
{
	struct stat st;

	make_image(IMAGE_BYTES);
	ck_assert_int_eq(chmod(path, 0400), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	/* Root may write all the same: as somebody else. */
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(directory, 0755), 0);
		ck_assert_int_eq(chown(path, 65534, 65534), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	}
	refused(try_open(path, BLOCK_CACHE_WRITEBACK, false), EACCES, ",ro");
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_WRITEBACK, true), 0);
	ck_assert(file->info.read_only);
	ck_assert(!file->info.discard);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(test_info)
{
	make_image(IMAGE_BYTES);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_NONE, false), 0);
	ck_assert_uint_eq(file->info.size_bytes, IMAGE_BYTES);
	ck_assert_uint_eq(file->info.logical_block_bytes, 512);
	ck_assert_uint_ge(file->info.physical_block_bytes, 512);
	ck_assert_uint_ge(file->memory_align, 1);
	ck_assert_uint_ge(file->offset_align, 512);
	ck_assert(!file->info.writethrough);
	block_file_free(file);
	file = NULL;
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_WRITETHROUGH, false), 0);
	ck_assert(file->info.writethrough);
}
END_TEST

START_TEST(test_resize)
{
	make_image(IMAGE_BYTES);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_WRITEBACK, false), 0);
	ck_assert_int_eq(block_file_refresh(file, &err), 0);
	make_image(2 * IMAGE_BYTES);
	ck_assert_int_eq(block_file_refresh(file, &err), 1);
	ck_assert_uint_eq(file->info.size_bytes, 2 * IMAGE_BYTES);
	make_image(2 * IMAGE_BYTES + 1);
	ck_assert_int_eq(block_file_refresh(file, &err), -EINVAL);
	ck_assert_uint_eq(file->info.size_bytes, 2 * IMAGE_BYTES);
}
END_TEST

/* --- Locks --------------------------------------------------------------- */

START_TEST(test_two_in_one_process)
{
	struct block_file *first;

	make_image(IMAGE_BYTES);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_NONE, false), 0);
	first = file;
	file = NULL;
	refused(try_open(path, BLOCK_CACHE_NONE, false), EBUSY, "given twice");
	refused(try_open(path, BLOCK_CACHE_NONE, true), EBUSY, "given twice");
	block_file_free(first);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_NONE, true), 0);
	first = file;
	file = NULL;
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_NONE, true), 0);
	block_file_free(first);
}
END_TEST

START_TEST(test_another_process)
{
	char pid_text[64];
	int ready[2];
	char byte;
	pid_t pid;

	make_image(IMAGE_BYTES);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (try_open(path, BLOCK_CACHE_WRITEBACK, false) == 0 &&
		    write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	snprintf(pid_text, sizeof(pid_text), "in use by process %d;", pid);
	refused(try_open(path, BLOCK_CACHE_WRITEBACK, false), EBUSY, pid_text);
	refused(try_open(path, BLOCK_CACHE_WRITEBACK, true), EBUSY, pid_text);
	/* The lock goes with its process, however that ends. */
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_WRITEBACK, false), 0);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

/* Its ring outlives a process that is killed, and keeps the file open. */
START_TEST(test_killed_with_a_ring)
{
	int ready[2];
	char byte;

	make_image(IMAGE_BYTES);
	ck_assert_int_eq(pipe(ready), 0);
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			if (try_open(path, BLOCK_CACHE_NONE, false))
				_exit(1);
			start_io(0);
			if (!block_uring_new(file, io, &block, &err) &&
			    write(ready[1], "x", 1) == 1)
				pause();
			_exit(1);
		}
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		ck_assert_msg(try_open(path, BLOCK_CACHE_NONE, false) == 0,
			      "%s", err.msg);
		block_file_free(file);
		file = NULL;
	}
	close(ready[0]);
	close(ready[1]);
}
END_TEST

/* --- Requests ------------------------------------------------------------ */

struct transfer {
	struct block_request request;
	struct iovec iov[8];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	bool submitting;
	unsigned int calls;
	int submitted;
	int result;
};

static struct transfer transfer = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

static void on_transfer_done(struct block_request *request, int result)
{
	struct transfer *t = container_of(request, struct transfer, request);

	/* Never inside of submit. */
	ck_assert(!t->submitting);
	pthread_mutex_lock(&t->lock);
	t->calls++;
	t->result = result;
	t->is_done = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void submit_transfer(void *opaque)
{
	struct transfer *t = opaque;

	t->is_done = false;
	t->submitting = true;
	t->submitted = block_submit(block, &t->request);
	t->submitting = false;
}

/* What came of it: -errno of submit or of done. */
static int run(struct transfer *t)
{
	struct iovec before[8];

	memcpy(before, t->iov, sizeof(before));
	t->request.iov = t->iov;
	t->request.done = on_transfer_done;
	t->calls = 0;
	io_context_call(iothread_context(io), submit_transfer, t);
	if (t->submitted)
		return t->submitted;
	pthread_mutex_lock(&t->lock);
	while (!t->is_done)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
	ck_assert_uint_eq(t->calls, 1);
	/* As the caller gave it. */
	ck_assert_mem_eq(before, t->iov, sizeof(before));
	return t->result;
}

/* @count segments of equal length. */
/* NOLINTNEXTLINE(readability-non-const-parameter): iov_base is not const */
static int rw(enum block_op op, uint8_t *at, uint64_t offset, size_t bytes,
	      unsigned int count)
{
	transfer.request.op = op;
	transfer.request.offset_bytes = offset;
	transfer.request.length_bytes = bytes;
	transfer.request.iov_count = (uint16_t)count;
	for (unsigned int i = 0; i < count; i++)
		transfer.iov[i] =
			(struct iovec){ at + bytes / count * i, bytes / count };
	return run(&transfer);
}

static int range(enum block_op op, uint64_t offset, uint64_t bytes)
{
	transfer.request.op = op;
	transfer.request.offset_bytes = offset;
	transfer.request.length_bytes = bytes;
	transfer.request.iov_count = 0;
	return run(&transfer);
}

/* What another process reads. */
static void check_file(uint64_t offset, const void *bytes, size_t len)
{
	uint8_t *seen = malloc(len);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_ptr_nonnull(seen);
	ck_assert_int_eq(pread(fd, seen, len, (off_t)offset), (ssize_t)len);
	ck_assert_mem_eq(seen, bytes, len);
	close(fd);
	free(seen);
}

static void write_and_read(uint8_t *at, uint64_t offset, size_t bytes,
			   unsigned int count)
{
	memcpy(at, expected, bytes);
	ck_assert_int_eq(rw(BLOCK_WRITE, at, offset, bytes, count), 0);
	check_file(offset, expected, bytes);
	memset(at, 0xee, bytes);
	ck_assert_int_eq(rw(BLOCK_READ, at, offset, bytes, count), 0);
	ck_assert_mem_eq(at, expected, bytes);
}

static const enum block_cache caches[] = {
	BLOCK_CACHE_NONE,
	BLOCK_CACHE_WRITEBACK,
	BLOCK_CACHE_WRITETHROUGH,
	BLOCK_CACHE_UNSAFE,
};

/* Each place with each cache mode. */
START_TEST(test_data)
{
	use_place(places[_i / 4]);
	start(caches[_i % 4]);
	write_and_read(buffer, 0, 4096, 1);
	write_and_read(buffer, IMAGE_BYTES - 4096, 4096, 1);
	write_and_read(buffer, 12288, 8UL * 4096, 8);
	write_and_read(buffer, 512, 512, 1);
	write_and_read(buffer, 65536, BUFFER, 4);
	/* Memory that direct I/O cannot take. */
	write_and_read(buffer + 1, 8192, 4096, 1);
	write_and_read(buffer + 3, 2048, BUFFER / 2, 2);
	transfer.request.durable = true;
	write_and_read(buffer, 4096, 4096, 1);
	write_and_read(buffer + 1, 4096, 4096, 1);
	transfer.request.durable = false;
	ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), 0);
}
END_TEST

static void zero_and_check(enum block_op op, uint64_t offset, size_t bytes)
{
	uint8_t *zeroes = calloc(1, bytes);

	ck_assert_ptr_nonnull(zeroes);
	for (uint64_t at = 0; at < IMAGE_BYTES; at += BUFFER) {
		memcpy(buffer, expected, BUFFER);
		ck_assert_int_eq(rw(BLOCK_WRITE, buffer, at, BUFFER, 1), 0);
	}
	ck_assert_int_eq(range(op, offset, bytes), 0);
	check_file(offset, zeroes, bytes);
	check_file(offset - 512, expected + (offset - 512) % BUFFER, 512);
	check_file(offset + bytes, expected + (offset + bytes) % BUFFER, 512);
	free(zeroes);
}

/* tmpfs has no ZERO_RANGE: plain writes take its place. */
START_TEST(test_zeroes)
{
	struct stat st;

	use_place(places[_i / 4]);
	start(caches[_i % 4]);
	zero_and_check(BLOCK_WRITE_ZEROES, 8192, 4096);
	zero_and_check(BLOCK_WRITE_ZEROES, 512, 3 * MIB);
	transfer.request.durable = true;
	zero_and_check(BLOCK_WRITE_ZEROES, 1024, 2 * MIB);
	transfer.request.unmap = true;
	zero_and_check(BLOCK_WRITE_ZEROES, 4096, 2 * MIB);
	zero_and_check(BLOCK_DISCARD, 8192, 2 * MIB);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, IMAGE_BYTES);
	ck_assert_int_lt(st.st_blocks * 512, IMAGE_BYTES - 1 * MIB);
	ck_assert_int_eq(file->no_zero_range, _i / 4 == 1);
}
END_TEST

/* A machine is put together before its threads run. */
START_TEST(test_before_the_thread_runs)
{
	const struct iothread_config config = { .name = "io" };

	make_image(IMAGE_BYTES);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_NONE, false), 0);
	ck_assert_int_eq(iothread_new(&config, &io, &err), 0);
	ring = iothread_uring(io);
	ck_assert_int_eq(block_uring_new(file, io, &block, &err), 0);
	ck_assert_uint_eq(ring->files, 1);
	ck_assert_int_eq(iothread_start(io, &err), 0);
	write_and_read(buffer, 0, 65536, 4);
	/* And taken apart after they ended. */
	iothread_stop(io);
}
END_TEST

START_TEST(test_read_only)
{
	make_image(IMAGE_BYTES);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_WRITEBACK, true), 0);
	start_io(0);
	ck_assert_int_eq(block_uring_new(file, io, &block, &err), 0);
	ck_assert_int_eq(rw(BLOCK_READ, buffer, 0, 4096, 1), 0);
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), -EROFS);
	ck_assert_int_eq(range(BLOCK_WRITE_ZEROES, 0, 4096), -EROFS);
	ck_assert_int_eq(range(BLOCK_DISCARD, 0, 4096), -EOPNOTSUPP);
	ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), 0);
}
END_TEST

/* Nobody makes up zeroes for what somebody cut off. */
START_TEST(test_cut_file)
{
	start(caches[_i]);
	write_and_read(buffer, 0, BUFFER, 1);
	ck_assert_int_eq(truncate(path, 8192), 0);
	ck_assert_int_eq(rw(BLOCK_READ, buffer, 0, 8192, 1), 0);
	ck_assert_int_eq(rw(BLOCK_READ, buffer, 4096, 8192, 1), -EIO);
	ck_assert_int_eq(rw(BLOCK_READ, buffer, 65536, 4096, 1), -EIO);
	ck_assert_int_eq(rw(BLOCK_READ, buffer + 1, 4096, 8192, 1), -EIO);
}
END_TEST

START_TEST(test_no_space)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit limit = { IMAGE_BYTES, IMAGE_BYTES };

	/* A file that may not grow: the nearest thing to a full disk. */
	start(BLOCK_CACHE_WRITEBACK);
	ck_assert_int_eq(sigaction(SIGXFSZ, &ignore, NULL), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, IMAGE_BYTES, 4096, 1), -EFBIG);
	/* Half of it fits. */
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, IMAGE_BYTES - 4096, 8192, 1),
			 -EFBIG);
	write_and_read(buffer, IMAGE_BYTES - 4096, 4096, 1);
}
END_TEST

/* --- A ring that is bent ------------------------------------------------- */

static int (*real_enter)(struct uring *uring, enum uring_enter how,
			 struct __kernel_timespec *timeout);
static struct {
	int result; /* instead of what it was */
	unsigned int opcode; /* of what is bent */
	unsigned int times; /* how often */
	size_t shorten; /* transfers to at most so much */
	unsigned int seen;
	unsigned int durable; /* of those, with RWF_DSYNC */
	uint64_t victim; /* user_data */
} bend;

static void bend_submissions(const struct uring *uring)
{
	const struct io_uring_sq *sq = &uring->ring.sq;

	for (unsigned int i = sq->sqe_head; i != sq->sqe_tail; i++) {
		struct io_uring_sqe *sqe = &sq->sqes[i & sq->ring_mask];

		if (sqe->opcode != bend.opcode)
			continue;
		bend.seen++;
		bend.durable += sqe->rw_flags == RWF_DSYNC;
		if (bend.shorten && (sqe->opcode == IORING_OP_READV ||
				     sqe->opcode == IORING_OP_WRITEV))
			sqe->len = 1;
		else if (bend.shorten && sqe->len > bend.shorten)
			sqe->len = (uint32_t)bend.shorten;
		if (bend.times && bend.result)
			bend.victim = sqe->user_data;
	}
}

static void bend_completions(const struct uring *uring)
{
	const struct io_uring_cq *cq = &uring->ring.cq;

	for (unsigned int i = *cq->khead; i != *cq->ktail; i++) {
		struct io_uring_cqe *cqe = &cq->cqes[i & cq->ring_mask];

		if (!bend.victim || cqe->user_data != bend.victim)
			continue;
		cqe->res = bend.result;
		bend.times--;
		bend.victim = 0;
	}
}

static int bent_enter(struct uring *uring, enum uring_enter how,
		      struct __kernel_timespec *timeout)
{
	int rc;

	bend_submissions(uring);
	rc = real_enter(uring, how, timeout);
	bend_completions(uring);
	return rc;
}

static void set_bend(void *opaque)
{
	(void)opaque;
	if (!real_enter)
		real_enter = ring->enter;
	ring->enter = bent_enter;
}

static void bend_it(unsigned int opcode, int result, unsigned int times,
		    size_t shorten)
{
	memset(&bend, 0, sizeof(bend));
	bend.opcode = opcode;
	bend.result = result;
	bend.times = times;
	bend.shorten = shorten;
	io_context_call(iothread_context(io), set_bend, NULL);
}

START_TEST(test_short_results)
{
	start(caches[_i]);
	bend_it(IORING_OP_WRITE, 0, 0, 4096);
	memcpy(buffer, expected, 65536);
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 65536, 1), 0);
	ck_assert_uint_eq(bend.seen, 16);
	bend_it(IORING_OP_READ, 0, 0, 4096);
	memset(buffer, 0, 65536);
	ck_assert_int_eq(rw(BLOCK_READ, buffer, 0, 65536, 1), 0);
	ck_assert_uint_eq(bend.seen, 16);
	ck_assert_mem_eq(buffer, expected, 65536);
	/* One segment at a time, then in pieces. */
	bend_it(IORING_OP_WRITEV, 0, 0, 1);
	write_and_read(buffer, 65536, 8UL * 4096, 8);
	ck_assert_uint_eq(bend.seen, 7);
	bend_it(IORING_OP_READV, 0, 0, 1);
	write_and_read(buffer, 65536, 4UL * 4096, 4);
	ck_assert_uint_eq(bend.seen, 3);
	/* In the middle of a segment, with others before and behind it. */
	bend_it(IORING_OP_WRITEV, 3 * 4096 + 512, 2, 0);
	write_and_read(buffer, 65536, 8UL * 4096, 8);
	bend_it(IORING_OP_READV, 2 * 4096 + 512, 3, 0);
	write_and_read(buffer, 65536, 8UL * 4096, 8);
	ck_assert_uint_eq(bend.times, 0);
	/* Through the bounce buffer, where there is one. */
	bend_it(IORING_OP_READ, 0, 0, 4096);
	write_and_read(buffer + 1, 65536, 65536, 1);
	bend_it(IORING_OP_WRITE, 0, 0, 4096);
	write_and_read(buffer + 1, 65536, 65536, 1);
	ck_assert_int_eq(file->flush_error, 0);
}
END_TEST

START_TEST(test_interrupted)
{
	static const int errors[] = { -EINTR, -EAGAIN };

	start(BLOCK_CACHE_NONE);
	for (unsigned int i = 0; i < 2; i++) {
		bend_it(IORING_OP_WRITE, errors[i], 20, 0);
		write_and_read(buffer, 0, 4096, 1);
		ck_assert_uint_eq(bend.times, 0);
		bend_it(IORING_OP_READV, errors[i], 20, 0);
		write_and_read(buffer, 0, 8192, 2);
		ck_assert_uint_eq(bend.times, 0);
		bend_it(IORING_OP_FSYNC, errors[i], 3, 0);
		ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), 0);
		bend_it(IORING_OP_FALLOCATE, errors[i], 3, 0);
		ck_assert_int_eq(range(BLOCK_WRITE_ZEROES, 0, 4096), 0);
	}
	ck_assert_int_eq(file->flush_error, 0);
}
END_TEST

START_TEST(test_errors)
{
	start(BLOCK_CACHE_NONE);
	bend_it(IORING_OP_WRITE, -EIO, 1, 0);
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), -EIO);
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), 0);
	bend_it(IORING_OP_WRITE, -ENOSPC, 1, 0);
	transfer.request.durable = true;
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), -ENOSPC);
	transfer.request.durable = false;
	bend_it(IORING_OP_READ, -EIO, 1, 0);
	ck_assert_int_eq(rw(BLOCK_READ, buffer, 0, 4096, 1), -EIO);
	bend_it(IORING_OP_FALLOCATE, -EIO, 1, 0);
	ck_assert_int_eq(range(BLOCK_DISCARD, 0, 4096), -EIO);
	/* None of these is a flush that failed. */
	ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), 0);
}
END_TEST

START_TEST(test_failed_flush_is_sticky)
{
	struct block *other;

	start(BLOCK_CACHE_WRITEBACK);
	ck_assert_int_eq(block_uring_new(file, io, &other, &err), 0);
	bend_it(IORING_OP_FSYNC, -EIO, 1, 0);
	ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), -EIO);
	ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), -EIO);
	block_uring_free(block);
	block = other;
	/* For every user of the file. */
	ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), -EIO);
	ck_assert_int_eq(rw(BLOCK_READ, buffer, 0, 4096, 1), 0);
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), 0);
	transfer.request.durable = true;
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), -EIO);
	ck_assert_int_eq(range(BLOCK_WRITE_ZEROES, 0, 4096), -EIO);
	transfer.request.durable = false;
}
END_TEST

START_TEST(test_durable_write_that_fails_is_sticky)
{
	start(BLOCK_CACHE_WRITEBACK);
	bend_it(IORING_OP_WRITE, -EIO, 1, 0);
	transfer.request.durable = true;
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), -EIO);
	transfer.request.durable = false;
	ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), -EIO);
}
END_TEST

START_TEST(test_no_fallocate)
{
	start(caches[_i]);
	bend_it(IORING_OP_FALLOCATE, -EOPNOTSUPP, 2, 0);
	transfer.request.unmap = true;
	zero_and_check(BLOCK_WRITE_ZEROES, 4096, 2 * MIB);
	ck_assert(file->no_punch_hole);
	ck_assert(file->no_zero_range);
	ck_assert_uint_eq(bend.seen, 2);
	/* Not asked for again; a discard is then nothing at all. */
	zero_and_check(BLOCK_WRITE_ZEROES, 4096, 4096);
	ck_assert_int_eq(range(BLOCK_DISCARD, 0, 4096), 0);
	ck_assert_uint_eq(bend.seen, 2);
	check_file(0, expected, 4096);
}
END_TEST

/* What reaches the kernel: never a flush more than asked for, nor less. */
START_TEST(test_flushes_are_honest)
{
	bool unsafe = caches[_i] == BLOCK_CACHE_UNSAFE;

	start(caches[_i]);
	bend_it(IORING_OP_WRITE, 0, 0, 0);
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), 0);
	ck_assert_uint_eq(bend.durable, 0);
	transfer.request.durable = true;
	ck_assert_int_eq(rw(BLOCK_WRITE, buffer, 0, 4096, 1), 0);
	ck_assert_uint_eq(bend.durable, unsafe ? 0 : 1);
	transfer.request.durable = false;
	bend_it(IORING_OP_FSYNC, 0, 0, 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(range(BLOCK_FLUSH, 0, 0), 0);
	ck_assert_uint_eq(bend.seen, unsafe ? 0 : 5);
	transfer.request.durable = true;
	ck_assert_int_eq(range(BLOCK_WRITE_ZEROES, 0, 4096), 0);
	ck_assert_uint_eq(bend.seen, unsafe ? 0 : 6);
	transfer.request.durable = false;
}
END_TEST

/* --- Many at once -------------------------------------------------------- */

#define MANY 100

static struct transfer many[MANY];
static atomic_uint many_done;
static unsigned int many_next;

static void submit_many(void *opaque)
{
	(void)opaque;
	while (many_next < MANY) {
		int rc = block_submit(block, &many[many_next].request);

		if (rc == -EAGAIN)
			return;
		ck_assert_int_eq(rc, 0);
		many_next++;
	}
}

static void on_one_of_many(struct block_request *request, int result)
{
	struct transfer *t = container_of(request, struct transfer, request);

	ck_assert_int_eq(result, 0);
	t->calls++;
	atomic_fetch_add(&many_done, 1);
	submit_many(NULL);
}

/* A ring that holds fewer, and a bounce buffer that is one. */
START_TEST(test_more_than_fits)
{
	make_image(IMAGE_BYTES);
	ck_assert_int_eq(try_open(path, BLOCK_CACHE_NONE, false), 0);
	/* ext4 takes any address that is a multiple of four. */
	file->memory_align = 512;
	start_io(4);
	ck_assert_int_eq(block_uring_new(file, io, &block, &err), 0);
	for (unsigned int i = 0; i < MANY; i++) {
		struct transfer *t = &many[i];

		t->iov[0] =
			(struct iovec){ buffer + 8192UL * i + (i % 3 ? 0 : 4),
					4096 };
		t->request = (struct block_request){
			.op = BLOCK_READ,
			.iov = t->iov,
			.iov_count = 1,
			.offset_bytes = 4096ULL * i,
			.length_bytes = 4096,
			.done = on_one_of_many,
		};
	}
	io_context_call(iothread_context(io), submit_many, NULL);
	for (int i = 0; i < 5000 && many_done < MANY; i++)
		usleep(1000);
	ck_assert_uint_eq(many_done, MANY);
	for (unsigned int i = 0; i < MANY; i++)
		ck_assert_uint_eq(many[i].calls, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io/block");
	TCase *tcase = tcase_create("block");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_what_cannot_be_opened);
	tcase_add_test(tcase, test_permission);
	tcase_add_test(tcase, test_info);
	tcase_add_test(tcase, test_resize);
	tcase_add_test(tcase, test_two_in_one_process);
	tcase_add_test(tcase, test_another_process);
	tcase_add_test(tcase, test_killed_with_a_ring);
	tcase_add_loop_test(tcase, test_data, 0, 8);
	tcase_add_loop_test(tcase, test_zeroes, 0, 8);
	tcase_add_test(tcase, test_before_the_thread_runs);
	tcase_add_test(tcase, test_read_only);
	tcase_add_loop_test(tcase, test_cut_file, 0, 2);
	tcase_add_test(tcase, test_no_space);
	tcase_add_loop_test(tcase, test_short_results, 0, 2);
	tcase_add_test(tcase, test_interrupted);
	tcase_add_test(tcase, test_errors);
	tcase_add_test(tcase, test_failed_flush_is_sticky);
	tcase_add_test(tcase, test_durable_write_that_fails_is_sticky);
	tcase_add_loop_test(tcase, test_no_fallocate, 0, 2);
	tcase_add_loop_test(tcase, test_flushes_are_honest, 0, 4);
	tcase_add_test(tcase, test_more_than_fits);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
