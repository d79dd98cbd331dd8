/*
 * PID 1 of the lab's Linux (L1): from the initramfs to the command and out.
 *
 * Theory of operation. tests/lab boots a Debian kernel in an emulated machine
 * whose root is the host's own root, read-only over 9p. This program
 *  1. loads the modules listed in /modules/order,
 *  2. lays a tmpfs over the host's root and makes that the root,
 *  3. mounts what a running system has (no udev, no service),
 *  4. runs the command of the job file with its output on a virtio-serial
 *     port, and relays a terminal when there is one,
 *  5. reports the exit status on another port and ends the machine.
 *
 * The job file is a list of NUL-terminated "key=value" written by tests/lab;
 * its path on the host comes in hexadecimal on the kernel command line, so
 * that no character of it needs quoting. Whatever fails before the command
 * runs is one line on the console; tests/lab finds no status and shows it.
 *
 * One thread. The command's output goes through a pipe (or a pty) and not
 * straight to the port: a port opens only once, and scripts write to
 * /dev/stderr.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* isa-debug-exit as tests/lab places it: a byte written ends QEMU. */
#define EXIT_PORT 0x501

#define OVERLAY_OPTIONS "lowerdir=/lower,upperdir=/tmpfs/up,workdir=/tmpfs/work"
#define HOST_ROOT_9P \
	"trans=virtio,version=9p2000.L,msize=512000,cache=loose,access=any"
#define RESULTS_9P \
	"trans=virtio,version=9p2000.L,msize=512000,cache=mmap,access=any"

struct job {
	char *data;
	const char *cwd;
	const char *results;
	const char *modules;
	const char *name;
	const char *node; /* "1".."254", or NULL without a network */
	const char *rows; /* NULL without a terminal */
	const char *columns;
	char **argv;
	char **env;
};

/* What flows while the command runs; fds are -1 when not there. */
struct relay {
	int source; /* pipe from the command, or the pty's master */
	int out; /* port towards the caller's stdout */
	int in; /* port from the caller's terminal */
	int signals;
	pid_t command;
	int status;
	bool done;
	size_t held; /* bytes of input that the pty would not take yet */
	char input[4096];
};

static void machine_end(int code)
{
	sync();
	if (iopl(3) == 0)
		__asm__ volatile("outb %b0, %w1" : : "a"(code), "d"(EXIT_PORT));
	for (;;)
		pause();
}

__attribute__((format(printf, 1, 2), noreturn)) static void
die(const char *format, ...)
{
	va_list args;
	int error = errno;

	va_start(args, format);
	dprintf(2, "\nlab: cannot ");
	vdprintf(2, format, args);
	dprintf(2, ": %s\n", strerrordesc_np(error));
	va_end(args);
	machine_end(1);
	abort();
}

static void mount_at(const char *type, const char *source, const char *target,
		     unsigned long flags, const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options))
		die("mount %s on %s", type, target);
}

/* For what a kernel may lack: the lab does not depend on it. */
static void mount_try(const char *type, const char *target, const char *options)
{
	mkdir(target, 0755);
	if (mount(type, target, type, 0, options) && errno != EBUSY)
		dprintf(2, "lab: no %s on %s\n", type, target);
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* A whole file with a NUL after it; the caller frees it. NULL on failure. */
static char *read_file(const char *path, size_t *ret_size)
{
	size_t size = 0, room = 1 << 16;
	char *data = malloc(room);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	while (fd >= 0 && data) {
		got = read(fd, data + size, room - size - 1);
		if (got <= 0)
			break;
		size += (size_t)got;
		if (size == room - 1) {
			char *larger = realloc(data, room *= 2);

			if (!larger)
				free(data);
			data = larger;
		}
	}
	if (fd >= 0)
		close(fd);
	if (got < 0 || !data) {
		free(data);
		return NULL;
	}
	data[size] = '\0';
	if (ret_size)
		*ret_size = size;
	return data;
}

static void module_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
		die("load %s", path);
	close(fd);
}

