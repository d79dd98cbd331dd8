#include "vmm/wall_clock.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "core/bytes.h"

#define MSR_WALL_CLOCK	   0x11U /* KVM_FEATURE_CLOCKSOURCE */
#define MSR_WALL_CLOCK_NEW 0x4b564d00U /* KVM_FEATURE_CLOCKSOURCE2 */

/* struct pvclock_wall_clock: version, seconds, nanoseconds */
#define ANSWER_BYTES 12

int wall_clock_init(struct wall_clock *clock, const struct kvm *kvm,
		    const struct gmem *gmem, int64_t start_s, struct err *err)
{
	struct kvm_enable_cap exits = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_FILTER },
	};
	uint8_t denied = 0;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = {
			{ .flags = KVM_MSR_FILTER_WRITE, .nmsrs = 1,
			  .base = MSR_WALL_CLOCK, .bitmap = &denied },
			{ .flags = KVM_MSR_FILTER_WRITE, .nmsrs = 1,
			  .base = MSR_WALL_CLOCK_NEW, .bitmap = &denied },
		},
	};

	*clock = (struct wall_clock){ .gmem = NULL };
	/* In this order, so that a filtered write is never an exception. */
	if (ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &exits) < 0 ||
	    ioctl(kvm->vm_fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return err_set(
			err, ENOTSUP,
			"--rtc fixed: this host's KVM tells a guest that "
			"uses kvmclock the host's time of day (Linux has "
			"KVM_CAP_X86_USER_SPACE_MSR since 5.10)");
	*clock = (struct wall_clock){ .gmem = gmem, .start_s = start_s };
	return 0;
}

static void answer(const struct wall_clock *clock, gpa_t gpa)
{
	uint8_t bytes[ANSWER_BYTES] = { 0 };
	uint32_t version;

	if (!gpa || gmem_read(clock->gmem, gpa, bytes, sizeof(bytes)))
		return;
	/* Odd while the rest changes; what is there may be anything. */
	version = load_le32(bytes) | 1;
	store_le32(bytes, version);
	(void)gmem_write(clock->gmem, gpa, bytes, 4);
	atomic_thread_fence(memory_order_release);
	store_le32(bytes + 4, (uint32_t)clock->start_s);
	store_le32(bytes + 8, 0);
	(void)gmem_write(clock->gmem, gpa + 4, bytes + 4, ANSWER_BYTES - 4);
	atomic_thread_fence(memory_order_release);
	store_le32(bytes, version + 1);
	(void)gmem_write(clock->gmem, gpa, bytes, 4);
}

void wall_clock_serve(const struct wall_clock *clock, struct kvm_run *run)
{
	/* Nothing else is filtered; any other number would be an exception. */
	run->msr.error = run->msr.index != MSR_WALL_CLOCK &&
			 run->msr.index != MSR_WALL_CLOCK_NEW;
	if (!run->msr.error && clock->gmem)
		answer(clock, run->msr.data);
}
