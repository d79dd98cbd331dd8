#include "vmm/run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

#include "core/log.h"
#include "vmm/dump.h"
#include "vmm/escape.h"
#include "vmm/exit_status.h"
#include "vmm/machine.h"
#include "vmm/recording.h"
#include "vmm/report.h"
#include "vmm/result.h"
#include "vmm/stats.h"
#include "vmm/terminal.h"

/* What the main thread serves while the guest runs. */
struct run {
	struct machine machine;
	struct escape escape;
	struct loop_source signals;
	struct loop_timer timeout;
	struct loop_timer foreground; /* runs while in the background */
	bool button_pressed;
	bool has_terminal; /* the console is a terminal, ours or not */
	bool is_watched; /* else the next two are not in use */
	struct console_watch watch;
	struct loop_timer watch_poll;
	bool is_recorded; /* else the next two are not in use */
	struct recording recording;
	struct loop_timer recording_poll;
	struct timespec start; /* CLOCK_REALTIME */
	int64_t start_ns; /* the same moment, loop_now_ns */
	int64_t first_instruction_ns; /* since then, or -1 */
};

static void end(struct run *run, int status, const char *why)
{
	struct verdict *verdict = &run->machine.verdict;

	if (verdict_take(verdict))
		verdict_done(verdict, status, "%s", why);
}

static void press_power_button(struct run *run)
{
	log_info("power button pressed");
	machine_press_power_button(&run->machine);
}

/* A shell that brings a running job to the foreground sends it no signal. */
#define FOREGROUND_POLL_MS 300

/*
 * Reads and changes the terminal while we are its foreground process, and
 * leaves it alone in the background, where reading would stop us. Asked again
 * whenever a shell may have moved us.
 */
static void follow_terminal(struct run *run)
{
	if (!run->has_terminal)
		return;
	if (terminal_is_ours()) {
		terminal_make_raw();
		chardev_withhold_input(run->machine.console, false);
	} else {
		terminal_restore();
		chardev_withhold_input(run->machine.console, true);
		run->foreground.due_ms = loop_now_ms() + FOREGROUND_POLL_MS;
	}
}

static void on_foreground_poll(struct loop_timer *timer)
{
	follow_terminal(timer->opaque);
}

/* What the default action of SIGTSTP does, with the terminal given back. */
static void stop_process(struct run *run)
{
	terminal_restore();
	raise(SIGSTOP);
	follow_terminal(run);
}

/* The guest's virtio console is as large as the terminal. */
static void tell_size(const struct run *run)
{
	struct winsize size;

	if (!run->has_terminal || !run->machine.peripherals.console ||
	    ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	virtio_console_resize(run->machine.peripherals.console, size.ws_col,
			      size.ws_row);
}

/* Of the terminal that shows the console, or what a player is to take. */
static struct recording_size recorded_size(const struct vm_config *config)
{
	struct winsize size;

	if (config->console == CONSOLE_STDIO &&
	    !ioctl(STDIN_FILENO, TIOCGWINSZ, &size) && size.ws_col &&
	    size.ws_row)
		return (struct recording_size){ size.ws_col, size.ws_row };
	return (struct recording_size){ RECORDING_COLUMNS, RECORDING_ROWS };
}

static void on_resize(struct run *run)
{
	struct recording_size size = recorded_size(run->machine.config);

	tell_size(run);
	if (run->is_recorded && run->has_terminal)
		recording_resize(&run->recording, &size);
}

/*
 * The kernel sends SIGHUP when the terminal is gone, and that ends the guest. A
 * person sends it after an image was resized.
 */
static void hang_up(struct run *run, int code)
{
	struct peripherals *peripherals = &run->machine.peripherals;

	if (code != SI_USER || !peripherals->disk_count) {
		end(run, EXIT_ENDED, "ended by SIGHUP");
		return;
	}
	peripherals_refresh(peripherals);
}

static void tell_stats(const struct run *run)
{
	const struct peripherals *peripherals = &run->machine.peripherals;
	const char *path = run->machine.config->stats;
	struct err err = { 0 };

	if (!path)
		stats_print(stderr, peripherals);
	else if (stats_write(path, peripherals, &err))
		log_warn("%s", err.msg);
}

static void on_signal(struct loop_source *source, short revents)
{
	struct run *run = source->opaque;
	struct signalfd_siginfo info;

	(void)revents;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGTERM:
		if (run->button_pressed) {
			end(run, EXIT_ENDED, "ended by a second SIGTERM");
			return;
		}
		run->button_pressed = true;
		press_power_button(run);
		break;
	case SIGINT:
		end(run, EXIT_ENDED, "ended by SIGINT");
		break;
	case SIGHUP:
		hang_up(run, info.ssi_code);
		break;
	case SIGTSTP:
		stop_process(run);
		break;
	case SIGCONT:
		follow_terminal(run);
		machine_resume(&run->machine);
		break;
	case SIGUSR1:
		tell_stats(run);
		break;
	case SIGWINCH:
		on_resize(run);
		break;
	default:
		break;
	}
}

