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
	/* Of each, see io/iothread.h. */
	int64_t spin_max_ns;
	bool shares_cpus;
	struct iothread *threads[IOTHREADS_MAX]; /* owned */
};

struct iothreads_config {
	unsigned int shared;
	/* How long a thread may look before it sleeps; 0: it never does. */
	unsigned int spin_us;
	/* Threads that want a CPU at the same time, vCPUs and I/O threads:
	 * where the host has fewer CPUs, nobody spins, and they share. */
	unsigned int busy;
};

int iothreads_init(struct iothreads *threads,
		   const struct iothreads_config *config, struct err *err);

/*
 * The thread for a device: the shared one of number @wanted from 1, the next
 * one when it is 0; or without shared ones a new one, called @name.
 */
int iothreads_take(struct iothreads *threads, unsigned int wanted,
		   const char *name, struct iothread **ret_io, struct err *err);

/* One that is the device's own, whatever others share. */
int iothreads_add(struct iothreads *threads, const char *name,
		  struct iothread **ret_io, struct err *err);

int iothreads_start(struct iothreads *threads, struct err *err);
void iothreads_stop(struct iothreads *threads);
/* Takes threads that are all zeroes. */
void iothreads_release(struct iothreads *threads);

#endif
