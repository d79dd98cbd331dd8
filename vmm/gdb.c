#include "vmm/gdb.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/log.h"
#include "core/parse.h"
#include "io/listen.h"
#include "vmm/exit_status.h"
#include "vmm/gdb_internal.h"
#include "vmm/gdb_registers.h"

/* --- The address --- */

struct address {
	const char *path; /* within the text; NULL: TCP */
	char host[64];
	uint16_t port;
};

static int parse_address(const char *text, struct address *ret_address,
			 struct err *err)
{
	struct address address = { 0 };
	const char *colon;
	uint64_t port;

	if (!strncmp(text, "unix:", 5) && text[5]) {
		ret_address->path = text + 5;
		return 0;
	}
	colon = strrchr(text, ':');
	if (strncmp(text, "tcp:", 4) != 0 || colon < text + 5 ||
	    (size_t)(colon - text - 4) >= sizeof(address.host) ||
	    parse_u64(colon + 1, &port) || !port || port > UINT16_MAX)
		return err_set(err, EINVAL,
			       "--gdb %s: it is unix:PATH or "
			       "tcp:127.0.0.1:PORT",
			       text);
	memcpy(address.host, text + 4, (size_t)(colon - text - 4));
	address.port = (uint16_t)port;
	*ret_address = address;
	return 0;
}

int gdb_check_address(const char *address, struct err *err)
{
	struct address parsed = { 0 };

	return parse_address(address, &parsed, err);
}

/* --- The client --- */

static void watch_client(struct gdb *gdb)
{
	bool has_output = gdb->sent < gdb->writer.len;

	if (gdb->client.fd < 0)
		return;
	/* While the vCPUs are on their way to a stop, what gdb says waits: it
	 * is about a guest that stands still. */
	gdb->client.events = 0;
	if (has_output)
		gdb->client.events = POLLOUT;
	else if (gdb->debug->state != DEBUG_STOPPING)
		gdb->client.events = POLLIN;
}

void gdb_hang_up(struct gdb *gdb)
{
	if (gdb->client.fd < 0)
		return;
	loop_remove(gdb->loop, &gdb->client);
	close(gdb->client.fd);
	gdb->client.fd = -1;
	gdb->listener.events = POLLIN;
	/* One that is on its way to a stop is let go when it is there. */
	if (gdb->debug->state == DEBUG_STOPPED)
		debug_detach(gdb->debug);
	else
		debug_stop(gdb->debug);
	log_info("gdb left; the guest runs on");
}

static void flush(struct gdb *gdb)
{
	while (gdb->client.fd >= 0 && gdb->sent < gdb->writer.len) {
		ssize_t done = send(gdb->client.fd,
				    gdb->writer.data + gdb->sent,
				    gdb->writer.len - gdb->sent, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			break;
		if (done <= 0) {
			gdb_hang_up(gdb);
			return;
		}
		gdb->sent += (size_t)done;
	}
	watch_client(gdb);
}

static void send_packet(struct gdb *gdb)
{
	gdb_writer_end(&gdb->writer);
	gdb->sent = 0;
	flush(gdb);
}

/* One byte; gdb sends nothing while it waits for it, so there is room. */
static void acknowledge(struct gdb *gdb, char sign)
{
	if (gdb->no_ack)
		return;
	if (send(gdb->client.fd, &sign, 1, MSG_NOSIGNAL) != 1)
		gdb_hang_up(gdb);
}

static void take_packet(struct gdb *gdb)
{
	bool answers;

	acknowledge(gdb, '+');
	if (gdb->client.fd < 0)
		return;
	gdb_writer_begin(&gdb->writer);
	answers = gdb_answer(gdb);
	if (gdb->client.fd < 0)
		return;
	if (answers) {
		if (gdb->writer.overflow) {
			gdb_writer_begin(&gdb->writer);
			gdb_writer_add(&gdb->writer, "E%02x", EMSGSIZE);
		}
		send_packet(gdb);
	} else {
		gdb->sent = gdb->writer.len;
	}
}

static void take_byte(struct gdb *gdb, uint8_t byte)
{
	switch (gdb_reader_take(&gdb->reader, byte)) {
	case GDB_EVENT_PACKET:
		take_packet(gdb);
		break;
	case GDB_EVENT_BROKEN:
		acknowledge(gdb, '-');
		break;
	case GDB_EVENT_INTERRUPT:
		debug_stop(gdb->debug);
		break;
	case GDB_EVENT_AGAIN:
		gdb->sent = 0;
		flush(gdb);
		break;
	case GDB_EVENT_NONE:
		break;
	}
}

static void on_client(struct loop_source *source, short revents)
{
	struct gdb *gdb = source->opaque;
	uint8_t bytes[4096];
	ssize_t got;

	if (revents & POLLOUT) {
		flush(gdb);
		return;
	}
	got = recv(source->fd, bytes, sizeof(bytes), 0);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		gdb_hang_up(gdb);
		return;
	}
	for (ssize_t i = 0; i < got && gdb->client.fd >= 0; i++)
		take_byte(gdb, bytes[i]);
	watch_client(gdb);
}

