/*
 * The block backend over an I/O thread's ring: one instance for each user of a
 * file, a queue of a disk, say. Nothing is allocated after block_uring_new,
 * but for one buffer when the first request comes whose memory direct I/O
 * cannot take.
 *
 * - WRITE with `durable` is a write with RWF_DSYNC (pwritev2(2)). FLUSH is an
 *   fdatasync that drains nothing. Once one failed, all later ones do: what
 *   the kernel could not write is forgotten, and a second fdatasync would not
 *   know of it.
 * - Short results are continued; a file that ends before the request does,
 *   because somebody cut it, is -EIO, never zeroes.
 * - WRITE_ZEROES is a fallocate, or plain writes where the file system has
 *   none; DISCARD is one or nothing.
 */
#ifndef IO_BLOCK_URING_H
#define IO_BLOCK_URING_H

#include "core/err.h"
#include "io/block.h"
#include "io/block_file.h"
#include "io/iothread.h"

/*
 * @file and @io are borrowed and outlive the instance, which the caller owns.
 * Main thread, whether or not @io runs.
 */
int block_uring_new(struct block_file *file, struct iothread *io,
		    struct block **ret_block, struct err *err);
/* Nothing is in flight. Takes NULL. Main thread. */
void block_uring_free(struct block *base);

#endif
