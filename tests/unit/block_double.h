/*
 * A block backend over memory that does what it is told: requests wait until
 * the test completes them, in any order and with any result; there is room for
 * so many; submit fails when asked to. What a power cut would leave is kept
 * apart from what was written.
 */
#ifndef TESTS_UNIT_BLOCK_DOUBLE_H
#define TESTS_UNIT_BLOCK_DOUBLE_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "io/block.h"

#define BLOCK_DOUBLE_MAX 512

struct block_double {
	struct block block;
	uint8_t *disk; /* owned, as was written */
	uint8_t *stable; /* owned, as a power cut would leave it */
	uint64_t size_bytes;
	struct block_request *pending[BLOCK_DOUBLE_MAX];
	unsigned int count;
	unsigned int room; /* requests there may be */
	int submit_error; /* of the next submit */
	unsigned int submits; /* that were taken */
	unsigned int refused;
	unsigned int by_op[BLOCK_WRITE_ZEROES + 1];
	unsigned int durables;
	unsigned int unmaps;
};

static inline int block_double_submit(struct block *base,
				      struct block_request *request)
{
	struct block_double *self =
		container_of(base, struct block_double, block);
	int error = self->submit_error;
	uint64_t bytes = 0;

	if (error) {
		self->submit_error = 0;
		return error;
	}
	if (self->count >= self->room) {
		self->refused++;
		return -EAGAIN;
	}
	/* What a device must have checked before. */
	assert(request->op == BLOCK_FLUSH ||
	       (request->length_bytes &&
		request->offset_bytes + request->length_bytes <=
			self->size_bytes &&
		request->offset_bytes % 512 == 0 &&
		request->length_bytes % 512 == 0));
	for (unsigned int i = 0;
	     request->op <= BLOCK_WRITE && i < request->iov_count; i++)
		bytes += request->iov[i].iov_len;
	assert(request->op > BLOCK_WRITE || bytes == request->length_bytes);
	for (unsigned int i = 0; i < self->count; i++)
		assert(self->pending[i] != request);
	self->pending[self->count++] = request;
	self->submits++;
	self->by_op[request->op]++;
	self->durables += request->durable;
	self->unmaps += request->unmap;
	return 0;
}

/* As the disk would: @bytes of it. */
static inline void block_double_act(struct block_double *self,
				    const struct block_request *request,
				    uint64_t bytes)
{
	uint8_t *at = self->disk + request->offset_bytes;

	if (request->op == BLOCK_FLUSH) {
		memcpy(self->stable, self->disk, self->size_bytes);
	} else if (request->op > BLOCK_WRITE) {
		memset(at, 0, bytes);
	} else {
		for (unsigned int i = 0; bytes; i++) {
			const struct iovec *iov = &request->iov[i];
			size_t n = (size_t)min_u64(bytes, iov->iov_len);

			if (request->op == BLOCK_WRITE)
				memcpy(at, iov->iov_base, n);
			else
				memcpy(iov->iov_base, at, n);
			at += n;
			bytes -= n;
		}
	}
	if (request->durable)
		memcpy(self->stable + request->offset_bytes,
		       self->disk + request->offset_bytes,
		       request->length_bytes);
}

/* Completes the request that waits at @index. */
static inline void block_double_complete(struct block_double *self,
					 unsigned int index, int result)
{
	struct block_request *request = self->pending[index];

	assert(index < self->count);
	self->pending[index] = self->pending[--self->count];
	if (!result)
		block_double_act(self, request, request->length_bytes);
	else if (request->op <= BLOCK_WRITE)
		/* An error in the middle of it. */
		block_double_act(self, request, request->length_bytes / 2);
	request->done(request, result);
}

/* All that wait now and what they lead to, the latest first. */
static inline void block_double_complete_all(struct block_double *self,
					     int result)
{
	while (self->count)
		block_double_complete(self, self->count - 1, result);
}

static inline void block_double_init(struct block_double *self,
				     uint64_t size_bytes)
{
	static const struct block_ops ops = { .submit = block_double_submit };

	*self = (struct block_double){
		.block = { .ops = &ops },
		.disk = calloc(1, size_bytes),
		.stable = calloc(1, size_bytes),
		.size_bytes = size_bytes,
		.room = BLOCK_DOUBLE_MAX,
	};
	assert(self->disk && self->stable);
}

static inline void block_double_release(struct block_double *self)
{
	assert(!self->count);
	free(self->disk);
	free(self->stable);
}

#endif
