/*
 * PID 1 of the Linux guest.
 *
 * Theory of operation. One static program instead of a shell script, because
 * an emulated guest pays for every fork. It reads the kernel command line:
 *
 *   hull.bench=1       say "hull-init: reached" and end, before anything else
 *   hull.run=CMD       run CMD with sh; quote it when it has blanks
 *   hull.script=BASE64 the same for a script that must not be quoted
 *   hull.file=PATH     the same for a file, say of a second initrd
 *   hull.exit=PORT     write the script's status to that I/O port too
 *   hull.size=RxC      rows and columns of the terminal, which a serial line
 *                      cannot tell
 *
 * A script's end prints "hull-init: script exited N" and powers off. Without
 * a script an interactive shell has the console, and its end powers off.
 *
 * Modules are loaded only for devices that are there: /lib/modules/hull.alias
 * (made by build.sh) has lines "PATTERN FILE...", the files in loading order,
 * and each device's modalias is matched against the patterns. The bus drivers
 * come first; they make the devices of the second pass.
 *
 * While the child runs, one loop waits for its end, for the power button, and
 * for the signals that busybox's poweroff, reboot and halt send to PID 1.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/input.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT_PATH "/run/hull.script"
#define ALIAS_PATH  "/lib/modules/hull.alias"
#define BUTTONS_MAX 4

struct options {
	char *run;
	char *script;
	const char *file;
	char *exit_port;
	char *size;
	char *console; /* the last console=, the one that gets /dev/console */
	bool bench;
};

/* Everything the main loop waits for. */
struct watch {
	int signals;
	int buttons[BUTTONS_MAX]; /* -1 behind the last */
	pid_t child;
};

/* Where the messages go: 2 is the console, if the kernel has one yet. */
static void say(const char *text)
{
	dprintf(2, "hull-init: %s\n", text);
}

static void mount_quiet(const char *type, const char *target,
			unsigned long flags, const char *options)
{
	mkdir(target, 0755);
	if (mount(type, target, type, flags, options))
		dprintf(2, "hull-init: cannot mount %s: %s\n", target,
			strerrordesc_np(errno));
}

/* A file with a NUL after it, cut at 64 KiB; the caller frees it. */
static char *read_file(const char *path)
{
	const size_t room = 65536;
	char *data = malloc(room);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t got;

	while (data && fd >= 0 && size < room - 1) {
		got = read(fd, data + size, room - 1 - size);
		if (got <= 0)
			break;
		size += (size_t)got;
	}
	if (data)
		data[size] = '\0';
	if (fd < 0) {
		free(data);
		return NULL;
	}
	close(fd);
	return data;
}

/*
 * Cuts one word off *rest. Double quotes group as they do for the kernel
 * (Documentation/admin-guide/kernel-parameters.rst) and are dropped; the
 * kernel keeps them in /proc/cmdline around the value or the whole word.
 */
static char *next_word(char **rest)
{
	char *from = *rest, *word, *to;
	bool quoted = false;

	while (isspace((unsigned char)*from))
		from++;
	if (*from == '\0')
		return NULL;
	for (word = to = from; *from != '\0'; from++) {
		if (*from == '"')
			quoted = !quoted;
		else if (!quoted && isspace((unsigned char)*from))
			break;
		else
			*to++ = *from;
	}
	*rest = *from == '\0' ? from : from + 1;
	*to = '\0';
	return word;
}

/* The strings point into line, which must stay. */
static void options_parse(char *line, struct options *options)
{
	char *word, *value;

	while ((word = next_word(&line)) != NULL) {
		value = strchr(word, '=');
		if (value && strncmp(word, "console=", 8) == 0)
			options->console = value + 1;
		if (strncmp(word, "hull.", 5) != 0 || !value)
			continue;
		*value++ = '\0';
		if (strcmp(word, "hull.bench") == 0)
			options->bench = strcmp(value, "1") == 0;
		else if (strcmp(word, "hull.run") == 0)
			options->run = value;
		else if (strcmp(word, "hull.script") == 0)
			options->script = value;
		else if (strcmp(word, "hull.file") == 0)
			options->file = value;
		else if (strcmp(word, "hull.exit") == 0)
			options->exit_port = value;
		else if (strcmp(word, "hull.size") == 0)
			options->size = value;
	}
}

