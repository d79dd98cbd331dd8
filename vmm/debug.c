#include "vmm/debug.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/log.h"
#include "vmm/config.h"

#define INT3	   0xcc
#define PAGE_BYTES 4096ULL

#define VECTOR_DB 1
#define VECTOR_BP 3

#define DR6_SINGLE_STEP 0x4000
#define DR6_TRAPS	0xf
#define DR7_RESERVED	0x400 /* reads as one, SDM vol. 3B, 18.2.4 */

int debug_init(struct debug *debug, struct vcpu *vcpus, unsigned int count,
	       struct loop *loop, bool held, struct err *err)
{
	const struct kvm *kvm = vcpus[0].env->kvm;
	int controls = ioctl(kvm->vm_fd, KVM_CHECK_EXTENSION,
			     KVM_CAP_SET_GUEST_DEBUG2);

	if (ioctl(kvm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG) <=
	    0)
		return err_set(err, ENOTSUP,
			       "--gdb: this host's KVM cannot debug a guest "
			       "(it lacks KVM_CAP_SET_GUEST_DEBUG)");
	*debug = (struct debug){
		.vcpus = vcpus,
		.vcpu_count = count,
		.loop = loop,
		.gmem = vcpus[0].env->gmem,
		.state = held ? DEBUG_STOPPED : DEBUG_RUNNING,
		.has_watchpoints = kvm->flavor != KVM_FLAVOR_EMULATED,
		.controls = controls > 0 ? (uint32_t)controls : 0,
	};
	for (unsigned int i = 0; i < count; i++)
		atomic_store(&vcpus[i].held, held);
	vcpus[0].env->debug = debug;
	return 0;
}

/* --- Stopping and going on --- */

void debug_stop(struct debug *debug)
{
	if (debug->state != DEBUG_RUNNING)
		return;
	debug->state = DEBUG_STOPPING;
	for (unsigned int i = 0; i < debug->vcpu_count; i++) {
		atomic_store(&debug->vcpus[i].held, true);
		vcpu_kick(&debug->vcpus[i]);
	}
}

static bool are_parked(const struct debug *debug)
{
	struct vcpu_env *env = debug->vcpus[0].env;
	bool all = true;

	pthread_mutex_lock(&env->pause_lock);
	for (unsigned int i = 0; i < debug->vcpu_count; i++)
		all = all && debug->vcpus[i].parked;
	pthread_mutex_unlock(&env->pause_lock);
	return all;
}

/* A watchpoint's is lost when it is not told; one of an instruction comes
 * again when that is tried again. */
static bool must_be_told(const struct vcpu *vcpu)
{
	return vcpu->hit.kind == DEBUG_HIT_WRITE ||
	       vcpu->hit.kind == DEBUG_HIT_ACCESS ||
	       vcpu->hit.kind == DEBUG_HIT_STEP;
}

/* Which of those that stopped by themselves is told first; NULL: none. */
static struct vcpu *choose_hit(const struct debug *debug)
{
	struct vcpu *chosen = NULL;

	for (unsigned int i = 0; i < debug->vcpu_count; i++) {
		struct vcpu *vcpu = &debug->vcpus[i];

		if (vcpu->hit.kind == DEBUG_HIT_NONE)
			continue;
		if (must_be_told(vcpu))
			return vcpu;
		if (!chosen)
			chosen = vcpu;
	}
	return chosen;
}

bool debug_update(struct debug *debug, unsigned int *ret_vcpu,
		  struct debug_hit *ret_hit)
{
	struct vcpu *vcpu;

