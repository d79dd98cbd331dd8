#include "vmm/iothreads.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>

static int add(struct iothreads *threads, const char *name,
	       struct iothread **ret_io, struct err *err)
{
	const struct iothread_config config = {
		.name = name,
		.spin_max_ns = threads->spin_max_ns,
		.shares_cpus = threads->shares_cpus,
	};
	int rc;

	if (threads->count == IOTHREADS_MAX)
		return err_set(
			err, ENOSPC,
			"%s: there are %d I/O threads already; let disks and network cards share some with --iothreads N",
			name, IOTHREADS_MAX);
	rc = iothread_new(&config, ret_io, err);
	if (!rc)
		threads->threads[threads->count++] = *ret_io;
	return rc;
}

/* Those this process may run on. */
static unsigned int count_cpus(void)
{
	cpu_set_t set;

	/* Fails on a host with more than 1024. */
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return CPU_SETSIZE;
	return (unsigned int)CPU_COUNT(&set);
}

int iothreads_init(struct iothreads *threads,
		   const struct iothreads_config *config, struct err *err)
{
	bool shares_cpus = count_cpus() < config->busy;

	*threads = (struct iothreads){
		.shared = config->shared,
		.spin_max_ns = shares_cpus ? 0 :
					     config->spin_us * INT64_C(1000),
		.shares_cpus = shares_cpus,
	};
	for (unsigned int i = 0; i < config->shared; i++) {
		struct iothread *io;
		char name[16];
		int rc;

		snprintf(name, sizeof(name), "io-%u", i + 1);
		rc = add(threads, name, &io, err);
		if (rc)
			return rc;
	}
	return 0;
}

int iothreads_add(struct iothreads *threads, const char *name,
		  struct iothread **ret_io, struct err *err)
{
	char thread_name[16];

	snprintf(thread_name, sizeof(thread_name), "io-%s", name);
	return add(threads, thread_name, ret_io, err);
}

int iothreads_take(struct iothreads *threads, unsigned int wanted,
		   const char *name, struct iothread **ret_io, struct err *err)
{
	assert(wanted <= threads->shared);
	if (!threads->shared)
		return iothreads_add(threads, name, ret_io, err);
	if (!wanted)
		wanted = threads->next++ % threads->shared + 1;
	*ret_io = threads->threads[wanted - 1];
	return 0;
}

int iothreads_start(struct iothreads *threads, struct err *err)
{
	for (unsigned int i = 0; i < threads->count; i++) {
		int rc = iothread_start(threads->threads[i], err);

		if (rc)
			return rc;
	}
	return 0;
}

void iothreads_stop(struct iothreads *threads)
{
	for (unsigned int i = 0; i < threads->count; i++)
		iothread_stop(threads->threads[i]);
}

void iothreads_release(struct iothreads *threads)
{
	for (unsigned int i = 0; i < threads->count; i++)
		iothread_free(threads->threads[i]);
	threads->count = 0;
}
