#include "io/iothread.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "core/util.h"
#include "io/uring.h"

#define ENTRIES	      256
#define STACK_BYTES   (256 * KIB)
#define SECOND_NS     1000000000LL
/* How long what the ring has no room for waits. */
#define SETTLE_NS     1000000LL
#define SPIN_FIRST_NS 2000
/* Where spinning is of no use, one wait out of these tries how that is now. */
#define SPIN_TRIAL    8
#define SPIN_CHECK    64
#define SPIN_DIVISOR  4
/* How many kicks are looked at together. */
#define TRIAL_KICKS   64
/* A kick every 4 ms at least: else a batch would be no use. */
#define TRIAL_NS      (TRIAL_KICKS * 4000000LL)
#define TRIAL_FEW     3
#define TRIAL_MANY    4
/* How many a trial has: one in vain waits as often for the guest's slice. */
#define TRIAL_FIRST   8
/* A trial in vain may have cost one part of these of the time after it. */
#define TRIAL_SHARE   64
#define BACKOFF_MIN   (SECOND_NS / 4)
/* A guest that did nothing for a while was no cost. */
#define BACKOFF_MAX   (8 * SECOND_NS)

/*
 * What is watched. It outlives the caller's io_watch, since the kernel may
 * still complete the poll when that is gone.
 */
struct slot {
	struct uring_op op;
	struct iothread *io;
	struct io_watch *watch; /* NULL: not watched any more */
	bool remove; /* the kernel was not told so yet */
	bool found; /* spinning found something to do */
	struct slot *next;
};

/* Of a thread that waits for us. */
struct pending_call {
	void (*run)(void *opaque);
	void *opaque;
	bool done; /* guarded by the lock */
	struct pending_call *next;
};

/* How long to look for work of one kind before sleeping. */
struct patience {
	int64_t spin_ns;
	unsigned int waits; /* without spinning */
};

struct iothread {
	struct io_context context;
	struct uring uring; /* of the thread while it runs */
	pthread_t thread;
	char name[16];
	int wake_fd; /* owned */
	atomic_bool stop;

	/* Of the thread while it runs. */
	struct slot *slots; /* owned list */
	struct io_watch wake;
	struct io_timer *timers; /* the next one to expire first */
	struct io_batch *batches;
	struct io_batch **batches_end;
	struct io_timer settle; /* armed while a slot waits for the ring */
	unsigned int polls; /* in flight, of what is watched */
	int64_t spin_max_ns;
	struct patience for_host; /* to answer what is in flight */
	struct patience for_guest; /* to ask for something, when nothing is */
	bool shares_cpus;
	bool is_batch; /* scheduled as SCHED_BATCH */
	bool is_trial; /* for the first kicks */
	unsigned int kicks; /* that brought something, since `since_ns` */
	unsigned int found; /* by these */
	int64_t since_ns;
	int64_t usual_ns; /* TRIAL_KICKS took so long before the trial ... */
	unsigned int usual_found; /* ... and found so much */
	int64_t retry_ns; /* when being a batch may be tried again */

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	struct pending_call *calls;
	struct pending_call **calls_end;
	bool running; /* calls are taken */
	bool started;
	struct err start_err;

	atomic_bool called; /* written under lock */
	atomic_uint_fast64_t rearmed;
	atomic_uint_fast64_t spins;
	atomic_uint_fast64_t spin_hits;
	atomic_uint_fast64_t batch_tries;
};

