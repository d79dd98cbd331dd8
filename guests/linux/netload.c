/*
 * netload: small messages over a network, counted.
 *
 *   netload serve PORT                      answer clients until killed
 *   netload tcp-rr HOST PORT SECONDS        one byte there and back, again
 *   netload udp-rr HOST PORT SECONDS        the same in datagrams
 *   netload udp-send HOST PORT SECONDS SIZE datagrams there, as many as go
 *   netload udp-recv HOST PORT SECONDS SIZE datagrams from there
 *
 * A client prints one line of KEY=VALUE words: count (round trips, or
 * datagrams that arrived), sent, seconds, and of the round trips the median,
 * the 99th percentile and the maximum in microseconds. Addresses are IPv4.
 *
 * Theory of operation. The server is one thread and serves one client at a
 * time. What a datagram is for is its first byte, see enum order. Sending and
 * receiving go through sendmmsg and recvmmsg, so that a slow processor spends
 * its time in the network rather than in system calls. A round trip that takes
 * longer than a second counts as lost and is sent anew.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	     32
#define SIZE_MAX_UDP 1472
/* Round trips beyond these are counted but not in the percentiles. */
#define SAMPLES_MAX  1000000

/* The first byte of a datagram. */
enum order {
	ORDER_ECHO = 'E', /* send it back */
	ORDER_DATA = 'D', /* count it */
	ORDER_COUNT = 'C', /* answer "C", count so far, uint64_t; then 0 */
	ORDER_FLOOD = 'F', /* struct flood: send that */
	ORDER_END = 'X', /* of a flood */
};

struct flood {
	char order;
	uint32_t ms;
	uint32_t size_bytes;
} __attribute__((packed));

struct count {
	char order;
	uint64_t count;
} __attribute__((packed));

/* Datagrams sent or received at one go; all share the peer's address. */
struct batch {
	char data[BATCH][SIZE_MAX_UDP];
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH];
	struct sockaddr_in from[BATCH];
};

