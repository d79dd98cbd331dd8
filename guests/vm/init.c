/*
 * Process 1 of a VM of hull-ct's.
 *
 * Theory of operation. The kernel runs us from an initramfs. We load a handful
 * of modules, read the settings from the first disk, stack the layers, and
 * move into the stack in a mount namespace of our own, so that what runs in it
 * has no way back. The program runs in a session of a port of its own
 * (core/agent.h). When it ends, all else is killed, we go back to the
 * initramfs, unmount the disks, and write the exit status to the port that ends
 * the monitor with it. The power button sends the program its stop signal.
 */
#include "guests/vm/vm.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "core/agent.h"
#include "core/util.h"

#define EXIT_PORT    0xf4 /* devices/debug_exit.h */
#define MODULES	     "/modules"
#define LAYERS_MAX   20
#define WAIT_US	     2000
#define WAIT_TRIES   10000
#define STATUS_SETUP 125 /* as engines have it */
#define ROOT	     "/root"

struct machine {
	struct settings settings;
	struct agent agent;
	int console;
	int home; /* the mount namespace of the initramfs */
	int signals;
	int button; /* or -1 */
	pid_t agents[AGENT_PORTS + 1]; /* the last is AGENT_PROGRAM */
};

/* ---- the end ---- */

static void end_processes(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static void unmount(const char *path)
{
	/* The stack lets its layers go a moment after it went itself. */
	for (int i = 0; i < 100 && umount2(path, 0) && errno == EBUSY; i++)
		usleep(WAIT_US);
}

__attribute__((noreturn)) static void machine_end(struct machine *m, int status)
{
	if (m->console >= 0)
		tcdrain(m->console);
	end_processes();
	sync();
	if (m->home >= 0 && !setns(m->home, CLONE_NEWNS))
		umount2(ROOT, MNT_DETACH);
	unmount("/disk/top");
	if (!iopl(3))
		outb((unsigned char)status, EXIT_PORT);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

__attribute__((noreturn)) static void fail(struct machine *m, const char *what,
					   const char *name)
{
	dprintf(m->console >= 0 ? m->console : 2, "hull-ct: vm: %s%s: %s\n",
		what, name, strerrordesc_np(errno));
	machine_end(m, STATUS_SETUP);
}

/* ---- devices ---- */

/* Named in the order of their dependencies, "00-virtio_pci.ko". */
static int module_load(const struct dirent *entry)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), MODULES "/%s", entry->d_name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
		dprintf(2, "hull-ct: vm: cannot load %s: %s\n", path,
			strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
	return 0;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void modules_load(void)
{
	struct dirent **names = NULL;
	int count = scandir(MODULES, &names, visible, alphasort);

	for (int i = 0; i < count; i++) {
		module_load(names[i]);
		free(names[i]);
	}
	free(names);
}

/* Devices of the console are told to the driver after it started. */
static int open_device(const char *path, int flags)
{
	for (int i = 0; i < WAIT_TRIES; i++) {
		int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);

		if (fd >= 0 ||
		    (errno != ENOENT && errno != ENODEV && errno != ENXIO))
			return fd;
		usleep(WAIT_US);
	}
	return -1;
}

static void open_console(struct machine *m)
{
	struct termios termios;

	m->console = open_device("/dev/hvc0", O_RDWR);
	if (m->console < 0)
		fail(m, "cannot open ", "/dev/hvc0");
	if (tcgetattr(m->console, &termios))
		return;
	cfmakeraw(&termios);
	tcsetattr(m->console, TCSANOW, &termios);
}

/* The one whose name says so (ACPI 6.4, 4.8.2.2.1.1). */
static void open_button(struct machine *m)
{
	char path[64], name[64];

	m->button = -1;
	for (int i = 0; i < 8 && m->button < 0; i++) {
		int fd;

		snprintf(path, sizeof(path), "/dev/input/event%d", i);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		memset(name, 0, sizeof(name));
		if (fd >= 0 &&
		    ioctl(fd, EVIOCGNAME(sizeof(name) - 1), name) > 0 &&
		    strstr(name, "Power Button"))
			m->button = fd;
		else if (fd >= 0)
			close(fd);
	}
}

/* ---- settings ---- */

static void read_settings(struct machine *m)
{
	int fd = open_device("/dev/vda", O_RDONLY);
	unsigned char head[12];
	uint32_t size;
	size_t used = 0;
	char *text;

	if (fd < 0 || read(fd, head, sizeof(head)) != sizeof(head))
		fail(m, "cannot read ", "/dev/vda");
	memcpy(&size, head + 8, sizeof(size));
	size = le32toh(size);
	errno = EINVAL;
	if (memcmp(head, AGENT_MAGIC, 8) != 0 || size > AGENT_BLOCK_MAX)
		fail(m, "no settings on ", "/dev/vda");
	text = calloc(1, size + 1);
	while (text && used < size) {
		ssize_t got = read(fd, text + used, size - used);

		if (got <= 0)
			fail(m, "cannot read ", "/dev/vda");
		used += (size_t)got;
	}
	close(fd);
	m->settings.stop_signal = SIGTERM;
	settings_parse(&m->settings, text, size);
}

/* ---- the root filesystem ---- */

static void disk_mount(struct machine *m, unsigned int number,
		       const char *place, bool read_only)
{
	char device[] = "/dev/vdb";
	const char *options = "";
	unsigned long flags = MS_NODEV | MS_NOATIME;

	device[7] = (char)('b' + number);
	mkdir(place, 0755);
	if (read_only)
		flags |= MS_RDONLY;
	if (!mount(device, place, "ext4", flags, options))
		return;
	/* One whose VM was killed has an open journal, which cannot be played
	 * back here (Linux Documentation/admin-guide/ext4.rst). */
	if (!read_only || mount(device, place, "ext4", flags, "noload"))
		fail(m, "cannot mount ", device);
}

/* What is on top says whose the root is. */
static void make_upper(struct machine *m)
{
	const struct settings *settings = &m->settings;

	if (!mkdir("/disk/top/upper", 0755) &&
	    (chown("/disk/top/upper", settings->root_uid, settings->root_gid) ||
	     chmod("/disk/top/upper", settings->root_mode)))
		fail(m, "cannot make ", "/disk/top/upper");
	mkdir("/disk/top/work", 0700);
}

static void stack(struct machine *m)
{
	unsigned int count = m->settings.layers;
	char options[1024] = "lowerdir=";
	char place[64];
	size_t used = strlen(options);

	errno = EINVAL;
	if (!count || count > LAYERS_MAX)
		fail(m, "layers", "");
	mkdir("/disk", 0755);
	disk_mount(m, 0, "/disk/top", false);
	for (unsigned int i = 0; i < count; i++) {
		snprintf(place, sizeof(place), "/disk/%u", i);
		disk_mount(m, i + 1, place, true);
		used += (size_t)snprintf(options + used, sizeof(options) - used,
					 "%s%s%s", i ? ":" : "", place,
					 i + 1 < count ? "/upper" : "");
	}
	make_upper(m);
	snprintf(options + used, sizeof(options) - used,
		 ",upperdir=/disk/top/upper,workdir=/disk/top/work");
	mkdir(ROOT, 0755);
	if (mount("overlay", ROOT, "overlay", MS_NODEV, options))
		fail(m, "cannot mount ", "the layers");
}

/* A folder of the image's own; a link would lead elsewhere. */
static void mount_in(struct machine *m, const char *type, const char *name,
		     unsigned long flags, const char *options)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), ROOT "%s", name);
	mkdir(path, 0755);
	errno = ENOTDIR;
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) ||
	    mount(type, path, type, flags, options))
		fail(m, "cannot mount ", name);
}