static void on_timeout(struct loop_timer *timer)
{
	end(timer->opaque, EXIT_TIMEOUT, "time-out");
}

static void on_woken(void *opaque)
{
	struct run *run = opaque;

	machine_update(&run->machine);
}

static void show_help(void)
{
	const char *text = escape_help();

	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

static void on_escape(void *opaque, enum escape_command command)
{
	struct run *run = opaque;

	switch (command) {
	case ESCAPE_QUIT:
		end(run, EXIT_ENDED, "ended from the terminal");
		break;
	case ESCAPE_HELP:
		show_help();
		break;
	case ESCAPE_BREAK:
		serial_send_break(&run->machine.serial);
		break;
	case ESCAPE_POWER_BUTTON:
		press_power_button(run);
		break;
	}
}

/* Blocked here, before any thread exists, so that every thread inherits the
 * mask and signals arrive at the loop alone. */
static int watch_signals(struct run *run, struct err *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	int fd;

	(void)sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(err, errno, "cannot watch signals");
	run->signals = (struct loop_source){
		.fd = fd,
		.events = POLLIN,
		.ready = on_signal,
		.opaque = run,
	};
	return loop_add(&run->machine.loop, &run->signals, err);
}

static int watch_time(struct run *run, uint64_t timeout_ms, struct err *err)
{
	if (!timeout_ms)
		return 0;
	run->timeout = (struct loop_timer){
		.due_ms = loop_now_ms() + (int64_t)timeout_ms,
		.expired = on_timeout,
		.opaque = run,
	};
	return loop_add_timer(&run->machine.loop, &run->timeout, err);
}

static void on_watch_poll(struct loop_timer *timer)
{
	struct run *run = timer->opaque;

	timer->due_ms = loop_now_ms() + CONSOLE_WATCH_POLL_MS;
	console_watch_poll(&run->watch);
}

static void on_recording_poll(struct loop_timer *timer)
{
	struct run *run = timer->opaque;

	timer->due_ms = loop_now_ms() + RECORDING_POLL_MS;
	recording_poll(&run->recording);
}

static int watch_console(struct run *run, struct err *err)
{
	struct machine *machine = &run->machine;
	struct chardev_tap tap = { 0 };
	int rc = 0;

	if (run->is_watched) {
		tap = console_watch_tap(&run->watch, CONSOLE_SOURCE_DEBUGCON);
		if (machine->debugcon_file)
			chardev_set_tap(machine->debugcon_file, &tap);
		tap = console_watch_tap(&run->watch, CONSOLE_SOURCE_CONSOLE);
		run->watch_poll = (struct loop_timer){
			.due_ms = loop_now_ms() + CONSOLE_WATCH_POLL_MS,
			.expired = on_watch_poll,
			.opaque = run,
		};
		rc = loop_add_timer(&machine->loop, &run->watch_poll, err);
	}
	if (!rc && run->is_recorded) {
		tap = recording_tap(&run->recording, &tap);
		run->recording_poll = (struct loop_timer){
			.due_ms = loop_now_ms() + RECORDING_POLL_MS,
			.expired = on_recording_poll,
			.opaque = run,
		};
		rc = loop_add_timer(&machine->loop, &run->recording_poll, err);
	}
	chardev_set_tap(machine->console, &tap);
	return rc;
}

static int take_terminal(struct run *run, struct err *err)
{
	struct machine *machine = &run->machine;
	const struct chardev_receiver sink =
		console_input_receiver(&machine->console_input);
	int rc;

	machine->loop.woken = on_woken;
	machine->loop.woken_opaque = run;
	if (machine->config->console == CONSOLE_PTY)
		(void)fprintf(stderr, "hull: console on %s\n",
			      chardev_name(machine->console));
	if (machine->config->console != CONSOLE_STDIO || !isatty(STDIN_FILENO))
		return 0;
	run->has_terminal = true;
	run->foreground = (struct loop_timer){
		.due_ms = -1,
		.expired = on_foreground_poll,
		.opaque = run,
	};
	rc = loop_add_timer(&machine->loop, &run->foreground, err);
	if (rc)
		return rc;
	escape_init(&run->escape, machine->console, &sink, on_escape, run);
	follow_terminal(run);
	tell_size(run);
	return 0;
}

static void tell_loss(const struct chardev *chardev, const char *what)
{
	int lost = chardev_error(chardev);

	if (lost)
		log_warn("%s output to %s was lost: %s", what,
			 chardev_name(chardev), err_describe(lost));
}

static void tell_end(const struct machine *machine)
{
	const struct verdict *verdict = &machine->verdict;

	tell_loss(machine->console, "console");
	if (machine->debugcon_file)
		tell_loss(machine->debugcon_file, "debug console");
	if (machine->config->quiet &&
	    (verdict->status == EXIT_POWEROFF ||
	     !strcmp(verdict_reason(verdict), "guest")))
		return;
	(void)fprintf(stderr, "hull: %s\n%s", verdict->sentence,
		      verdict->detail);
}

/* A guest that hangs is the usual reason for a time-out: say where. */
static void note_where(struct machine *machine)
{
	struct verdict *verdict = &machine->verdict;
	size_t used = 0;

	if (verdict->status != EXIT_TIMEOUT)
		return;
	(void)machine_find_symbols(machine, NULL);
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		report_where(&machine->vcpus[i], &machine->symbols,
			     verdict->detail + used,
			     sizeof(verdict->detail) - used);
		used += strlen(verdict->detail + used);
	}
}