/*
 * What the processor's clock (TSC) runs at is measured roughly at first, all
 * the more so on a busy host, and finely when the machine has been up for two
 * seconds. KVM takes the rate that it finds when it is loaded for that of its
 * guests, and one that turns out to be off by more than 250 ppm for a wish to
 * scale, for which the emulated processor has no means. Linux 6.1 then leaves
 * the factor 0 (arch/x86/kvm/x86.c, set_tsc_khz and kvm_scale_tsc): a timer of
 * the guest fires when the lab is twice as old as when it was set.
 */
static void clock_wait(void)
{
	static const char clock[] = "/sys/devices/system/clocksource/"
				    "clocksource0/current_clocksource";
	bool is_rough = true;

	for (int tries = 0; is_rough && tries < 1000; tries++) {
		char *name = read_file(clock, NULL);

		is_rough = name && strcmp(name, "tsc-early\n") == 0;
		free(name);
		if (is_rough)
			usleep(10000);
	}
}

static void modules_load(void)
{
	char *order = read_file("/modules/order", NULL);
	char *line, *rest = order;

	if (!order)
		die("read /modules/order");
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strstr(line, "/kvm.ko"))
			clock_wait();
		if (*line != '\0')
			module_load(line);
	}
	free(order);
}

/* The value of one word of the kernel command line, NULL without it. */
static char *cmdline_value(const char *key)
{
	char *line = read_file("/proc/cmdline", NULL);
	char *word, *rest = line, *value = NULL;

	if (!line)
		die("read /proc/cmdline");
	while (!value && (word = strsep(&rest, " \n")) != NULL) {
		size_t length = strlen(key);

		if (strncmp(word, key, length) == 0 && word[length] == '=')
			value = strdup(word + length + 1);
	}
	free(line);
	return value;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10;
}

/* Turns pairs of hexadecimal digits into the bytes they stand for. */
static void hex_decode(char *text)
{
	size_t i;

	for (i = 0; text[2 * i] != '\0' && text[2 * i + 1] != '\0'; i++)
		text[i] = (char)(hex_digit(text[2 * i]) << 4 |
				 hex_digit(text[2 * i + 1]));
	text[i] = '\0';
}

static void job_field(struct job *job, char *entry, size_t *argc, size_t *envc)
{
	char *value = strchr(entry, '=');
	const struct {
		const char *key;
		const char **field;
	} fields[] = {
		{ "cwd", &job->cwd },	      { "results", &job->results },
		{ "modules", &job->modules }, { "name", &job->name },
		{ "node", &job->node },	      { "rows", &job->rows },
		{ "columns", &job->columns },
	};

	errno = EINVAL;
	if (!value)
		die("understand the job file");
	*value++ = '\0';
	if (strcmp(entry, "arg") == 0) {
		job->argv[(*argc)++] = value;
		return;
	}
	if (strcmp(entry, "env") == 0) {
		job->env[(*envc)++] = value;
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(entry, fields[i].key) == 0) {
			*fields[i].field = value;
			return;
		}
	}
	die("understand the job file: key %s", entry);
}

static void job_read(struct job *job)
{
	size_t size, count = 0, argc = 0, envc = 0, length;
	char *hex = cmdline_value("lab.job");
	char path[4096];

	if (!hex)
		die("find lab.job on the kernel command line");
	hex_decode(hex);
	snprintf(path, sizeof(path), "/lower%s", hex);
	free(hex);
	job->data = read_file(path, &size);
	if (!job->data)
		die("read %s", path);
	for (size_t i = 0; i < size; i++)
		count += job->data[i] == '\0';
	job->argv = calloc(count + 1, sizeof(*job->argv));
	job->env = calloc(count + 1, sizeof(*job->env));
	if (!job->argv || !job->env)
		die("hold the job file");
	for (char *entry = job->data; entry < job->data + size;
	     entry += length + 1) {
		length = strlen(entry);
		job_field(job, entry, &argc, &envc);
	}
	errno = EINVAL;
	if (!job->cwd || !job->results || !job->modules || !job->name || !argc)
		die("use an incomplete job file");
}

