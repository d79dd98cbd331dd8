#include "container/notify.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "core/fdpass.h"
#include "sandbox/filter.h"

#define ROOM_FOR_PIDS 64
#define SEND_TIMEOUT  10 /* seconds for an agent that does not read */
#define STACK_SIZE    (32 * KIB)
#define NAP_NS	      20000

/* ---- the parent ---- */

/* ContainerProcessState of runtime-spec 1.2, config-linux.md, without the two
 * pids, which are added at its end. */
static int make_text(struct notify *notify, const struct config *config,
		     const struct state *state, enum status status,
		     struct err *err)
{
	json_t *told = state_to_json(state, status);
	json_t *tree = json_pack("{s:s, s:[s]}", "ociVersion", "1.2.0", "fds",
				 "seccompFd");
	autofree char *head = NULL;
	autofree char *inner = NULL;
	char *text = NULL;
	int n = -1;

	if (config->listener_metadata)
		json_object_set_new(tree, "metadata",
				    json_string(config->listener_metadata));
	json_object_del(told, "pid");
	if (told && tree) {
		inner = json_dumps(told, JSON_COMPACT);
		head = json_dumps(tree, JSON_COMPACT);
	}
	json_decref(told);
	json_decref(tree);
	if (head && inner)
		n = asprintf(&text, "%.*s,\"state\":%.*s%*s",
			     (int)strlen(head) - 1, head,
			     (int)strlen(inner) - 1, inner, ROOM_FOR_PIDS, "");
	if (n < 0)
		return err_sys(err, ENOMEM, "linux.seccomp.listenerPath");
	notify->text = text;
	notify->room = (size_t)n;
	notify->len = (size_t)n - ROOM_FOR_PIDS;
	return 0;
}

static int connect_agent(struct notify *notify, const char *path,
			 struct err *err)
{
	const struct timeval timeout = { .tv_sec = SEND_TIMEOUT };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s",
			 path);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return err_set(
			err, ENAMETOOLONG,
			"linux.seccomp.listenerPath: it is longer than 107 bytes");
	notify->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (notify->socket < 0 ||
	    setsockopt(notify->socket, SOL_SOCKET, SO_SNDTIMEO, &timeout,
		       sizeof(timeout)) ||
	    connect(notify->socket, (const struct sockaddr *)&address,
		    sizeof(address)))
		return err_sys(
			err, errno,
			"linux.seccomp.listenerPath: cannot connect to %s",
			path);
	return 0;
}

int notify_open(struct notify *notify, const struct config *config,
		const struct state *state, enum status status, struct err *err)
{
	int rc;

	if (!config->has_notify)
		return 0;
	rc = connect_agent(notify, config->listener_path, err);
	return rc ? rc : make_text(notify, config, state, status, err);
}

void notify_close(struct notify *notify)
{
	if (notify->socket >= 0)
		close(move_fd(&notify->socket));
	free(move_ptr(&notify->text));
}

/* ---- the child ---- */

#define WAITING	  (-1)
#define NO_FILTER (-2)

/* Between the process and its thread, which have all memory and all
 * descriptors in common. */
struct hand_over {
	const struct notify *notify;
	size_t len;
	atomic_int listener; /* WAITING; set by the process */
	atomic_int result; /* WAITING; then 0 or an errno, set by the thread */
};

/* Has the process's errno, which it does not touch meanwhile. */
static int thread_main(void *argument)
{
	static const struct timespec nap = { .tv_nsec = NAP_NS };
	struct hand_over *over = argument;
	int listener;
	int result = 0;

	/* Pairs with the store in notify_load. */
	while ((listener = atomic_load(&over->listener)) == WAITING)
		nanosleep(&nap, NULL);
	if (listener >= 0) {
		result = -fdpass_send(over->notify->socket, listener,
				      over->notify->text, over->len);
		/* Without a holder calls that are asked about fail; with only
		 * us they would wait for ever. */
		close(listener);
	}
	atomic_store(&over->result, result);
	return 0;
}

static size_t add_pids(const struct notify *notify, pid_t pid)
{
	int n = snprintf(notify->text + notify->len, notify->room - notify->len,
			 ",\"pid\":%d},\"pid\":%d}", (int)pid, (int)pid);

	return notify->len + (n > 0 ? (size_t)n : 0);
}

int notify_load(const struct notify *notify,
		const struct filter_program *filter, pid_t pid, struct err *err)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			  CLONE_THREAD | CLONE_SYSVSEM;
	struct hand_over over = { .notify = notify,
				  .len = add_pids(notify, pid),
				  .listener = WAITING,
				  .result = WAITING };
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	int listener;
	int result;

	if (clone(thread_main, stack + sizeof(stack), flags, &over) < 0)
		return err_sys(err, errno, "no thread for the seccomp agent");
	listener = filter_load_listener(filter);
	/* No system call from here on until the agent can answer. */
	atomic_store(&over.listener, listener < 0 ? NO_FILTER : listener);
	while ((result = atomic_load(&over.result)) == WAITING)
		__builtin_ia32_pause();
	if (listener < 0)
		return err_sys(err, -listener,
			       "cannot load the seccomp filter");
	return result ? err_sys(err, result, "cannot reach the seccomp agent") :
			0;
}