	for (unsigned int i = 0; i < debug->vcpu_count; i++) {
		if (atomic_load(&debug->vcpus[i].has_hit))
			debug_stop(debug);
	}
	if (debug->state != DEBUG_STOPPING || !are_parked(debug))
		return false;
	debug->state = DEBUG_STOPPED;
	vcpu = choose_hit(debug);
	*ret_vcpu = vcpu ? vcpu->index : 0;
	*ret_hit = vcpu ? vcpu->hit :
			  (struct debug_hit){ .kind = DEBUG_HIT_PAUSED };
	for (unsigned int i = 0; i < debug->vcpu_count; i++) {
		if (&debug->vcpus[i] != vcpu && must_be_told(&debug->vcpus[i]))
			continue;
		debug->vcpus[i].hit.kind = DEBUG_HIT_NONE;
		atomic_store(&debug->vcpus[i].has_hit, false);
	}
	return true;
}

static int set_guest_debug(const struct debug *debug, struct vcpu *vcpu,
			   uint32_t inject)
{
	struct kvm_guest_debug set = { .control = inject };
	uint64_t dr7 = DR7_RESERVED;

	if (debug->breakpoint_count)
		set.control |= KVM_GUESTDBG_USE_SW_BP;
	if (vcpu->steps)
		set.control |= KVM_GUESTDBG_SINGLESTEP;
	/* A step that ends in the timer's handler is no step for a person. */
	if (vcpu->steps && (debug->controls & KVM_GUESTDBG_BLOCKIRQ))
		set.control |= KVM_GUESTDBG_BLOCKIRQ;
	for (unsigned int i = 0; i < DEBUG_HW_SLOTS; i++) {
		const struct debug_hw_slot *slot = &debug->hw[i];
		/* 1, 2, 8, 4 bytes are 0, 1, 2, 3 (SDM vol. 3B, 18.2.4). */
		static const uint8_t lengths[9] = {
			[1] = 0, [2] = 1, [4] = 3, [8] = 2
		};

		if (!slot->used)
			continue;
		set.control |= KVM_GUESTDBG_USE_HW_BP;
		set.arch.debugreg[i] = slot->addr;
		dr7 |= 2ULL << (2 * i);
		dr7 |= (uint64_t)(slot->kind | lengths[slot->len] << 2)
		       << (16 + 4 * i);
	}
	set.arch.debugreg[7] = dr7;
	if (set.control)
		set.control |= KVM_GUESTDBG_ENABLE;
	return ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &set) < 0 ? -errno : 0;
}

/* One that stopped when another one had, and must not be forgotten. */
static bool has_untold(const struct debug *debug)
{
	for (unsigned int i = 0; i < debug->vcpu_count; i++) {
		if (atomic_load(&debug->vcpus[i].has_hit))
			return true;
	}
	return false;
}

int debug_resume(struct debug *debug, const enum debug_action *actions)
{
	int rc;

	if (has_untold(debug)) {
		debug->state = DEBUG_STOPPING;
		loop_wake(debug->loop);
		return 0;
	}
	for (unsigned int i = 0; i < debug->vcpu_count; i++) {
		debug->vcpus[i].steps = actions[i] == DEBUG_STEP;
		rc = set_guest_debug(debug, &debug->vcpus[i], 0);
		if (rc)
			return rc;
	}
	debug->state = DEBUG_RUNNING;
	for (unsigned int i = 0; i < debug->vcpu_count; i++)
		atomic_store(&debug->vcpus[i].held, actions[i] == DEBUG_STAY);
	vcpu_wake_paused(debug->vcpus[0].env);
	return 0;
}

void debug_detach(struct debug *debug)
{
	enum debug_action actions[CONFIG_MAX_CPUS];

	while (debug->breakpoint_count)
		(void)debug_remove_breakpoint(debug,
					      debug->breakpoints[0].addr);
	memset(debug->hw, 0, sizeof(debug->hw));
	for (unsigned int i = 0; i < debug->vcpu_count; i++) {
		atomic_store(&debug->vcpus[i].has_hit, false);
		debug->vcpus[i].hit.kind = DEBUG_HIT_NONE;
		actions[i] = DEBUG_CONTINUE;
	}
	(void)debug_resume(debug, actions);
}

/* --- Memory --- */

