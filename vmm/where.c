#include "vmm/where.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "core/util.h"

#define MSR_LSTAR 0xc0000082

#define MOVE_ALIGN (2 * MIB)
#define MOVE_MAX   GIB

static uint64_t read_lstar(const struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[1];
	} msrs = {
		.head = { .nmsrs = 1 },
		.entries = { { .index = MSR_LSTAR } },
	};

	/* The number of those that were read. */
	return ioctl(vcpu->fd, KVM_GET_MSRS, &msrs) == 1 ?
		       msrs.entries[0].data :
		       0;
}

/* Up or down; 0 as well when the MSR is not that kernel's. */
static uint64_t linux_moved_by(const struct vcpu *vcpu,
			       const struct symbols *symbols)
{
	uint64_t by;

	if (!symbols->syscall_entry)
		return 0;
	by = read_lstar(vcpu) - symbols->syscall_entry;
	/* Wraps where it went down. */
	if (by % MOVE_ALIGN || by + MOVE_MAX > 2 * MOVE_MAX)
		return 0;
	return by;
}

const char *where_text(const struct vcpu *vcpu, const struct symbols *symbols,
		       uint64_t address, char to[SYMBOLS_TEXT_BYTES])
{
	const struct symbols_move *move = &symbols->move;
	uint64_t by = linux_moved_by(vcpu, symbols);

	if (address - move->start < move->size_bytes)
		by = move->by;
	return symbols_text(symbols, address - by, to);
}