/* One base64 digit (RFC 4648, 4 and 5), or -1. */
static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at;

	if (c == '-' || c == '_')
		c = c == '-' ? '+' : '/';
	at = c == '\0' ? NULL : strchr(digits, c);
	return at ? (int)(at - digits) : -1;
}

/* In place: the result is shorter. Returns its length, -1 if malformed. */
static ssize_t base64_decode(char *text)
{
	unsigned int bits = 0, count = 0;
	ssize_t size = 0;
	char *from;

	for (from = text; *from != '\0' && *from != '='; from++) {
		int digit = base64_digit(*from);

		if (digit < 0)
			return -1;
		bits = bits << 6 | (unsigned int)digit;
		count += 6;
		if (count >= 8) {
			count -= 8;
			text[size++] = (char)(bits >> count);
		}
	}
	return size;
}

/* Loaded ones are asked for again: by another device, as a dependency. */
static bool module_loaded(const char *path)
{
	const char *name = strrchr(path, '/');
	char sysfs[128];
	size_t length;

	name = name ? name + 1 : path;
	length = strcspn(name, ".");
	snprintf(sysfs, sizeof(sysfs), "/sys/module/%.*s", (int)length, name);
	for (char *c = strchr(sysfs + 1, '/'); *c != '\0'; c++) {
		if (*c == '-')
			*c = '_';
	}
	return access(sysfs, F_OK) == 0;
}

static void module_load(const char *path)
{
	int fd;

	if (module_loaded(path))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
		dprintf(2, "hull-init: cannot load %s: %s\n", path,
			strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
}

/* Loads what drives a device of this modalias. aliases is left as it was. */
static void device_load(const char *modalias, const char *aliases)
{
	char line[1024], *rest, *word;
	size_t length;

	for (; *aliases != '\0';
	     aliases += length + (aliases[length] == '\n')) {
		length = strcspn(aliases, "\n");
		if (length >= sizeof(line))
			continue;
		memcpy(line, aliases, length);
		line[length] = '\0';
		rest = line;
		word = next_word(&rest);
		if (!word || fnmatch(word, modalias, 0) != 0)
			continue;
		while ((word = next_word(&rest)) != NULL)
			module_load(word);
	}
}

static void bus_load(const char *bus, const char *aliases)
{
	char path[512];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/%s/devices", bus);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL) {
		char *modalias;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/modalias",
			 bus, entry->d_name);
		modalias = read_file(path);
		if (modalias) {
			modalias[strcspn(modalias, "\n")] = '\0';
			device_load(modalias, aliases);
		}
		free(modalias);
	}
	if (dir)
		closedir(dir);
}

static void modules_load(void)
{
	char *aliases = read_file(ALIAS_PATH);

	if (!aliases) {
		say("no " ALIAS_PATH ", so no modules");
		return;
	}
	bus_load("acpi", aliases);
	bus_load("pci", aliases);
	bus_load("platform", aliases);
	bus_load("virtio", aliases);
	free(aliases);
}

/* busybox by all its names; the list is one per line. */
static void applets_link(void)
{
	char *list = read_file("/bin/applets"), *name, *rest = list;
	char path[128];

	while (list && (name = strsep(&rest, "\n")) != NULL) {
		if (*name == '\0')
			continue;
		snprintf(path, sizeof(path), "/bin/%s", name);
		if (symlink("busybox", path) && errno != EEXIST)
			break;
	}
	free(list);
}

/*
 * The name of the terminal behind /dev/console: the last of the list. The
 * caller frees it; NULL when there is no console.
 */
static char *console_name(void)
{
	char *active = read_file("/sys/class/tty/console/active");
	char *name = NULL, *last;

	if (active) {
		active[strcspn(active, "\n")] = '\0';
		last = strrchr(active, ' ');
		last = last ? last + 1 : active;
		if (*last != '\0')
			name = strdup(last);
	}
	free(active);
	return name;
}

/*
 * A virtio console that has several ports (virtio 1.2, 5.3.6.2) is told of
 * them after its driver started; the kernel's console follows a moment later.
 */