static void on_connect(struct loop_source *source, short revents)
{
	struct gdb *gdb = source->opaque;
	struct err err = { 0 };
	int one = 1;
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (fd < 0)
		return;
	/* Answers are small and each is waited for; fails on Unix sockets. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	gdb->client = (struct loop_source){
		.fd = fd,
		.ready = on_client,
		.opaque = gdb,
	};
	if (loop_add(gdb->loop, &gdb->client, &err)) {
		log_warn("gdb: %s", err.msg);
		close(fd);
		gdb->client.fd = -1;
		return;
	}
	/* The next one waits until this one leaves. */
	gdb->listener.events = 0;
	memset(&gdb->reader, 0, sizeof(gdb->reader));
	gdb->writer.len = 0;
	gdb->sent = 0;
	gdb->no_ack = false;
	gdb->has_swbreak = false;
	gdb->has_hwbreak = false;
	gdb->awaits_stop = false;
	gdb->vcpu = 0;
	gdb->stop_vcpu = 0;
	gdb->stop = (struct debug_hit){ .kind = DEBUG_HIT_PAUSED };
	debug_stop(gdb->debug);
	watch_client(gdb);
}

void gdb_update(struct gdb *gdb)
{
	if (!debug_update(gdb->debug, &gdb->stop_vcpu, &gdb->stop)) {
		watch_client(gdb);
		return;
	}
	if (gdb->client.fd < 0) {
		debug_detach(gdb->debug);
		return;
	}
	gdb->vcpu = gdb->stop_vcpu;
	if (gdb->awaits_stop) {
		gdb->awaits_stop = false;
		gdb_writer_begin(&gdb->writer);
		gdb_write_stop(gdb);
		send_packet(gdb);
	}
	watch_client(gdb);
}

/* --- Life --- */

static int listen_at(struct gdb *gdb, const char *text, struct err *err)
{
	struct address address = { 0 };
	int rc = parse_address(text, &address, err);

	if (rc)
		return rc;
	if (!address.path) {
		gdb->listener.fd = listen_tcp(address.host, address.port, err);
	} else {
		gdb->listener.fd = listen_unix(address.path, err);
		if (gdb->listener.fd >= 0)
			gdb->socket_path = strdup(address.path);
	}
	if (gdb->listener.fd < 0)
		return err_prefix(err, "--gdb");
	return 0;
}

int gdb_new(const char *address, struct loop *loop, struct debug *debug,
	    struct verdict *verdict, struct gdb **ret_gdb, struct err *err)
{
	struct gdb *gdb = calloc(1, sizeof(*gdb));
	int rc;

	if (!gdb)
		return err_sys(err, ENOMEM, "--gdb");
	gdb->loop = loop;
	gdb->debug = debug;
	gdb->verdict = verdict;
	gdb->listener.fd = -1;
	gdb->client.fd = -1;
	gdb->xml = gdb_registers_xml();
	if (!gdb->xml) {
		rc = err_sys(err, ENOMEM, "--gdb");
		goto fail;
	}
	rc = listen_at(gdb, address, err);
	if (rc)
		goto fail;
	gdb->listener.events = POLLIN;
	gdb->listener.ready = on_connect;
	gdb->listener.opaque = gdb;
	rc = loop_add(loop, &gdb->listener, err);
	if (rc)
		goto fail;
	*ret_gdb = gdb;
	return 0;
fail:
	gdb_free(gdb, 0);
	return rc;
}

void gdb_free(struct gdb *gdb, int status)
{
	if (!gdb)
		return;
	if (gdb->client.fd >= 0) {
		/* Only what still waits for the guest wants to hear of its
		 * end; the reader of a half-sent packet would not get it. */
		if (gdb->awaits_stop && gdb->sent == gdb->writer.len) {
			gdb_writer_begin(&gdb->writer);
			gdb_writer_add(&gdb->writer, "W%02x", status & 0xff);
			gdb_writer_end(&gdb->writer);
			(void)send(gdb->client.fd, gdb->writer.data,
				   gdb->writer.len, MSG_NOSIGNAL);
		}
		loop_remove(gdb->loop, &gdb->client);
		close(gdb->client.fd);
	}
	if (gdb->listener.fd >= 0) {
		loop_remove(gdb->loop, &gdb->listener);
		close(gdb->listener.fd);
	}
	if (gdb->socket_path)
		unlink(gdb->socket_path);
	free(gdb->socket_path);
	free(gdb->xml);
	free(gdb);
}
