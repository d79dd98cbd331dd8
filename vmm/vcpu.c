#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/debug.h"
#include "vmm/report.h"
#include "vmm/trace.h"
#include "vmm/wall_clock.h"

/* vCPU threads run our exit handlers only: a small stack, and little of it is
 * ever touched. */
#define VCPU_STACK_BYTES (128 * KIB)

#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE	  (1U << 11)
#define MTRR_WRITE_BACK	  6

/* Firmware leaves RAM write-back; Linux turns its page attribute table off
 * when it finds the MTRRs disabled. */
static int set_msrs(const struct vcpu *vcpu, struct err *err)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[1];
	} msrs = {
		.head = { .nmsrs = 1 },
		.entries = { {
			.index = MSR_MTRR_DEF_TYPE,
			.data = MTRR_ENABLE | MTRR_WRITE_BACK,
		} },
	};

	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) < 0)
		return err_sys(err, errno, "KVM_SET_MSRS");
	return 0;
}

/*
 * A KVM that was loaded before the host's kernel had measured its TSC finely
 * gives vCPUs the rate it found then. Where that is off by more than 250 ppm
 * and the processor cannot scale, Linux 6.1 is left without a factor for it
 * (arch/x86/kvm/x86.c, set_tsc_khz), and all timers of the guest come late.
 * With 0 the rate is the host's as it is now.
 */
static void set_tsc_rate(const struct vcpu *vcpu)
{
	/* The guest's clocks are right without it on any other host. */
	(void)ioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0);
}

int vcpu_init(struct vcpu *vcpu, struct vcpu_env *env, unsigned int index,
	      struct cpuid_table *cpuid, struct err *err)
{
	void *run;
	int rc;

	*vcpu = (struct vcpu){ .env = env, .index = index, .fd = -1 };
	vcpu->fd = ioctl(env->kvm->vm_fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return err_sys(err, errno, "KVM cannot create vCPU %u", index);
	run = mmap(NULL, env->kvm->vcpu_run_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED) {
		rc = err_sys(err, errno, "cannot map vCPU %u", index);
		goto fail;
	}
	vcpu->run = run;
	cpuid_set_apic_id(cpuid, index);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0) {
		rc = err_sys(err, errno, "KVM_SET_CPUID2 on vCPU %u", index);
		goto fail;
	}
	rc = set_msrs(vcpu, err);
	if (rc)
		goto fail;
	set_tsc_rate(vcpu);
	return 0;
fail:
	vcpu_release(vcpu);
	return rc;
}

void vcpu_release(struct vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->env->kvm->vcpu_run_bytes);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->run = NULL;
	vcpu->fd = -1;
}

/* One access of an exit; @data is where KVM keeps the bytes. */
static void access_bus(struct bus *bus, uint64_t addr, uint8_t *data,
		       unsigned int len, bool is_write)
{
	uint64_t value = 0;

	if (is_write) {
		memcpy(&value, data, len);
		bus_write(bus, addr, value, len);
	} else {
		/* An address nobody claims reads as all ones. */
		bus_read(bus, addr, len, &value);
		memcpy(data, &value, len);
	}
}

static void handle_io(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	/* A string instruction gives several accesses in one exit. */
	for (uint32_t i = 0; i < run->io.count; i++) {
		access_bus(vcpu->env->pio, run->io.port, data, run->io.size,
			   run->io.direction == KVM_EXIT_IO_OUT);
		data += run->io.size;
	}
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	access_bus(vcpu->env->mmio, run->mmio.phys_addr, run->mmio.data,
		   run->mmio.len, run->mmio.is_write);
}

/* False when the run is over. */
static bool handle_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu);
		return true;
	case KVM_EXIT_IOAPIC_EOI:
		irqchip_eoi(vcpu->env->irqchip, vcpu->run->eoi.vector);
		return true;
	case KVM_EXIT_X86_WRMSR:
		wall_clock_serve(vcpu->env->wall_clock, vcpu->run);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	default:
		if (vcpu->env->debug && debug_on_exit(vcpu->env->debug, vcpu))
			return true;
		report_fatal_exit(vcpu);
		return false;
	}
}

static bool is_held(struct vcpu *vcpu)
{
	return atomic_load(&vcpu->env->paused) || atomic_load(&vcpu->held);
}

static void wait_while_held(struct vcpu *vcpu)
{
	struct vcpu_env *env = vcpu->env;

	pthread_mutex_lock(&env->pause_lock);
	vcpu->parked = true;
	if (env->debug)
		loop_wake(env->verdict->loop);
	while (is_held(vcpu) && !atomic_load(&env->stop))
		pthread_cond_wait(&env->pause_ended, &env->pause_lock);
	vcpu->parked = false;
	pthread_mutex_unlock(&env->pause_lock);
	/* The guest's watchdogs are not to count the pause (api.rst,
	 * KVM_KVMCLOCK_CTRL); fails where the guest has no kvmclock. */
	(void)ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

static void set_immediate_exit(struct vcpu *vcpu, uint8_t value)
{
	__atomic_store_n(&vcpu->run->immediate_exit, value, __ATOMIC_SEQ_CST);
}

/*
 * A kick that comes after immediate_exit was cleared sets it again, and one
 * that came before shows in what the loop looks at next.
 *
 * A vCPU that is held goes into KVM_RUN once more all the same: registers and
 * memory are only right when KVM has finished the access that we served
 * (api.rst 5, the note on KVM_EXIT_IO and its like).
 */
static void run_guest(struct vcpu *vcpu)
{
	bool held;

	while (!atomic_load_explicit(&vcpu->env->stop, memory_order_acquire)) {
		held = is_held(vcpu);
		if (held)
			set_immediate_exit(vcpu, 1);
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN) {
				report_run_failure(vcpu, errno);
				return;
			}
			if (held)
				wait_while_held(vcpu);
			set_immediate_exit(vcpu, 0);
			continue;
		}
		if (vcpu->env->trace)
			trace_exit(vcpu->env->trace, vcpu);
		if (!handle_exit(vcpu))
			return;
	}
}

static void *vcpu_thread(void *opaque)
{
	run_guest(opaque);
	return NULL;
}

static void on_kick(int signal)
{
	(void)signal; /* its arrival alone ends KVM_RUN with EINTR */
}

void vcpu_install_kick(void)
{
	struct sigaction action = { .sa_handler = on_kick };

	(void)sigaction(SIGRTMIN, &action, NULL);
}

int vcpu_start(struct vcpu *vcpu, struct err *err)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, VCPU_STACK_BYTES);
	rc = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	if (rc)
		return err_sys(err, rc, "cannot start the thread of vCPU %u",
			       vcpu->index);
	vcpu->started = true;
	return 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	/* Either KVM_RUN sees the flag on entry, or it is inside the guest
	 * and the signal brings it out (api.rst 5, immediate_exit). */
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, SIGRTMIN);
}

void vcpu_wake_paused(struct vcpu_env *env)
{
	pthread_mutex_lock(&env->pause_lock);
	pthread_cond_broadcast(&env->pause_ended);
	pthread_mutex_unlock(&env->pause_lock);
}

void vcpu_join(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