static void early_mounts(void)
{
	mount_at("devtmpfs", "devtmpfs", "/dev", MS_NOSUID, "mode=0755");
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (open("/dev/console", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2)
		machine_end(1);
	mount_at("proc", "proc", "/proc", 0, "");
	mount_at("sysfs", "sysfs", "/sys", 0, "");
}

/* The host's root under a tmpfs; then the move that switch_root(8) makes. */
static void root_mount(struct job *job)
{
	mount_at("9p", "host", "/lower", MS_RDONLY, HOST_ROOT_9P);
	job_read(job);
	mount_at("tmpfs", "tmpfs", "/tmpfs", 0, "mode=0755,size=80%");
	if (mkdir("/tmpfs/up", 0755) || mkdir("/tmpfs/work", 0755))
		die("make the overlay's folders");
	mount_at("overlay", "overlay", "/root", 0, OVERLAY_OPTIONS);
	mount_at("", "/dev", "/root/dev", MS_MOVE, NULL);
	mount_at("", "/proc", "/root/proc", MS_MOVE, NULL);
	mount_at("", "/sys", "/root/sys", MS_MOVE, NULL);
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		die("enter the new root");
}

/* mkdir -p; what is there already stays as it is. */
static void make_folders(const char *path)
{
	char part[4096];

	for (size_t i = 1; path[i - 1] != '\0' && i < sizeof(part); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		mkdir(part, 0755);
	}
}

/*
 * Nodes that make the kernel load their module on first use (tun, loop,
 * vhost-net ...), as kmod-static-nodes.service does elsewhere.
 */
static void static_nodes(void)
{
	struct utsname uts;
	char path[512], name[64], kind;
	unsigned int major_nr, minor_nr;
	char *list, *line, *rest;

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.devname",
		 uts.release);
	list = rest = read_file(path, NULL);
	while (list && (line = strsep(&rest, "\n")) != NULL) {
		if (sscanf(line, "%*s %63s %c%u:%u", name, &kind, &major_nr,
			   &minor_nr) != 4)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", name);
		*strrchr(path, '/') = '\0';
		make_folders(path);
		path[strlen(path)] = '/';
		mknod(path, (kind == 'b' ? S_IFBLK : S_IFCHR) | 0600,
		      makedev(major_nr, minor_nr));
	}
	free(list);
	chmod("/dev/net/tun", 0666);
}

static void system_mounts(const struct job *job)
{
	mount_at("devpts", "devpts", "/dev/pts", 0,
		 "gid=5,mode=620,ptmxmode=666");
	mount_at("tmpfs", "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV,
		 "mode=1777");
	mount_at("tmpfs", "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
	mount_at("cgroup2", "cgroup2", "/sys/fs/cgroup", 0, "");
	mount_try("mqueue", "/dev/mqueue", "");
	mount_try("hugetlbfs", "/dev/hugepages", "");
	mount_try("securityfs", "/sys/kernel/security", "");
	mount_try("debugfs", "/sys/kernel/debug", "");
	mount_try("tracefs", "/sys/kernel/tracing", "");
	mount_try("bpf", "/sys/fs/bpf", "mode=700");
	mkdir("/run/lock", 01777);
	if (symlink("/proc/self/fd", "/dev/fd") ||
	    symlink("fd/0", "/dev/stdin") || symlink("fd/1", "/dev/stdout") ||
	    symlink("fd/2", "/dev/stderr"))
		die("link /dev/fd");
	make_folders("/lib/modules");
	if (mount(job->modules, "/lib/modules", NULL, MS_BIND, NULL))
		die("bind %s", job->modules);
	static_nodes();
	make_folders(job->results);
	mount_at("9p", "results", job->results, 0, RESULTS_9P);
}

/* All that cgroup v2 has, so that a test need not switch it on. */
static void cgroup_controllers(void)
{
	char *list = read_file("/sys/fs/cgroup/cgroup.controllers", NULL);
	char *name, *rest = list, text[64];

	while (list && (name = strsep(&rest, " \n")) != NULL) {
		snprintf(text, sizeof(text), "+%s", name);
		if (*name != '\0')
			write_file("/sys/fs/cgroup/cgroup.subtree_control",
				   text);
	}
	free(list);
}

static void interface_up(int sock, const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &request))
		die("bring up %s", name);
}