static void make_node(const char *name, mode_t mode, unsigned int major,
		      unsigned int minor)
{
	char path[64];

	snprintf(path, sizeof(path), ROOT "/dev/%s", name);
	mknod(path, S_IFCHR | mode, makedev(major, minor));
	chmod(path, mode);
}

/* runtime-spec 1.2, config-linux.md "Default Devices". */
static void make_dev(struct machine *m)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", ROOT "/dev/fd" },
		{ "/proc/self/fd/0", ROOT "/dev/stdin" },
		{ "/proc/self/fd/1", ROOT "/dev/stdout" },
		{ "/proc/self/fd/2", ROOT "/dev/stderr" },
		{ "pts/ptmx", ROOT "/dev/ptmx" },
	};
	struct stat st;

	mount_in(m, "tmpfs", "/dev", MS_NOSUID, "mode=755,size=65536k");
	make_node("null", 0666, 1, 3);
	make_node("zero", 0666, 1, 5);
	make_node("full", 0666, 1, 7);
	make_node("random", 0666, 1, 8);
	make_node("urandom", 0666, 1, 9);
	make_node("tty", 0666, 5, 0);
	if (!fstat(m->console, &st))
		make_node("console", 0600, major(st.st_rdev),
			  minor(st.st_rdev));
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (symlink(links[i][0], links[i][1]))
			fail(m, "cannot link ", links[i][1]);
	}
	mount_in(m, "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
		 "newinstance,ptmxmode=0666,mode=0620,gid=5");
	mount_in(m, "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		 "mode=1777,size=65536k");
	mount_in(m, "mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		 NULL);
}

static void make_root(struct machine *m)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	stack(m);
	mount_in(m, "proc", "/proc", safe, NULL);
	mount_in(m, "sysfs", "/sys", safe | MS_RDONLY, NULL);
	make_dev(m);
}