static void console_wait(const struct options *options)
{
	if (!options->console || strncmp(options->console, "hvc", 3) != 0)
		return;
	for (int tries = 0; tries < 400; tries++) {
		char *name = console_name();
		bool found = name && strcmp(name, options->console) == 0;

		free(name);
		if (found)
			return;
		usleep(5000);
	}
}

/* Takes that terminal, since /dev/console itself can be nobody's own. */
static int console_open(const struct options *options)
{
	struct winsize size = { 0 };
	char path[128], *name;
	int fd;

	console_wait(options);
	name = console_name();
	snprintf(path, sizeof(path), "/dev/%s", name ? name : "console");
	free(name);
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	/*
	 * The session is ours and not the child's: the end of a session's
	 * leader hangs the terminal up, which throws away what it has not
	 * sent yet, the last words of a script.
	 */
	setsid();
	ioctl(fd, TIOCSCTTY, 1);
	signal(SIGTTOU, SIG_IGN); /* we do write from the background */
	if (options->size &&
	    sscanf(options->size, "%hux%hu", &size.ws_row, &size.ws_col) == 2)
		ioctl(fd, TIOCSWINSZ, &size);
	return fd;
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request))
		say("cannot bring up lo");
	if (sock >= 0)
		close(sock);
}

static void system_set_up(void)
{
	mount_quiet("sysfs", "/sys", 0, "");
	mount_quiet("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
	mount_quiet("devpts", "/dev/pts", 0, "gid=5,mode=620,ptmxmode=666");
	mount_quiet("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
	mount_quiet("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	if (symlink("/proc/self/fd", "/dev/fd") ||
	    symlink("fd/0", "/dev/stdin") || symlink("fd/1", "/dev/stdout") ||
	    symlink("fd/2", "/dev/stderr"))
		say("cannot link /dev/fd");
	modules_load();
	applets_link();
	loopback_up();
	sethostname("hull", 4);
}

/*
 * The power button is an input device of the ACPI button driver: the fixed
 * one (ACPI 6.4, 4.8.2.2.1.1) or a control method device, PNP0C0C.
 */
static void buttons_open(struct watch *watch)
{
	struct dirent *entry;
	DIR *dir = opendir("/dev/input");
	char path[300], name[64];
	int count = 0;

	while (dir && count < BUTTONS_MAX && (entry = readdir(dir)) != NULL) {
		int fd;

		snprintf(path, sizeof(path), "/dev/input/%s", entry->d_name);
		if (strncmp(entry->d_name, "event", 5) != 0)
			continue;
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		memset(name, 0, sizeof(name));
		if (fd >= 0 &&
		    ioctl(fd, EVIOCGNAME(sizeof(name) - 1), name) > 0 &&
		    strstr(name, "Power Button"))
			watch->buttons[count++] = fd;
		else if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
	for (; count < BUTTONS_MAX; count++)
		watch->buttons[count] = -1;
}

static void signals_open(struct watch *watch)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	watch->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	/* Ctrl-Alt-Del comes as SIGINT instead of a reset */
	reboot(RB_DISABLE_CAD);
}

static void child_start(struct watch *watch, int console, const char **argv)
{
	sigset_t none;

	watch->child = fork();
	if (watch->child != 0)
		return;
	setpgid(0, 0);
	tcsetpgrp(console, getpid());
	signal(SIGTTOU, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("SHELL", "/bin/sh", 1);
	setenv("TERM", "linux", 0);
	if (chdir("/root"))
		say("cannot enter /root");
	/* execv writes to no string, whatever its prototype says. */
	execv("/bin/busybox", (char **)argv);
	dprintf(2, "hull-init: cannot run /bin/busybox: %s\n",
		strerrordesc_np(errno));
	_exit(127);
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 +
	       (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Asks every process to end and gives them a second for it. */
static void processes_end(void)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	kill(-1, SIGTERM);
	kill(-1, SIGHUP); /* an interactive shell ignores SIGTERM */
	kill(-1, SIGCONT);
	while (elapsed_ms(&start) < 1000) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return;
		if (pid == 0)
			usleep(2000);
	}
	kill(-1, SIGKILL);
}

/* Last mounted first, so that a mount below another goes before it. */
static void disks_unmount(void)
{
	char *mounts = read_file("/proc/self/mounts"), *line, *rest, *end;

	while (mounts && *mounts != '\0') {
		end = mounts + strlen(mounts) - 1;
		*end = '\0';
		line = strrchr(mounts, '\n');
		line = line ? line + 1 : mounts;
		rest = line;
		if (strncmp(next_word(&rest), "/dev/", 5) == 0)
			umount2(next_word(&rest), 0);
		*line = '\0';
	}
	free(mounts);
}

static void machine_end(int how, const char *why)
{
	say(why);
	processes_end();
	sync();
	disks_unmount();
	tcdrain(2);
	reboot(how);
	say("cannot end the machine");
	for (;;)
		pause();
}

/* The debug-exit port; returns when there is no such device. */
static void exit_port_write(const struct options *options, int status)
{
	unsigned long port;

	if (!options->exit_port)
		return;
	port = strtoul(options->exit_port, NULL, 0);
	/* before the monitor ends: what the terminal has not sent is lost */
	tcdrain(2);
	sync();
	if (iopl(3) == 0)
		outb((unsigned char)status, (unsigned short)port);
}

static void child_ended(const struct options *options, bool script, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) :
				       128 + WTERMSIG(status);

	if (script) {
		dprintf(2, "hull-init: script exited %d\n", code);
		exit_port_write(options, code);
	}
	machine_end(RB_POWER_OFF, "power off");
}

static void signals_handle(const struct options *options,
			   const struct watch *watch, bool script)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(watch->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			machine_end(RB_HALT_SYSTEM, "halt");
		if (info.ssi_signo == SIGUSR2)
			machine_end(RB_POWER_OFF, "power off");
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			machine_end(RB_AUTOBOOT, "reboot");
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == watch->child)
			child_ended(options, script, status);
	}
}

