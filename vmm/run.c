#include "vmm/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include "core/log.h"
#include "vmm/escape.h"
#include "vmm/exit_status.h"
#include "vmm/machine.h"
#include "vmm/report.h"
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
		chardev_resume_input(run->machine.console);
	} else {
		terminal_restore();
		chardev_pause_input(run->machine.console);
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
	case SIGWINCH:
		tell_size(run);
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

static void tell_end(const struct machine *machine)
{
	const struct verdict *verdict = &machine->verdict;
	int lost = chardev_error(machine->console);

	if (lost)
		log_warn("console output to %s was lost: %s",
			 chardev_name(machine->console), err_describe(lost));
	(void)fprintf(stderr, "hull: %s\n%s", verdict->sentence,
		      verdict->detail);
}

/* A guest that hangs is the usual reason for a time-out: say where. */
static void tell_where(const struct machine *machine)
{
	char line[160];

	if (machine->verdict.status != EXIT_TIMEOUT)
		return;
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		report_where(&machine->vcpus[i], line, sizeof(line));
		fputs(line, stderr);
	}
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
		if (!config->kernel)
			return EXIT_POWEROFF;
	}
	run = calloc(1, sizeof(*run));
	if (!run) {
		log_error("%s", err_describe(ENOMEM));
		return EXIT_HOST;
	}
	rc = machine_build(&run->machine, config, &err);
	if (!rc)
		rc = run_machine(run, &err);
	if (rc) {
		log_error("%s", err.msg);
		status = run->machine.failure_status;
	} else {
		tell_end(&run->machine);
		tell_where(&run->machine);
		status = run->machine.verdict.status;
	}
	machine_release(&run->machine);
	free(run);
	return status;
}
