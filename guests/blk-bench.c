/*
 * The benchmark of a disk's path: a driver in user mode, which is native on
 * every KVM, keeps a number of requests in flight and counts how many come back
 * in a time. It polls, takes no interrupts, and kicks when the device asks for
 * it. "ms=N" is how long each job takes (1000), "only=JOB" is that one alone,
 * "packed" uses such a ring.
 *
 * Lines "bench: begin JOB" and "bench: end JOB" stand around each job with a
 * pause of 100 ms inside, in which a reader can look at the monitor's threads;
 * "bench: result JOB OPERATIONS NANOSECONDS KICKS" follows.
 */
#include "lib_blk.h"

#define DEPTH_MAX  128
#define QUEUE_SIZE 256
#define PAUSE_NS   100000000ULL
#define NS_PER_MS  1000000ULL
/* The clock is read after so many requests at the latest. */
#define BATCH_MAX  DEPTH_MAX

struct job {
	const char *name;
	uint32_t type;
	uint32_t bytes; /* of each request */
	unsigned int depth;
	bool random;
};

static const struct job jobs[] = {
	{ "randread-1", BLK_T_IN, 4096, 1, true },
	{ "randwrite-1", BLK_T_OUT, 4096, 1, true },
	{ "randread-32", BLK_T_IN, 4096, 32, true },
	{ "randwrite-32", BLK_T_OUT, 4096, 32, true },
	{ "randread-128", BLK_T_IN, 4096, 128, true },
	{ "randwrite-128", BLK_T_OUT, 4096, 128, true },
	{ "seqread", BLK_T_IN, 131072, 4, false },
	{ "seqwrite", BLK_T_OUT, 131072, 4, false },
};

static struct blk blk;
static struct blk_request requests[DEPTH_MAX];

struct run {
	const struct job *job;
	uint64_t random; /* state of xorshift64 */
	uint64_t places; /* requests that the disk holds */
	uint64_t next; /* place of the next one in sequence */
	uint64_t done;
	uint64_t kicks;
};

static void pause_ns(uint64_t ns)
{
	uint64_t start = kvmclock_ns();

	while (kvmclock_ns() - start < ns)
		__asm__ volatile("pause");
}

static uint64_t place(struct run *run)
{
	if (!run->job->random)
		return run->next++ % run->places;
	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	return run->random % run->places;
}

static void submit(struct run *run, struct blk_request *request)
{
	const struct job *job = run->job;
	size_t slot = (size_t)(request - requests);

	blk_set(request, job->type, place(run) * (job->bytes / SECTOR));
	check(blk_add(&blk, request, blk_space + slot * job->bytes, job->bytes),
	      "no room in the queue");
}

/* Takes what is back and, while @more, sends another for each. */
static void serve(struct run *run, bool more)
{
	uint32_t len;
	uint16_t id;

	for (unsigned int i = 0;
	     i < BATCH_MAX && vring_take(&blk.ring, &id, &len); i++) {
		struct blk_request *request = blk.by_id[id];

		check(request->status == BLK_S_OK, "a request failed");
		blk.out--;
		run->done++;
		if (more)
			submit(run, request);
	}
	run->kicks += vring_kick(&blk.ring);
}

static void report(const struct run *run, uint64_t ns)
{
	print("bench: result ");
	print(run->job->name);
	print(" ");
	print_dec(run->done);
	print(" ");
	print_dec(ns);
	print(" ");
	print_dec(run->kicks);
	print("\n");
}

static void run_job(const struct job *job, uint64_t ns)
{
	struct run run = { .job = job,
			   .random = 0x9e3779b97f4a7c15ULL,
			   .places = blk.sectors / (job->bytes / SECTOR) };
	uint64_t start;

	check(run.places > 0, "the disk is too small");
	print("bench: begin ");
	print(job->name);
	print("\n");
	pause_ns(PAUSE_NS);
	start = kvmclock_ns();
	for (unsigned int i = 0; i < job->depth; i++)
		submit(&run, &requests[i]);
	run.kicks += vring_kick(&blk.ring);
	while (kvmclock_ns() - start < ns)
		serve(&run, true);
	while (blk.out > 0)
		serve(&run, false);
	ns = kvmclock_ns() - start;
	print("bench: end ");
	print(job->name);
	print("\n");
	pause_ns(PAUSE_NS);
	report(&run, ns);
}

void guest_main(void)
{
	uint64_t ms = cmdline_u64("ms", 1000);
	uint64_t features;
	const char *wrong;

	check(kvmclock_offered(), "there is no kvmclock to measure with");
	kvmclock_start();
	user_mode();
	check(vdev_find(&blk.dev, VIRTIO_BLK), "there is no disk");
	features = vdev_offered(&blk.dev) & BLK_RINGS;
	if (!cmdline_has("packed"))
		features &= ~FEATURE_PACKED;
	wrong = blk_open(&blk, features, QUEUE_SIZE);
	check(wrong == NULL, wrong);
	for (unsigned int i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		if (is_wanted(jobs[i].name))
			run_job(&jobs[i], ms * NS_PER_MS);
	print("bench: done\n");
}