static void button_handle(int fd)
{
	struct input_event event;

	while (read(fd, &event, sizeof(event)) == sizeof(event)) {
		if (event.type == EV_KEY && event.code == KEY_POWER &&
		    event.value == 1)
			machine_end(RB_POWER_OFF, "power button");
	}
}

static void watch_run(const struct options *options, const struct watch *watch,
		      bool script)
{
	struct pollfd fds[BUTTONS_MAX + 1];

	for (;;) {
		for (int i = 0; i < BUTTONS_MAX; i++)
			fds[i] =
				(struct pollfd){ watch->buttons[i], POLLIN, 0 };
		fds[BUTTONS_MAX] = (struct pollfd){ watch->signals, POLLIN, 0 };
		if (poll(fds, BUTTONS_MAX + 1, -1) < 0)
			continue;
		for (int i = 0; i < BUTTONS_MAX; i++) {
			if (fds[i].revents)
				button_handle(fds[i].fd);
		}
		signals_handle(options, watch, script);
	}
}

/* Writes the base64 script to a file. Returns its path, NULL if malformed. */
static const char *script_store(struct options *options)
{
	ssize_t size = base64_decode(options->script);
	int fd = open(SCRIPT_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0700);
	bool ok = size >= 0 && fd >= 0 &&
		  write(fd, options->script, (size_t)size) == size;

	if (fd >= 0)
		close(fd);
	return ok ? SCRIPT_PATH : NULL;
}

int main(void)
{
	const char *shell[] = { "-sh", NULL };
	const char *argv[] = { "sh", NULL, NULL, NULL };
	struct options options = { 0 };
	struct watch watch;
	char *cmdline;
	bool script = false;
	int console;

	mount("proc", "/proc", "proc", 0, NULL);
	cmdline = read_file("/proc/cmdline");
	if (cmdline)
		options_parse(cmdline, &options);
	if (options.bench) {
		say("reached");
		exit_port_write(&options, 0);
		reboot(RB_POWER_OFF);
	}
	system_set_up();
	console = console_open(&options);
	signals_open(&watch);
	buttons_open(&watch);
	if (options.script) {
		options.file = script_store(&options);
		if (!options.file) {
			say("hull.script is not base64");
			options.file = "/nonexistent";
		}
	}
	if (options.run) {
		argv[1] = "-c";
		argv[2] = options.run;
		script = true;
	} else if (options.file) {
		argv[1] = options.file;
		script = true;
	}
	child_start(&watch, console, script ? argv : shell);
	watch_run(&options, &watch, script);
}
