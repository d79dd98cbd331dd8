#include "io/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LOOPBACK_NET 127 /* RFC 1122, 3.2.1.3 (g) */

/*
 * True when a socket file is left over from a process that is gone. Asked with
 * a socket of another type, since a stream that connects would become a client
 * of whoever listens there, or wait in a full queue; this one meets EPROTOTYPE.
 */
static bool is_stale_socket(const struct sockaddr_un *addr)
{
	struct stat st;
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	return connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
	       errno == ECONNREFUSED;
}

int listen_unix(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	autoclose int fd = -1;
	mode_t mask;
	int rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, ENAMETOOLONG,
			       "socket path %s is longer than %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "cannot create a socket");
	if (is_stale_socket(&addr))
		unlink(path);
	mask = umask(0177);
	rc = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	if (rc < 0)
		rc = -errno;
	umask(mask);
	if (rc < 0)
		return err_sys(err, -rc, "cannot listen on %s", path);
	if (listen(fd, 4) < 0) {
		rc = err_sys(err, errno, "cannot listen on %s", path);
		unlink(path);
		return rc;
	}
	return move_fd(&fd);
}

/* What bind(2) takes for @host; its length, or 0 when that is no loopback. */
static socklen_t loopback_address(const char *host, uint16_t port,
				  struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret_addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret_addr;

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (!strcmp(host, "localhost"))
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return ntohl(v4->sin_addr.s_addr) >> 24 == LOOPBACK_NET ?
			       sizeof(*v4) :
			       0;
	}
	if (strcmp(host, "[::1]") != 0)
		return 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	v6->sin6_addr = in6addr_loopback;
	return sizeof(*v6);
}

int listen_tcp(const char *host, uint16_t port, struct err *err)
{
	struct sockaddr_storage addr;
	socklen_t len = loopback_address(host, port, &addr);
	autoclose int fd = -1;
	int one = 1;

	if (!len)
		return err_set(err, EINVAL,
			       "%s is not an address of this host alone: use "
			       "127.0.0.1 or [::1]",
			       host);
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return err_sys(err, errno, "cannot create a socket");
	/* A port whose last connection ended a minute ago is free. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&addr, len) < 0 ||
	    listen(fd, 4) < 0)
		return err_sys(err, errno, "cannot listen on %s:%u", host,
			       (unsigned int)port);
	return move_fd(&fd);
}