/* On a terminal only, and over itself. */
static void tell_progress(uint64_t done, uint64_t all)
{
	(void)fprintf(stderr, "\rhull: dump: %u %%",
		      (unsigned int)(done * 100 / all));
}

static void write_dump(struct run *run)
{
	const struct machine *machine = &run->machine;
	const struct vm_config *config = machine->config;
	const bool is_seen = isatty(STDERR_FILENO);
	const struct dump dump = {
		.gmem = &machine->gmem,
		.vcpus = machine->vcpus,
		.vcpu_count = machine->vcpu_count,
		.vmcoreinfo = firmware_config_vmcoreinfo(&machine->firmware),
		.progress = is_seen ? tell_progress : NULL,
	};
	struct err err = { 0 };
	int rc;

	if (!config->dump ||
	    !dump_is_wanted(config->dump_on, verdict_reason(&machine->verdict)))
		return;
	if (dump.vmcoreinfo.size_bytes)
		log_info("the guest's VMCOREINFO is at 0x%" PRIx64,
			 dump.vmcoreinfo.gpa);
	rc = dump_write(&dump, config->dump, &err);
	if (is_seen)
		(void)fputs("\r", stderr);
	if (rc)
		log_error("%s", err.msg);
	else
		(void)fprintf(stderr, "hull: the guest's memory is in %s\n",
			      config->dump);
}

static int run_machine(struct run *run, struct err *err)
{
	struct machine *machine = &run->machine;
	int rc;

	machine->failure_status = EXIT_HOST;
	rc = watch_signals(run, err);
	if (rc)
		return rc;
	rc = watch_time(run, machine->config->timeout_ms, err);
	if (rc)
		return rc;
	rc = take_terminal(run, err);
	if (!rc)
		rc = watch_console(run, err);
	run->first_instruction_ns = loop_now_ns() - run->start_ns;
	if (!rc)
		rc = machine_start(machine, err);
	if (!rc)
		loop_run(&machine->loop);
	machine_stop(machine);
	terminal_restore();
	return rc;
}

static int dump_files(const struct vm_config *config,
		      const struct platform *platform, struct err *err)
{
	const struct boot_request request = {
		.kernel_path = config->kernel,
		.flat = config->flat,
		.flat_mode = config->flat_mode,
		.initrd_path = config->initrd,
		.cmdline = config->cmdline,
	};
	int rc = 0;

	if (config->dump_fdt)
		rc = boot_dump_fdt(config->dump_fdt, &request, platform, err);
	if (!rc && config->dump_acpi)
		rc = boot_dump_acpi(config->dump_acpi, platform, err);
	return rc;
}

/* What --dump-fdt and --dump-acpi ask for; needs no KVM. */
static int dump(const struct vm_config *config, struct err *err)
{
	struct platform platform;
	struct gmem gmem;
	int rc;

	rc = gmem_init(&gmem, config->memory_bytes, 0, err);
	if (rc)
		return rc;
	machine_describe(config, &gmem, &platform);
	rc = dump_files(config, &platform, err);
	gmem_release(&gmem);
	return rc;
}

