#include "io/net_null.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static ssize_t null_receive(struct net *net, unsigned int queue,
			    const struct iovec *iov, unsigned int count)
{
	(void)net;
	(void)queue;
	(void)iov;
	(void)count;
	return -EAGAIN;
}

static ssize_t null_send(struct net *net, unsigned int queue,
			 const struct iovec *iov, unsigned int count)
{
	(void)net;
	(void)queue;
	(void)iov;
	(void)count;
	return 1;
}

static int null_set_offloads(struct net *net, unsigned int offloads)
{
	(void)net;
	(void)offloads;
	return 0;
}

static int null_set_queues(struct net *net, unsigned int count)
{
	(void)net;
	(void)count;
	return 0;
}

static void null_free(struct net *net)
{
	for (unsigned int i = 0; i < net->queue_count; i++)
		close(net->fds[i]);
	free(net);
}

int net_null_new(unsigned int queues, struct net **ret_net, struct err *err)
{
	static const struct net_ops ops = {
		.receive = null_receive,
		.send = null_send,
		.set_offloads = null_set_offloads,
		.set_queues = null_set_queues,
		.free = null_free,
	};
	struct net *net = calloc(1, sizeof(*net));
	int rc;

	if (!net)
		return err_sys(err, ENOMEM, "network card");
	*net = (struct net){ .ops = &ops, .name = "none" };
	while (net->queue_count < queues) {
		/* Never written, so never readable. */
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			rc = err_sys(err, errno, "network card");
			null_free(net);
			return rc;
		}
		net->fds[net->queue_count++] = fd;
	}
	*ret_net = net;
	return 0;
}