/* In a namespace of our own the stack is the root of all. */
static void enter_root(struct machine *m)
{
	m->home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (m->home < 0 || unshare(CLONE_NEWNS) || chdir(ROOT) ||
	    mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail(m, "cannot enter ", "the root filesystem");
}

/* ---- inside of it, where links lead to where they should ---- */

static void make_folder(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	mkdir(path, 0755);
}

/* Below @path, which we are in, what is there and above it a tmpfs. */
static int mount_above(const char *path, unsigned long flags,
		       const char *options)
{
	char text[64];
	struct stat st;
	int lower = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (lower < 0 || mount("tmpfs", path, "tmpfs", 0, options) ||
	    chdir(path) || stat(".", &st) || mkdir("upper", 0755) ||
	    chown("upper", st.st_uid, st.st_gid) ||
	    chmod("upper", st.st_mode & 07777) || mkdir("work", 0755))
		return -1;
	snprintf(text, sizeof(text),
		 "lowerdir=/proc/self/fd/%d,upperdir=upper,workdir=work",
		 lower);
	if (mount("overlay", path, "overlay", flags, text))
		return -1;
	close(lower);
	return chdir("/");
}

static void make_mounts(struct machine *m)
{
	const struct list *list = &m->settings.mounts;

	for (size_t i = 0; i < list->count; i++) {
		char type[16], options[256];
		unsigned long flags;
		const char *data = options;
		char *path;
		int at = 0;
		int rc;

		errno = EINVAL;
		if (sscanf(list->items[i], "%15s %lu %255s %n", type, &flags,
			   options, &at) != 3 ||
		    !at)
			fail(m, "mount ", list->items[i]);
		path = list->items[i] + at;
		if (!strcmp(options, "-"))
			data = NULL;
		make_folder(path);
		if (!strcmp(type, "tmpcopyup"))
			rc = mount_above(path, flags, data);
		else if (!strcmp(type, "virtiofs"))
			rc = mount(options, path, type, flags, NULL);
		else
			rc = mount(type, path, type, flags, data);
		if (rc)
			fail(m, "cannot mount ", path);
	}
}

static void make_file(struct machine *m, char *path, const char *text,
		      mode_t mode, uid_t uid, gid_t gid)
{
	char *slash = strrchr(path, '/');
	int fd;

	if (slash && slash != path) {
		*slash = '\0';
		make_folder(path);
		*slash = '/';
	}
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 ||
	    fchown(fd, uid, gid) || fchmod(fd, mode))
		fail(m, "cannot write ", path);
	close(fd);
}

