/*
 * Whatever a debugger sends: bytes to packets to answers, on two vCPUs without
 * a KVM, whose part this program plays: memory is where its addresses say, and
 * everything it is asked to do works. What holds: an answer is a whole packet
 * again, and whoever leaves takes all breakpoints along.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/gdb_internal.h"
#include "vmm/gdb_registers.h"

#define MEMORY (64 * KIB)
#define VCPUS  2
#define KVM_FD 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kvm_regs regs;
static struct kvm_sregs sregs;

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* In place of the C library's. The last page is not mapped. */
int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_translation *at;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd != KVM_FD) {
		errno = ENOTTY;
		return -1;
	}
	switch (request) {
	case KVM_CHECK_EXTENSION:
		return 1;
	case KVM_GET_REGS:
		memcpy(arg, &regs, sizeof(regs));
		return 0;
	case KVM_SET_REGS:
		memcpy(&regs, arg, sizeof(regs));
		return 0;
	case KVM_GET_SREGS:
		memcpy(arg, &sregs, sizeof(sregs));
		return 0;
	case KVM_SET_SREGS:
		memcpy(&sregs, arg, sizeof(sregs));
		return 0;
	case KVM_GET_FPU:
		memset(arg, 0x5a, sizeof(struct kvm_fpu));
		return 0;
	case KVM_TRANSLATE:
		at = arg;
		at->physical_address = at->linear_address;
		at->valid = at->linear_address < MEMORY - 4096;
		return 0;
	default:
		return 0;
	}
}

static void check_answer(const struct gdb_writer *writer)
{
	static struct gdb_reader reader;
	enum gdb_event event = GDB_EVENT_NONE;

	memset(&reader, 0, sizeof(reader));
	for (size_t i = 0; i < writer->len; i++) {
		require(event == GDB_EVENT_NONE);
		event = gdb_reader_take(&reader, (uint8_t)writer->data[i]);
	}
	require(event == GDB_EVENT_PACKET);
}

static void answer(struct gdb *gdb)
{
	gdb_writer_begin(&gdb->writer);
	if (gdb_answer(gdb)) {
		/* As gdb.c does it. */
		if (gdb->writer.overflow) {
			gdb_writer_begin(&gdb->writer);
			gdb_writer_add(&gdb->writer, "E%02x", EMSGSIZE);
		}
		gdb_writer_end(&gdb->writer);
		check_answer(&gdb->writer);
	}
	require(gdb->vcpu < VCPUS);
	/* A guest that runs has stopped again. */
	gdb->debug->state = DEBUG_STOPPED;
}

static void talk(struct gdb *gdb, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size && gdb->client.fd >= 0; i++) {
		enum gdb_event event = gdb_reader_take(&gdb->reader, data[i]);

		if (event == GDB_EVENT_PACKET)
			answer(gdb);
		require(gdb->debug->breakpoint_count <= DEBUG_MAX_BREAKPOINTS);
	}
	gdb_hang_up(gdb);
	require(gdb->debug->breakpoint_count == 0);
	for (unsigned int i = 0; i < DEBUG_HW_SLOTS; i++)
		require(!gdb->debug->hw[i].used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kvm kvm = { .vm_fd = KVM_FD };
	static struct gmem gmem;
	static struct vcpu_env env = {
		.pause_lock = PTHREAD_MUTEX_INITIALIZER,
		.pause_ended = PTHREAD_COND_INITIALIZER,
	};
	static struct vcpu vcpus[VCPUS];
	static struct debug debug;
	static struct gdb gdb;
	struct loop loop;
	struct verdict verdict = { .loop = &loop };

	if (!gmem.size_bytes)
		require(!gmem_init(&gmem, MEMORY, 0, NULL));
	memset(gmem_ptr(&gmem, 0, MEMORY), 0x90, MEMORY);
	memset(&regs, 0, sizeof(regs));
	memset(&sregs, 0, sizeof(sregs));
	env.kvm = &kvm;
	env.gmem = &gmem;
	for (unsigned int i = 0; i < VCPUS; i++)
		vcpus[i] =
			(struct vcpu){ .env = &env, .index = i, .fd = KVM_FD };
	require(!loop_init(&loop, NULL));
	require(!debug_init(&debug, vcpus, VCPUS, &loop, true, NULL));
	memset(&gdb, 0, sizeof(gdb));
	gdb.loop = &loop;
	gdb.debug = &debug;
	gdb.verdict = &verdict;
	gdb.xml = gdb_registers_xml();
	gdb.client.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	require(gdb.xml && gdb.client.fd >= 0);
	talk(&gdb, data, size);
	free(gdb.xml);
	loop_release(&loop);
	return 0;
}