static struct iothread *from_context(struct io_context *context)
{
	return container_of(context, struct iothread, context);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void count(atomic_uint_fast64_t *counter)
{
	atomic_store_explicit(
		counter,
		atomic_load_explicit(counter, memory_order_relaxed) + 1,
		memory_order_relaxed);
}

/* --- Calls from other threads -------------------------------------------- */

static void wake(const struct iothread *io)
{
	uint64_t one = 1;
	/* EAGAIN: the counter is full, so it is awake. */
	ssize_t rc = write(io->wake_fd, &one, sizeof(one));

	(void)rc;
}

static void call(struct io_context *context, void (*run)(void *opaque),
		 void *opaque)
{
	struct iothread *io = from_context(context);
	struct pending_call pending = { .run = run, .opaque = opaque };

	pthread_mutex_lock(&io->lock);
	if (!io->running || pthread_equal(pthread_self(), io->thread)) {
		pthread_mutex_unlock(&io->lock);
		run(opaque);
		return;
	}
	*io->calls_end = &pending;
	io->calls_end = &pending.next;
	atomic_store(&io->called, true);
	wake(io);
	while (!pending.done)
		pthread_cond_wait(&io->changed, &io->lock);
	pthread_mutex_unlock(&io->lock);
}

/* With @last, calls run on their callers' threads from now on. */
static void run_calls(struct iothread *io, bool last)
{
	struct pending_call *next;

	if (!atomic_load(&io->called) && !last)
		return;
	pthread_mutex_lock(&io->lock);
	atomic_store(&io->called, false);
	while ((next = io->calls)) {
		io->calls = next->next;
		if (!io->calls)
			io->calls_end = &io->calls;
		pthread_mutex_unlock(&io->lock);
		next->run(next->opaque);
		pthread_mutex_lock(&io->lock);
		next->done = true;
		pthread_cond_broadcast(&io->changed);
	}
	if (last)
		io->running = false;
	pthread_mutex_unlock(&io->lock);
}

/* --- Watching ------------------------------------------------------------ */

static void free_slot(struct slot *slot)
{
	for (struct slot **at = &slot->io->slots; *at; at = &(*at)->next) {
		if (*at != slot)
			continue;
		*at = slot->next;
		free(slot);
		return;
	}
}

/* What the ring would not take is tried again. */
static void settle_later(struct iothread *io)
{
	if (!io->settle.armed)
		io_context_arm(&io->context, &io->settle, SETTLE_NS);
}

static void arm_poll(struct slot *slot)
{
	struct io_uring_sqe *sqe = uring_sqe(&slot->io->uring, &slot->op);

	if (!sqe) {
		settle_later(slot->io);
		return;
	}
	io_uring_prep_poll_multishot(sqe, slot->watch->fd, POLLIN);
	slot->io->polls++;
}

static void remove_poll(struct slot *slot)
{
	slot->remove = !uring_cancel(&slot->io->uring, &slot->op);
	if (slot->remove)
		settle_later(slot->io);
}

static void on_settle(struct io_timer *timer)
{
	const struct iothread *io = timer->opaque;

	for (struct slot *slot = io->slots; slot; slot = slot->next) {
		if (slot->remove)
			remove_poll(slot);
		else if (slot->watch && !slot->op.in_flight)
			arm_poll(slot);
	}
}

static void on_poll(struct uring_op *op, int res, uint32_t flags)
{
	struct slot *slot = container_of(op, struct slot, op);
	struct io_watch *watch = slot->watch;

	if (!(flags & IORING_CQE_F_MORE))
		slot->io->polls--;
	if (!watch) {
		if (!(flags & IORING_CQE_F_MORE))
			free_slot(slot);
		return;
	}
	if (!(flags & IORING_CQE_F_MORE)) {
		/* A poll ends when the completion queue was full, among other
		 * things (io_uring_enter(2)). Armed again, it tells if the fd
		 * is ready meanwhile. An error is not tried again at once. */
		count(&slot->io->rearmed);
		if (res < 0)
			settle_later(slot->io);
		else
			arm_poll(slot);
	}
	if (res > 0)
		watch->ready(watch);
}

static int watch_fd(struct io_context *context, struct io_watch *watch,
		    struct err *err)
{
	struct iothread *io = from_context(context);
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return err_sys(err, ENOMEM, "cannot watch a file descriptor");
	*slot = (struct slot){
		.op = { .done = on_poll },
		.io = io,
		.watch = watch,
		.next = io->slots,
	};
	io->slots = slot;
	watch->implementation = slot;
	/* Without room now, it is armed later. */
	arm_poll(slot);
	return 0;
}

static void unwatch_fd(struct io_context *context, struct io_watch *watch)
{
	struct slot *slot = watch->implementation;

	(void)context;
	watch->implementation = NULL;
	slot->watch = NULL;
	slot->found = false;
	if (slot->op.in_flight)
		remove_poll(slot);
	else
		free_slot(slot);
}

/* --- Timers and batches -------------------------------------------------- */

static void disarm(struct io_context *context, struct io_timer *timer)
{
	struct iothread *io = from_context(context);

	if (!timer->armed)
		return;
	for (struct io_timer **at = &io->timers; *at; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = timer->next;
		timer->armed = false;
		return;
	}
}

static void arm(struct io_context *context, struct io_timer *timer,
		int64_t delay_ns)
{
	struct iothread *io = from_context(context);
	struct io_timer **at = &io->timers;
	int64_t now = now_ns();

	disarm(context, timer);
	timer->due_ns = delay_ns < INT64_MAX - now ? now + delay_ns : INT64_MAX;
	while (*at && (*at)->due_ns <= timer->due_ns)
		at = &(*at)->next;
	timer->next = *at;
	timer->armed = true;
	*at = timer;
}

static void expire(struct iothread *io)
{
	int64_t now;

	if (!io->timers)
		return;
	/* Those armed meanwhile come in the next pass. */
	now = now_ns();
	while (io->timers && io->timers->due_ns <= now) {
		struct io_timer *timer = io->timers;

		disarm(&io->context, timer);
		timer->expired(timer);
	}
}

static void batch(struct io_context *context, struct io_batch *batch)
{
	struct iothread *io = from_context(context);

	if (batch->queued)
		return;
	batch->queued = true;
	batch->next = NULL;
	*io->batches_end = batch;
	io->batches_end = &batch->next;
}

static void cancel_batch(struct io_context *context, struct io_batch *batch)
{
	struct iothread *io = from_context(context);

	if (!batch->queued)
		return;
	for (struct io_batch **at = &io->batches; *at; at = &(*at)->next) {
		if (*at != batch)
			continue;
		*at = batch->next;
		if (!*at)
			io->batches_end = at;
		batch->queued = false;
		return;
	}
}

static void end_batches(struct iothread *io)
{
	/* Those asked for meanwhile come in the next pass. */
	const struct io_batch *last =
		io->batches ?
			container_of(io->batches_end, struct io_batch, next) :
			NULL;
	bool more = last != NULL;

	while (more && io->batches) {
		struct io_batch *first = io->batches;

		more = first != last;
		cancel_batch(&io->context, first);
		first->end(first);
	}
}

/* --- Sharing the CPU ----------------------------------------------------- */

static void be_batch(struct iothread *io, bool batch)
{
	const struct sched_param param = { .sched_priority = 0 };

	/* This thread alone (sched_setscheduler(2), "0"). */
	if (!sched_setscheduler(0, batch ? SCHED_BATCH : SCHED_OTHER, &param))
		io->is_batch = batch;
}

/* Every kick wakes this thread for little, as it is. */
static void judge_usual(struct iothread *io, int64_t now, int64_t took)
{
	if (io->found >= TRIAL_FEW * TRIAL_KICKS || took >= TRIAL_NS ||
	    now < io->retry_ns)
		return;
	io->usual_ns = took;
	io->usual_found = io->found;
	io->is_trial = true;
	be_batch(io, true);
	count(&io->batch_tries);
}

/*
 * Whether the guest, left alone, gives more at a time, and sooner. It may
 * rather wait for us: then the trial cost what it took longer, and the next one
 * comes when that no longer matters.
 */
static void judge_trial(struct iothread *io, int64_t now, int64_t took)
{
	int64_t usual = io->usual_ns / io->usual_found * io->found;
	int64_t backoff = (took - usual) * TRIAL_SHARE;

	io->is_trial = false;
	if (io->found >= TRIAL_MANY * TRIAL_FIRST && took < usual)
		return;
	be_batch(io, false);
	if (backoff < BACKOFF_MIN)
		backoff = BACKOFF_MIN;
	if (backoff > BACKOFF_MAX)
		backoff = BACKOFF_MAX;
	io->retry_ns = now + backoff;
}

/* What the last kicks were worth. */
static void judge(struct iothread *io)
{
	int64_t now = now_ns();
	int64_t took = now - io->since_ns;

	if (!io->is_batch)
		judge_usual(io, now, took);
	else if (io->is_trial)
		judge_trial(io, now, took);
	else if (io->found < TRIAL_MANY * TRIAL_KICKS)
		be_batch(io, false);
	io->kicks = 0;
	io->found = 0;
}

static void found(struct io_context *context, unsigned int things)
{
	struct iothread *io = from_context(context);

	if (!io->shares_cpus)
		return;
	if (!io->kicks)
		io->since_ns = now_ns();
	io->found += things;
	if (++io->kicks == (io->is_trial ? TRIAL_FIRST : TRIAL_KICKS))
		judge(io);
}

/* --- Waiting ------------------------------------------------------------- */

/* How long to sleep: -1 for ever. */
static int64_t wait_ns(const struct iothread *io)
{
	int64_t left = -1;

	if (io->timers) {
		left = io->timers->due_ns - now_ns();
		if (left < 0)
			left = 0;
	}
	return left;
}

static bool look(struct iothread *io)
{
	bool found = uring_has_work(&io->uring);

	for (struct slot *slot = io->slots; slot; slot = slot->next) {
		if (slot->watch && slot->watch->pending &&
		    slot->watch->pending(slot->watch))
			slot->found = found = true;
	}
	return found;
}

/* Tells those that can be looked at. Returns whether one has work to do. */
static bool set_spinning(struct iothread *io, bool spinning)
{
	bool found = false;

	for (struct slot *slot = io->slots; slot; slot = slot->next) {
		if (!slot->watch || !slot->watch->spin)
			continue;
		if (slot->watch->spin(slot->watch, spinning) && !spinning)
			slot->found = true;
		found |= slot->found;
	}
	return found;
}

static void serve_found(struct iothread *io)
{
	struct slot *slot = io->slots;

	while (slot) {
		if (!slot->found) {
			slot = slot->next;
			continue;
		}
		slot->found = false;
		slot->watch->ready(slot->watch);
		/* Any slot may be gone. */
		slot = io->slots;
	}
}

/*
 * A disk takes its time where a guest's next request comes at once, or the
 * other way round: what was learnt of the one says nothing of the other.
 */
static struct patience *patience_now(struct iothread *io)
{
	return io->uring.in_flight > io->polls ? &io->for_host : &io->for_guest;
}

/*
 * How long to spin this time. To be woken may take longer than what one waits
 * for, and to kick us takes the guest long, so that sleeping cannot tell
 * whether spinning would do: it is tried.
 */
static int64_t spin_time(struct patience *patience, int64_t max_ns)
{
	if (patience->spin_ns)
		return patience->spin_ns;
	if (++patience->waits < SPIN_TRIAL)
		return 0;
	patience->waits = 0;
	return SPIN_FIRST_NS < max_ns ? SPIN_FIRST_NS : max_ns;
}

/* Looks until @end, or until a timer is due. True: there is work. */
static bool spin(struct iothread *io, int64_t end)
{
	bool found;

	if (io->timers && io->timers->due_ns < end)
		end = io->timers->due_ns;
	if (io_uring_sq_ready(&io->uring.ring))
		uring_enter(&io->uring, URING_SUBMIT, NULL);
	count(&io->spins);
	set_spinning(io, true);
	do {
		found = false;
		for (int i = 0; i < SPIN_CHECK && !found; i++) {
			found = look(io);
			__builtin_ia32_pause();
		}
	} while (!found &&
		 !atomic_load_explicit(&io->called, memory_order_relaxed) &&
		 now_ns() < end);
	if (set_spinning(io, false))
		found = true;
	if (found)
		count(&io->spin_hits);
	return found;
}

/* @idle_ns is how long there was nothing to do, spinning included. */
static void adapt(struct patience *patience, int64_t idle_ns, int64_t max_ns)
{
	if (idle_ns <= patience->spin_ns)
		return;
	if (idle_ns > max_ns) {
		patience->spin_ns /= SPIN_DIVISOR;
		if (patience->spin_ns < SPIN_FIRST_NS)
			patience->spin_ns = 0;
		return;
	}
	patience->spin_ns = patience->spin_ns ? 2 * patience->spin_ns :
						SPIN_FIRST_NS;
	if (patience->spin_ns > max_ns)
		patience->spin_ns = max_ns;
}

static void sleep_until_work(struct iothread *io)
{
	int64_t left = wait_ns(io);
	struct __kernel_timespec timeout = {
		.tv_sec = left / SECOND_NS,
		.tv_nsec = left % SECOND_NS,
	};

	uring_enter(&io->uring, URING_WAIT, left < 0 ? NULL : &timeout);
}

static void wait_for_work(struct iothread *io)
{
	struct patience *patience;
	int64_t spin_ns;
	int64_t start;

	if (io->batches || atomic_load(&io->called)) {
		uring_enter(&io->uring, URING_PEEK, NULL);
		return;
	}
	if (!io->spin_max_ns) {
		sleep_until_work(io);
		return;
	}
	patience = patience_now(io);
	start = now_ns();
	spin_ns = spin_time(patience, io->spin_max_ns);
	if (spin_ns && spin(io, start + spin_ns)) {
		if (!patience->spin_ns)
			patience->spin_ns = spin_ns;
		if (!io_uring_cq_ready(&io->uring.ring) &&
		    uring_has_work(&io->uring))
			uring_enter(&io->uring, URING_PEEK, NULL);
		serve_found(io);
		return;
	}
	sleep_until_work(io);
	adapt(patience, now_ns() - start, io->spin_max_ns);
}

/* --- The thread ---------------------------------------------------------- */

static void on_wake(struct io_watch *watch)
{
	/* run_calls looks at the flag. */
	(void)watch;
}

static int begin(struct iothread *io)
{
	int rc = uring_enable(&io->uring, &io->start_err);

	if (rc)
		return rc;
	io->wake = (struct io_watch){
		.fd = io->wake_fd,
		.ready = on_wake,
		.eventfd = true,
	};
	return watch_fd(&io->context, &io->wake, &io->start_err);
}

static void *thread_main(void *opaque)
{
	struct iothread *io = opaque;
	int rc = begin(io);

	pthread_mutex_lock(&io->lock);
	io->running = !rc;
	io->started = true;
	pthread_cond_broadcast(&io->changed);
	pthread_mutex_unlock(&io->lock);
	while (!rc && !atomic_load(&io->stop)) {
		uring_process(&io->uring);
		run_calls(io, false);
		expire(io);
		end_batches(io);
		wait_for_work(io);
	}
	run_calls(io, true);
	uring_disable(&io->uring);
	return NULL;
}

static int create_thread(struct iothread *io)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;
	int rc;

