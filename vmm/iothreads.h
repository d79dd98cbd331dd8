/*
 * The machine's I/O threads: some that devices share (--iothreads), or one
 * that is made for each device. Main thread.
 */
#ifndef VMM_IOTHREADS_H
#define VMM_IOTHREADS_H

#include "core/err.h"
#include "io/iothread.h"

#define IOTHREADS_MAX 64

struct iothreads {
	unsigned int shared; /* of them; 0: each device has its own */
	unsigned int count;
	unsigned int next; /* the next to be dealt of those shared */
	struct iothread *threads[IOTHREADS_MAX]; /* owned */
};

int iothreads_init(struct iothreads *threads, unsigned int shared,
		   struct err *err);

/*
 * The thread for a device: the shared one of number @wanted from 1, the next
 * one when it is 0; or without shared ones a new one, called @name.
 */
int iothreads_take(struct iothreads *threads, unsigned int wanted,
		   const char *name, struct iothread **ret_io, struct err *err);

int iothreads_start(struct iothreads *threads, struct err *err);
void iothreads_stop(struct iothreads *threads);
/* Takes threads that are all zeroes. */
void iothreads_release(struct iothreads *threads);

#endif