static void make_files(struct machine *m)
{
	const struct settings *settings = &m->settings;

	for (size_t i = 0; i < settings->files.count; i++) {
		char *path = settings->files.items[i];
		char *text = strchr(path, '=');

		if (!text)
			continue;
		*text++ = '\0';
		make_file(m, path, text, 0644, 0, 0);
	}
	for (size_t i = 0; i < settings->copies.count; i++) {
		char *line = settings->copies.items[i];
		char *text = strchr(line, '=');
		unsigned int mode, uid, gid;
		int at = 0;

		errno = EINVAL;
		if (!text ||
		    sscanf(line, "%o %u %u %n", &mode, &uid, &gid, &at) != 3)
			fail(m, "copy ", line);
		*text++ = '\0';
		make_file(m, line + at, text, mode, uid, gid);
	}
}

static void finish_root(struct machine *m)
{
	make_mounts(m);
	make_files(m);
	/* The image's author may have counted on it. */
	if (m->settings.cwd)
		make_folder((char *)m->settings.cwd);
	if (m->settings.read_only &&
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
		fail(m, "cannot make read-only ", "/");
}

/* ---- the rest of the system ---- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

static void limit_processes(struct machine *m)
{
	char text[32];

	m->agent.group = -1;
	if (!m->settings.pids)
		return;
	snprintf(text, sizeof(text), "%lu", m->settings.pids);
	mkdir("/group", 0755);
	if (mount("cgroup2", "/group", "cgroup2", 0, NULL) ||
	    write_file("/group/cgroup.subtree_control", "+pids") ||
	    mkdir("/group/c", 0755) || write_file("/group/c/pids.max", text))
		fail(m, "cannot limit ", "processes");
	m->agent.group = open("/group/c/cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (m->agent.group < 0)
		fail(m, "cannot limit ", "processes");
}

static void set_sysctls(struct machine *m)
{
	const struct list *list = &m->settings.sysctls;

	for (size_t i = 0; i < list->count; i++) {
		char *value = strchr(list->items[i], '=');
		char path[300];

		if (!value)
			continue;
		*value++ = '\0';
		snprintf(path, sizeof(path), "/proc/sys/%s", list->items[i]);
		errno = -write_file(path, value);
		if (errno)
			fail(m, "cannot set ", path);
	}
}

static void watch_signals(struct machine *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
}

static void reap(struct machine *m)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(m->signals, &info, sizeof(info)) == sizeof(info))
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == m->agents[AGENT_PROGRAM])
			machine_end(m, process_status(status));
		for (unsigned int i = 0; i < ARRAY_SIZE(m->agents); i++) {
			if (pid == m->agents[i])
				m->agents[i] = agent_start(&m->agent, i);
		}
	}
}

static void press(struct machine *m)
{
	struct input_event event;

	while (read(m->button, &event, sizeof(event)) == sizeof(event)) {
		if (event.type == EV_KEY && event.code == KEY_POWER &&
		    event.value == 1 && *m->agent.program)
			kill(*m->agent.program, m->settings.stop_signal);
	}
}

static void watch(struct machine *m)
{
	struct pollfd fds[] = {
		{ .fd = m->signals, .events = POLLIN },
		{ .fd = m->button, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[0].revents)
			reap(m);
		if (fds[1].revents)
			press(m);
	}
}

int main(void)
{
	static struct machine machine = { .console = -1,
					  .home = -1,
					  .button = -1 };
	struct machine *m = &machine;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, NULL))
		fail(m, "cannot mount ", "/dev");
	m->agent = (struct agent){
		.dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.group = -1,
		.program = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0),
		.settings = &m->settings,
	};
	if (m->agent.program == MAP_FAILED)
		fail(m, "no memory", "");
	modules_load();
	read_settings(m);
	open_console(m);
	open_button(m);
	make_root(m);
	limit_processes(m);
	set_sysctls(m);
	if (network_up(&m->settings))
		fail(m, "cannot set up ", "the network");
	if (m->settings.hostname)
		sethostname(m->settings.hostname, strlen(m->settings.hostname));
	watch_signals(m);
	enter_root(m);
	finish_root(m);
	for (unsigned int i = 0; i < ARRAY_SIZE(m->agents); i++)
		m->agents[i] = agent_start(&m->agent, i);
	watch(m);
}