/* What --result and --junit get; @is_over false: that the run has begun. */
static int write_result(const struct run *run, const struct vm_config *config,
			bool is_over, struct err *err)
{
	const struct result result = {
		.config = config,
		.verdict = &run->machine.verdict,
		.watch = &run->watch,
		.is_over = is_over,
		.start = run->start,
		.first_instruction_ns = run->first_instruction_ns,
		.end_ns = loop_now_ns() - run->start_ns,
	};

	return result_write(&result, err);
}

/*
 * The result is there before the guest is, for whoever looks when we were
 * killed; and one that cannot be written stops us now and not in the end.
 */
static int begin_watch(struct run *run, const struct vm_config *config,
		       struct err *err)
{
	int rc;

	if (!console_watch_is_wanted(config))
		return 0;
	run->is_watched = true;
	rc = console_watch_init(&run->watch, config, &run->machine.verdict,
				run->start_ns, err);
	return rc ? rc : write_result(run, config, false, err);
}

static int begin_recording(struct run *run, const struct vm_config *config,
			   struct err *err)
{
	const struct recording_head head = {
		.path = config->record_console,
		.title = result_name(config),
		.start_s = run->start.tv_sec,
		.start_ns = run->start_ns,
		.size = recorded_size(config),
	};
	int rc;

	if (!config->record_console)
		return 0;
	rc = recording_init(&run->recording, &head, err);
	run->is_recorded = !rc;
	return rc;
}

static void end_recording(struct run *run, const struct vm_config *config)
{
	int error;

	if (!run->is_recorded)
		return;
	error = recording_finish(&run->recording);
	if (error)
		log_warn("parts of the recording %s were lost: %s",
			 config->record_console, err_describe(error));
	recording_release(&run->recording);
}

/* The last word on how it ended; returns the exit status. */
static int end_watch(struct run *run, const struct vm_config *config)
{
	struct console_watch *watch = &run->watch;
	struct verdict *verdict = &run->machine.verdict;
	struct err err = { 0 };

	if (!run->is_watched)
		return verdict->status;
	if (watch->log_error)
		log_warn("lines of the console log %s were lost: %s",
			 watch->log_path, err_describe(watch->log_error));
	if (write_result(run, config, true, &err)) {
		log_error("%s", err.msg);
		if (verdict->status == EXIT_POWEROFF)
			verdict->status = EXIT_HOST;
	}
	return verdict->status;
}

static int build_and_run(struct run *run, const struct vm_config *config,
			 struct err *err)
{
	struct machine *machine = &run->machine;
	int rc = machine_build(machine, config, err);

	if (!rc)
		rc = run_machine(run, err);
	if (rc)
		return rc;
	note_where(machine);
	if (run->is_watched) {
		console_watch_finish(&run->watch);
		console_watch_conclude(&run->watch, config);
	}
	write_dump(run);
	verdict_apply_pass_status(&machine->verdict, config->pass_status);
	if (config->stats)
		tell_stats(run);
	tell_end(machine);
	return 0;
}

static int run_watched(struct run *run, const struct vm_config *config)
{
	struct verdict *verdict = &run->machine.verdict;
	struct err err = { 0 };
	int status;

	run->start_ns = loop_now_ns();
	clock_gettime(CLOCK_REALTIME, &run->start);
	run->first_instruction_ns = -1;
	/* The recording first: a result that says the guest runs is not to be
	 * left when there is no place for the recording. */
	if (begin_recording(run, config, &err) ||
	    begin_watch(run, config, &err)) {
		log_error("%s", err.msg);
		status = EXIT_CONFIG;
	} else {
		if (build_and_run(run, config, &err)) {
			log_error("%s", err.msg);
			verdict_decide(verdict, run->machine.failure_status,
				       "%s", err.msg);
		}
		status = end_watch(run, config);
		machine_release(&run->machine);
	}
	end_recording(run, config);
	if (run->is_watched)
		console_watch_release(&run->watch);
	return status;
}

int vm_run(const struct vm_config *config)
{
	struct err err = { 0 };
	struct run *run;
	int status;
	int rc;

	if (config->dump_fdt || config->dump_acpi) {
		rc = dump(config, &err);
		if (rc) {
			log_error("%s", err.msg);
			return EXIT_CONFIG;
		}
		if (!config->kernel && !config->flat)
			return EXIT_POWEROFF;
	}
	/* Not by calloc, which would fill it with zeros: of what a run does not
	 * use nobody touches the pages. */
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run == MAP_FAILED) {
		log_error("%s", err_describe(ENOMEM));
		return EXIT_HOST;
	}
	status = run_watched(run, config);
	munmap(run, sizeof(*run));
	return status;
}