/* How much of [addr, addr + len) is in one page, and where. */
static void *page_part(const struct debug *debug, unsigned int vcpu,
		       uint64_t addr, size_t *len, gpa_t *ret_gpa)
{
	struct kvm_translation at = { .linear_address = addr };
	uint64_t room = PAGE_BYTES - addr % PAGE_BYTES;

	*len = (size_t)min_u64(*len, room);
	if (ioctl(debug->vcpus[vcpu].fd, KVM_TRANSLATE, &at) < 0 || !at.valid)
		return NULL;
	*ret_gpa = at.physical_address;
	return gmem_ptr(debug->gmem, at.physical_address, *len);
}

int debug_read(const struct debug *debug, unsigned int vcpu, uint64_t addr,
	       void *to, size_t len)
{
	uint8_t *next = to;

	while (len) {
		size_t part = len;
		gpa_t gpa;
		const void *from = page_part(debug, vcpu, addr, &part, &gpa);

		if (!from)
			return -EFAULT;
		memcpy(next, from, part);
		next += part;
		addr += part;
		len -= part;
	}
	return 0;
}

int debug_write(const struct debug *debug, unsigned int vcpu, uint64_t addr,
		const void *from, size_t len)
{
	const uint8_t *next = from;

	while (len) {
		size_t part = len;
		gpa_t gpa;
		void *to = page_part(debug, vcpu, addr, &part, &gpa);

		if (!to)
			return -EFAULT;
		memcpy(to, next, part);
		next += part;
		addr += part;
		len -= part;
	}
	return 0;
}

/* --- Breakpoints --- */

static struct debug_breakpoint *find_breakpoint(struct debug *debug,
						uint64_t addr)
{
	for (unsigned int i = 0; i < debug->breakpoint_count; i++) {
		if (debug->breakpoints[i].addr == addr)
			return &debug->breakpoints[i];
	}
	return NULL;
}

int debug_add_breakpoint(struct debug *debug, unsigned int vcpu, uint64_t addr)
{
	struct debug_breakpoint *new;
	size_t len = 1;
	uint8_t *at;
	gpa_t gpa;

	if (find_breakpoint(debug, addr))
		return 0;
	if (debug->breakpoint_count == DEBUG_MAX_BREAKPOINTS)
		return -ENOSPC;
	at = page_part(debug, vcpu, addr, &len, &gpa);
	if (!at)
		return -EFAULT;
	new = &debug->breakpoints[debug->breakpoint_count++];
	*new = (struct debug_breakpoint){ addr, gpa, *at };
	*at = INT3;
	return 0;
}

int debug_remove_breakpoint(struct debug *debug, uint64_t addr)
{
	struct debug_breakpoint *old = find_breakpoint(debug, addr);
	uint8_t *at;

	if (!old)
		return -ENOENT;
	/* The guest may have put other code there since, by its own patching
	 * or by using the page for something else. */
	at = gmem_ptr(debug->gmem, old->gpa, 1);
	if (at && *at == INT3)
		*at = old->original;
	*old = debug->breakpoints[--debug->breakpoint_count];
	return 0;
}

int debug_add_hw(struct debug *debug, enum debug_hw_kind kind, uint64_t addr,
		 unsigned int len)
{
	if (!is_power_of_two(len) || len > 8 || addr % len ||
	    (kind == DEBUG_HW_EXECUTE && len != 1))
		return -EINVAL;
	if (kind != DEBUG_HW_EXECUTE && !debug->has_watchpoints) {
		log_warn("gdb: this host's software KVM has no watchpoints; "
			 "in gdb, \"set can-use-hw-watchpoints 0\" steps");
		return -ENOTSUP;
	}
	for (unsigned int i = 0; i < DEBUG_HW_SLOTS; i++) {
		if (debug->hw[i].used)
			continue;
		debug->hw[i] = (struct debug_hw_slot){ true, kind, addr, len };
		return 0;
	}
	return -ENOSPC;
}