	if (pthread_attr_init(&attributes))
		return ENOMEM;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&io->thread, &attributes, thread_main, io);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return rc;
}

int iothread_start(struct iothread *io, struct err *err)
{
	int rc = create_thread(io);

	if (rc)
		return err_sys(err, rc, "cannot start I/O thread %s", io->name);
	pthread_setname_np(io->thread, io->name);
	pthread_mutex_lock(&io->lock);
	while (!io->started)
		pthread_cond_wait(&io->changed, &io->lock);
	pthread_mutex_unlock(&io->lock);
	if (!io->start_err.code)
		return 0;
	pthread_join(io->thread, NULL);
	io->started = false;
	return err_set(err, io->start_err.code, "%s", io->start_err.msg);
}

void iothread_stop(struct iothread *io)
{
	if (!io->started)
		return;
	atomic_store(&io->stop, true);
	wake(io);
	pthread_join(io->thread, NULL);
	io->started = false;
}

/* --- Life ---------------------------------------------------------------- */

static const struct io_context_ops context_ops = {
	.call = call,
	.watch = watch_fd,
	.unwatch = unwatch_fd,
	.arm = arm,
	.disarm = disarm,
	.batch = batch,
	.cancel_batch = cancel_batch,
	.found = found,
};

int iothread_new(const struct iothread_config *config, struct iothread **ret_io,
		 struct err *err)
{
	struct iothread *io = calloc(1, sizeof(*io));
	int rc;