/* The lab's network: 10.77.0.NODE/24 on eth0. */
static void node_address(int sock, const char *node)
{
	struct ifreq request = { .ifr_name = "eth0" };
	struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
	uint32_t number = (uint32_t)strtoul(node, NULL, 10);

	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(0x0a4d0000 | number);
	if (ioctl(sock, SIOCSIFADDR, &request))
		die("give eth0 its address");
	address->sin_addr.s_addr = htonl(0xffffff00);
	if (ioctl(sock, SIOCSIFNETMASK, &request))
		die("give eth0 its netmask");
	interface_up(sock, "eth0");
}

static void network_up(const struct job *job)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		die("open a socket");
	interface_up(sock, "lo");
	if (job->node)
		node_address(sock, job->node);
	close(sock);
	if (sethostname(job->name, strlen(job->name)))
		die("set the host name");
}

/* Opens the port of that name; its node appears when the driver is told. */
static int port_open(const char *name, int flags)
{
	const char *sysfs = "/sys/class/virtio-ports";
	char path[512];

	for (int tries = 0; tries < 1000; tries++, usleep(5000)) {
		DIR *dir = opendir(sysfs);
		struct dirent *entry;
		int fd = -1;

		while (fd < 0 && dir && (entry = readdir(dir)) != NULL) {
			char *text;

			snprintf(path, sizeof(path), "%s/%s/name", sysfs,
				 entry->d_name);
			text = read_file(path, NULL);
			if (text && strcspn(text, "\n") == strlen(name) &&
			    strncmp(text, name, strlen(name)) == 0) {
				snprintf(path, sizeof(path), "/dev/%s",
					 entry->d_name);
				fd = open(path, flags | O_CLOEXEC);
			}
			free(text);
		}
		if (dir)
			closedir(dir);
		if (fd >= 0)
			return fd;
	}
	errno = ENODEV;
	die("open the port %s", name);
}

static void write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t put = write(fd, data, size);

		if (put < 0 && errno != EINTR)
			die("write to the host");
		if (put > 0) {
			data += put;
			size -= (size_t)put;
		}
	}
}

/* The command's side of its start; stdio is one end of a pipe or of a pty. */
__attribute__((noreturn)) static void command_exec(const struct job *job,
						   int input, int output)
{
	sigset_t none;

	setsid();
	dup2(input, 0);
	dup2(output, 1);
	dup2(output, 2);
	if (job->rows)
		ioctl(0, TIOCSCTTY, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = job->env;
	if (chdir(job->cwd))
		dprintf(2, "lab: cannot enter %s: %s\n", job->cwd,
			strerrordesc_np(errno));
	else
		execvp(job->argv[0], job->argv);
	dprintf(2, "lab: cannot run %s: %s\n", job->argv[0],
		strerrordesc_np(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int pty_open(const struct job *job, int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct winsize size = {
		.ws_row = (unsigned short)strtoul(job->rows, NULL, 10),
		.ws_col = (unsigned short)strtoul(job->columns, NULL, 10),
	};

	if (master < 0 || grantpt(master) || unlockpt(master))
		die("open a pty");
	*ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*ret_slave < 0 || ioctl(master, TIOCSWINSZ, &size))
		die("open the pty's other end");
	return master;
}

static void command_start(const struct job *job, struct relay *relay)
{
	int input, output, ends[2];

	if (job->rows) {
		relay->source = pty_open(job, &input);
		output = input;
	} else {
		input = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (input < 0 || pipe2(ends, O_CLOEXEC))
			die("open a pipe");
		relay->source = ends[0];
		output = ends[1];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
	}
	relay->command = fork();
	if (relay->command < 0)
		die("fork");
	if (relay->command == 0)
		command_exec(job, input, output);
	close(input);
	if (output != input)
		close(output);
}

/* Children of the command that outlive it become ours: reap those too. */
static void relay_reap(struct relay *relay)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(relay->signals, &info, sizeof(info)) > 0)
		continue;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != relay->command)
			continue;
		relay->done = true;
		relay->status = WIFEXITED(status) ? WEXITSTATUS(status) :
						    128 + WTERMSIG(status);
	}
}