int debug_remove_hw(struct debug *debug, enum debug_hw_kind kind, uint64_t addr,
		    unsigned int len)
{
	for (unsigned int i = 0; i < DEBUG_HW_SLOTS; i++) {
		struct debug_hw_slot *slot = &debug->hw[i];

		if (!slot->used || slot->kind != kind || slot->addr != addr ||
		    slot->len != len)
			continue;
		slot->used = false;
		return 0;
	}
	return -ENOENT;
}

/* --- Exits (vCPU threads) --- */

static bool take_hit(struct debug *debug, struct vcpu *vcpu,
		     struct debug_hit hit)
{
	vcpu->hit = hit;
	atomic_store(&vcpu->held, true);
	atomic_store(&vcpu->has_hit, true);
	loop_wake(debug->loop);
	return true;
}

/* An exception of the guest's own that the debugger's came in the way of. */
static bool give_back(const struct debug *debug, struct vcpu *vcpu,
		      uint32_t inject)
{
	return set_guest_debug(debug, vcpu, inject) == 0;
}

static bool hw_hit(const struct debug *debug, uint64_t dr6,
		   struct debug_hit *ret_hit)
{
	static const enum debug_hit_kind kinds[] = {
		[DEBUG_HW_EXECUTE] = DEBUG_HIT_HARDWARE,
		[DEBUG_HW_WRITE] = DEBUG_HIT_WRITE,
		[DEBUG_HW_ACCESS] = DEBUG_HIT_ACCESS,
	};

	for (unsigned int i = 0; i < DEBUG_HW_SLOTS; i++) {
		if (!(dr6 & (1ULL << i)) || !debug->hw[i].used)
			continue;
		*ret_hit = (struct debug_hit){ kinds[debug->hw[i].kind],
					       debug->hw[i].addr };
		return true;
	}
	return false;
}

/*
 * Whether an int3 of ours lies at @pc: by its place in memory, for it may have
 * been put there by another address, such as before paging was on.
 */
static bool is_our_int3(const struct debug *debug, const struct vcpu *vcpu,
			uint64_t pc)
{
	size_t len = 1;
	gpa_t gpa;

	if (!page_part(debug, vcpu->index, pc, &len, &gpa))
		return false;
	for (unsigned int i = 0; i < debug->breakpoint_count; i++) {
		if (debug->breakpoints[i].gpa == gpa)
			return true;
	}
	return false;
}

/* Where software KVM stops: its emulator does not know int3. */
static bool is_emulators_int3(const struct debug *debug,
			      const struct vcpu *vcpu, uint64_t *ret_addr)
{
	struct kvm_regs regs;

	if (vcpu->run->exit_reason != KVM_EXIT_INTERNAL_ERROR ||
	    vcpu->run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION ||
	    ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0)
		return false;
	*ret_addr = regs.rip;
	return is_our_int3(debug, vcpu, regs.rip);
}

bool debug_on_exit(struct debug *debug, struct vcpu *vcpu)
{
	const struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;
	struct debug_hit hit = { .kind = DEBUG_HIT_SOFTWARE };

	if (is_emulators_int3(debug, vcpu, &hit.addr))
		return take_hit(debug, vcpu, hit);
	if (vcpu->run->exit_reason != KVM_EXIT_DEBUG)
		return false;
	hit.addr = arch->pc;
	if (arch->exception == VECTOR_BP)
		return is_our_int3(debug, vcpu, arch->pc) ?
			       take_hit(debug, vcpu, hit) :
			       give_back(debug, vcpu, KVM_GUESTDBG_INJECT_BP);
	if (hw_hit(debug, arch->dr6, &hit))
		return take_hit(debug, vcpu, hit);
	hit.kind = DEBUG_HIT_STEP;
	if (vcpu->steps || (arch->dr6 & DR6_SINGLE_STEP))
		return take_hit(debug, vcpu, hit);
	return give_back(debug, vcpu, KVM_GUESTDBG_INJECT_DB);
}