	if (!io)
		return err_sys(err, ENOMEM, "I/O thread");
	*io = (struct iothread){
		.context = { .ops = &context_ops },
		.spin_max_ns = config->spin_max_ns,
		.shares_cpus = config->shares_cpus,
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	io->settle.expired = on_settle;
	io->settle.opaque = io;
	io->batches_end = &io->batches;
	io->calls_end = &io->calls;
	for (size_t i = 0; i + 1 < sizeof(io->name) && config->name[i]; i++)
		io->name[i] = config->name[i];
	rc = io->wake_fd < 0 ?
		     err_sys(err, errno, "cannot create an eventfd") :
		     uring_init(&io->uring,
				config->entries ? config->entries : ENTRIES,
				err);
	if (rc) {
		if (io->wake_fd >= 0)
			close(io->wake_fd);
		free(io);
		return rc;
	}
	pthread_mutex_init(&io->lock, NULL);
	pthread_cond_init(&io->changed, NULL);
	*ret_io = io;
	return 0;
}

void iothread_free(struct iothread *io)
{
	if (!io)
		return;
	iothread_stop(io);
	/* The kernel forgets the polls before their slots go. */
	uring_release(&io->uring);
	while (io->slots) {
		struct slot *slot = io->slots;

		assert(!slot->watch || slot->watch == &io->wake);
		io->slots = slot->next;
		free(slot);
	}
	close(io->wake_fd);
	pthread_mutex_destroy(&io->lock);
	pthread_cond_destroy(&io->changed);
	free(io);
}

struct io_context *iothread_context(struct iothread *io)
{
	return &io->context;
}

struct uring *iothread_uring(struct iothread *io)
{
	return &io->uring;
}

void iothread_stats(const struct iothread *io, struct iothread_stats *ret_stats)
{
	*ret_stats = (struct iothread_stats){
		.enters = atomic_load(&io->uring.enters),
		.completions = atomic_load(&io->uring.completions),
		.stale = atomic_load(&io->uring.stale),
		.troubles = atomic_load(&io->uring.troubles),
		.rearmed = atomic_load(&io->rearmed),
		.spins = atomic_load(&io->spins),
		.spin_hits = atomic_load(&io->spin_hits),
		.batch_tries = atomic_load(&io->batch_tries),
	};
}