/* Passes on what the command wrote. Returns false when there is no more. */
static bool relay_output(struct relay *relay)
{
	char data[32768];
	ssize_t got = read(relay->source, data, sizeof(data));

	if (got > 0)
		write_all(relay->out, data, (size_t)got);
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Keystrokes; the end of a piped input becomes the terminal's own mark. */
static void relay_input(struct relay *relay)
{
	ssize_t got = read(relay->in, relay->input, sizeof(relay->input));

	if (got > 0) {
		relay->held = (size_t)got;
	} else if (got == 0 || errno != EAGAIN) {
		relay->input[0] = 4; /* VEOF */
		relay->held = 1;
		close(relay->in);
		relay->in = -1;
	}
}

static void relay_input_flush(struct relay *relay)
{
	ssize_t put = write(relay->source, relay->input, relay->held);

	if (put < 0 && errno != EAGAIN) {
		relay->held = 0;
	} else if (put > 0) {
		relay->held -= (size_t)put;
		memmove(relay->input, relay->input + put, relay->held);
	}
}

static void relay_run(struct relay *relay)
{
	bool open_source = true;

	while (!relay->done) {
		struct pollfd fds[] = {
			{ relay->signals, POLLIN, 0 },
			{ relay->held ? -1 : relay->in, POLLIN, 0 },
			{ open_source ? relay->source : -1,
			  (short)(POLLIN | (relay->held ? POLLOUT : 0)), 0 },
		};

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[2].revents & (POLLIN | POLLHUP | POLLERR))
			open_source = relay_output(relay);
		if (fds[2].revents & POLLOUT)
			relay_input_flush(relay);
		if (fds[1].revents)
			relay_input(relay);
		if (fds[0].revents)
			relay_reap(relay);
	}
}

/* A pty hands over with a delay; a pipe has all of it at once. */
static void relay_drain(struct relay *relay, bool pty)
{
	struct pollfd fd = { relay->source, POLLIN, 0 };

	while (poll(&fd, 1, pty ? 50 : 0) > 0 && (fd.revents & POLLIN)) {
		if (!relay_output(relay))
			break;
	}
}

/* The port says "not connected" until QEMU has told of its stdin. */
static void wait_connected(int port)
{
	struct pollfd fd = { port, POLLIN, 0 };

	for (int tries = 0; tries < 100; tries++, usleep(5000)) {
		if (poll(&fd, 1, 0) == 0 || !(fd.revents & POLLHUP))
			return;
	}
}

static int command_run(const struct job *job)
{
	struct relay relay = { .in = -1 };
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	relay.signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (relay.signals < 0)
		die("open a signalfd");
	relay.out = port_open("lab.out", O_WRONLY);
	if (job->rows) {
		relay.in = port_open("lab.in", O_RDONLY | O_NONBLOCK);
		wait_connected(relay.in);
	}
	command_start(job, &relay);
	relay_run(&relay);
	relay_drain(&relay, job->rows != NULL);
	return relay.status;
}

/*
 * QEMU 7.2 loses interrupts: where its emulation enters and leaves a
 * guest (target/i386/tcg, svm_helper.c) it changes the word of what is pending
 * without the lock under which timers and devices do. The local APIC keeps such
 * an interrupt, but the processor does not hear of it before the next one, and
 * when all timers wait behind the lost one and the processor halts, that never
 * comes. The real-time clock's comes each second, whatever else does.
 */
static void heartbeat(void)
{
	int fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);

	/* It goes on while the file is open. */
	if (fd < 0 || ioctl(fd, RTC_UIE_ON, 0))
		die("let the clock tick");
}

int main(void)
{
	struct job job = { 0 };
	char text[32];
	int control;

	early_mounts();
	modules_load();
	root_mount(&job);
	system_mounts(&job);
	cgroup_controllers();
	network_up(&job);
	heartbeat();
	control = port_open("lab.status", O_WRONLY);
	snprintf(text, sizeof(text), "exit %d\n", command_run(&job));
	kill(-1, SIGKILL);
	sync();
	write_all(control, text, strlen(text));
	machine_end(0);
}