static void die(const char *what)
{
	fprintf(stderr, "netload: %s: %s\n", what, strerrordesc_np(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void batch_init(struct batch *batch, size_t size_bytes, bool with_from)
{
	memset(batch, 0, sizeof(*batch));
	for (int i = 0; i < BATCH; i++) {
		struct msghdr *header = &batch->messages[i].msg_hdr;

		batch->iov[i].iov_base = batch->data[i];
		batch->iov[i].iov_len = size_bytes;
		header->msg_iov = &batch->iov[i];
		header->msg_iovlen = 1;
		if (with_from) {
			header->msg_name = &batch->from[i];
			header->msg_namelen = sizeof(batch->from[i]);
		}
	}
}

/* Sends data datagrams for so long; how many the kernel took. */
static uint64_t flood_send(int fd, const struct sockaddr_in *to,
			   int64_t duration_ns, size_t size_bytes)
{
	static struct batch batch;
	int64_t end = now_ns() + duration_ns;
	struct sockaddr_in address;
	uint64_t sent = 0;

	batch_init(&batch, size_bytes, false);
	for (int i = 0; i < BATCH; i++) {
		batch.data[i][0] = ORDER_DATA;
		if (to) {
			address = *to;
			batch.messages[i].msg_hdr.msg_name = &address;
			batch.messages[i].msg_hdr.msg_namelen = sizeof(address);
		}
	}
	while (now_ns() < end) {
		int count = sendmmsg(fd, batch.messages, BATCH, 0);

		if (count > 0)
			sent += (uint64_t)count;
		else if (errno != ENOBUFS && errno != EAGAIN &&
			 errno != ECONNREFUSED)
			die("sendmmsg");
	}
	return sent;
}

/* --- the server ---------------------------------------------------------- */

struct server {
	int udp;
	uint64_t count;
};

static void server_flood(int udp, const char *data,
			 const struct sockaddr_in *to)
{
	struct count end = { .order = ORDER_END };
	struct flood flood;

	memcpy(&flood, data, sizeof(flood));
	if (flood.size_bytes < 1 || flood.size_bytes > SIZE_MAX_UDP)
		return;
	end.count = flood_send(udp, to, (int64_t)flood.ms * 1000000,
			       flood.size_bytes);
	/* The client's queue may be full. */
	for (int i = 0; i < 5; i++) {
		sendto(udp, &end, sizeof(end), 0, (const struct sockaddr *)to,
		       sizeof(*to));
		usleep(50000);
	}
}

static void server_datagrams(struct server *server)
{
	static struct batch batch;
	int count;

	batch_init(&batch, SIZE_MAX_UDP, true);
	count = recvmmsg(server->udp, batch.messages, BATCH, MSG_DONTWAIT,
			 NULL);
	for (int i = 0; i < count; i++) {
		size_t size = batch.messages[i].msg_len;
		struct count reply = { .order = ORDER_COUNT };

		switch (size > 0 ? batch.data[i][0] : 0) {
		case ORDER_DATA:
			server->count++;
			break;
		case ORDER_ECHO:
			sendto(server->udp, batch.data[i], size, 0,
			       (struct sockaddr *)&batch.from[i],
			       sizeof(batch.from[i]));
			break;
		case ORDER_COUNT:
			reply.count = server->count;
			server->count = 0;
			sendto(server->udp, &reply, sizeof(reply), 0,
			       (struct sockaddr *)&batch.from[i],
			       sizeof(batch.from[i]));
			break;
		case ORDER_FLOOD:
			if (size >= sizeof(struct flood))
				server_flood(server->udp, batch.data[i],
					     &batch.from[i]);
			break;
		default:
			break;
		}
	}
}

static int socket_bound(int type, const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		die("bind");
	return fd;
}

static void serve(const struct sockaddr_in *address)
{
	struct server server = { .udp = socket_bound(SOCK_DGRAM, address) };
	int listener = socket_bound(SOCK_STREAM, address), client = -1, one = 1;
	char data[4096];

	if (listen(listener, 4))
		die("listen");
	for (;;) {
		struct pollfd fds[] = { { server.udp, POLLIN, 0 },
					{ listener, POLLIN, 0 },
					{ client, POLLIN, 0 } };

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents)
			server_datagrams(&server);
		if (fds[2].revents) {
			ssize_t size = read(client, data, sizeof(data));

			if (size <= 0 ||
			    write(client, data, (size_t)size) != size) {
				close(client);
				client = -1;
			}
		}
		if (fds[1].revents) {
			if (client >= 0)
				close(client);
			client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one,
				   sizeof(one));
		}
	}
}

/* --- clients ------------------------------------------------------------- */

static int socket_connected(int type, const struct sockaddr_in *address)
{
	struct timeval second = { .tv_sec = 1 };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		die("connect");
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	return fd;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void round_trips(int type, const struct sockaddr_in *address,
			int64_t duration_ns)
{
	int fd = socket_connected(type, address);
	uint32_t *samples = malloc(SAMPLES_MAX * sizeof(*samples));
	int64_t start = now_ns(), now = start;
	uint64_t count = 0, kept = 0, lost = 0;

	if (!samples)
		die("malloc");
	while (now - start < duration_ns) {
		char data = ORDER_ECHO;
		int64_t before = now;

		if (send(fd, &data, 1, 0) == 1 && recv(fd, &data, 1, 0) == 1) {
			now = now_ns();
			count++;
			if (kept < SAMPLES_MAX)
				samples[kept++] =
					(uint32_t)((now - before) / 1000);
		} else if (type == SOCK_STREAM) {
			die("connection");
		} else {
			now = now_ns();
			lost++;
		}
	}
	if (kept == 0) {
		fputs("netload: no answer\n", stderr);
		exit(1);
	}
	qsort(samples, kept, sizeof(*samples), compare);
	printf("count=%llu seconds=%.3f median_us=%u p99_us=%u max_us=%u "
	       "lost=%llu\n",
	       (unsigned long long)count, (double)(now - start) / 1e9,
	       samples[kept / 2], samples[kept * 99 / 100], samples[kept - 1],
	       (unsigned long long)lost);
	free(samples);
	close(fd);
}

/* Asks the server for its count, which sets it to 0. */
static uint64_t count_ask(int fd)
{
	struct count reply;

	for (int tries = 0; tries < 10; tries++) {
		char order = ORDER_COUNT;

		if (send(fd, &order, 1, 0) != 1)
			continue;
		if (recv(fd, &reply, sizeof(reply), 0) == sizeof(reply) &&
		    reply.order == ORDER_COUNT)
			return reply.count;
	}
	fputs("netload: no answer\n", stderr);
	exit(1);
}

static void datagrams_send(const struct sockaddr_in *address,
			   int64_t duration_ns, size_t size_bytes)
{
	int fd = socket_connected(SOCK_DGRAM, address);
	int64_t start;
	uint64_t sent;
	double seconds;

	count_ask(fd);
	start = now_ns();
	sent = flood_send(fd, NULL, duration_ns, size_bytes);
	seconds = (double)(now_ns() - start) / 1e9;
	/* What is still on its way is part of what got through. */
	usleep(200000);
	printf("count=%llu sent=%llu seconds=%.3f\n",
	       (unsigned long long)count_ask(fd), (unsigned long long)sent,
	       seconds);
	close(fd);
}

static void datagrams_receive(const struct sockaddr_in *address,
			      int64_t duration_ns, size_t size_bytes)
{
	static struct batch batch;
	struct flood flood = { ORDER_FLOOD, (uint32_t)(duration_ns / 1000000),
			       (uint32_t)size_bytes };
	int fd = socket_connected(SOCK_DGRAM, address);
	int64_t limit = now_ns() + duration_ns + 5000000000;
	uint64_t received = 0;
	struct count end = { 0 };

	if (send(fd, &flood, sizeof(flood), 0) != sizeof(flood))
		die("send");
	while (end.order != ORDER_END && now_ns() < limit) {
		int count;

		batch_init(&batch, SIZE_MAX_UDP, false);
		count = recvmmsg(fd, batch.messages, BATCH, MSG_WAITFORONE,
				 NULL);
		for (int i = 0; i < count; i++) {
			if (batch.data[i][0] == ORDER_DATA)
				received++;
			else if (batch.data[i][0] == ORDER_END)
				memcpy(&end, batch.data[i], sizeof(end));
		}
	}
	if (end.order != ORDER_END) {
		fputs("netload: the end of the flood never came\n", stderr);
		exit(1);
	}
	printf("count=%llu sent=%llu seconds=%.3f\n",
	       (unsigned long long)received, (unsigned long long)end.count,
	       (double)duration_ns / 1e9);
	close(fd);
}

static void usage(void)
{
	fputs("usage: netload serve PORT\n"
	      "       netload tcp-rr|udp-rr HOST PORT SECONDS\n"
	      "       netload udp-send|udp-recv HOST PORT SECONDS SIZE\n",
	      stderr);
	exit(2);
}

static struct sockaddr_in address_parse(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char *end;
	long number = strtol(port, &end, 10);

	if (*end != '\0' || number < 1 || number > 65535 ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1)
		usage();
	address.sin_port = htons((uint16_t)number);
	return address;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct sockaddr_in address;
	int64_t duration_ns;
	long size = 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(mode, "serve") == 0) {
		address = address_parse("0.0.0.0", argv[2]);
		serve(&address);
	}
	if (argc < 5 || argc > 6)
		usage();
	address = address_parse(argv[2], argv[3]);
	duration_ns = (int64_t)(strtod(argv[4], NULL) * 1e9);
	if (argc == 6)
		size = strtol(argv[5], NULL, 10);
	if (duration_ns <= 0 ||
	    (argc == 6 && (size < 1 || size > SIZE_MAX_UDP)))
		usage();
	if (argc == 5 && strcmp(mode, "tcp-rr") == 0)
		round_trips(SOCK_STREAM, &address, duration_ns);
	else if (argc == 5 && strcmp(mode, "udp-rr") == 0)
		round_trips(SOCK_DGRAM, &address, duration_ns);
	else if (argc == 6 && strcmp(mode, "udp-send") == 0)
		datagrams_send(&address, duration_ns, (size_t)size);
	else if (argc == 6 && strcmp(mode, "udp-recv") == 0)
		datagrams_receive(&address, duration_ns, (size_t)size);
	else
		usage();
	return 0;
}
