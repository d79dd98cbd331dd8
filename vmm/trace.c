#include "vmm/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/loop.h"
#include "vmm/where.h"

#define MESSAGE_LOGICAL (1U << 2) /* of the address */
#define MESSAGE_LEVEL	(1U << 15) /* of the data */

static unsigned int kind_named(const char *name, size_t len)
{
	static const struct {
		const char *name;
		unsigned int kind;
	} names[] = { { "exits", TRACE_EXITS },
		      { "io", TRACE_IO },
		      { "mmio", TRACE_MMIO },
		      { "irq", TRACE_IRQ } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i].name) == len &&
		    !strncmp(names[i].name, name, len))
			return names[i].kind;
	}
	return 0;
}

int trace_parse(const char *text, unsigned int *ret_kinds, struct err *err)
{
	unsigned int kinds = 0;

	for (;;) {
		size_t len = strcspn(text, ",");
		unsigned int kind = kind_named(text, len);

		if (!kind)
			return err_set(err, EINVAL,
				       "--trace: there is no \"%.*s\"; there "
				       "are exits (all), io, mmio and irq",
				       (int)min_u64(len, 64), text);
		kinds |= kind;
		if (!text[len])
			break;
		text += len + 1;
	}
	*ret_kinds = kinds;
	return 0;
}

int trace_init(struct trace *trace, const char *kinds, const char *path,
	       const struct symbols *symbols, struct err *err)
{
	int rc = trace_parse(kinds, &trace->kinds, err);

	if (rc)
		return rc;
	trace->start_ns = loop_now_ns();
	trace->symbols = symbols;
	trace->to = fopen(path, "we");
	if (!trace->to)
		return err_sys(err, errno, "cannot write the trace %s", path);
	return 0;
}

int trace_release(struct trace *trace)
{
	int error = 0;

	if (!trace->to)
		return 0;
	if (ferror(trace->to))
		error = EIO;
	if (fclose(trace->to))
		error = errno;
	trace->to = NULL;
	return error;
}

static unsigned int kind_of(uint32_t reason)
{
	switch (reason) {
	case KVM_EXIT_IO:
		return TRACE_IO;
	case KVM_EXIT_MMIO:
		return TRACE_MMIO;
	case KVM_EXIT_IOAPIC_EOI:
		return TRACE_EOI;
	default:
		return TRACE_OTHER;
	}
}

static uint64_t value_of(const void *data, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, data, min_u64(len, sizeof(value)));
	return value;
}

/* A read's value is not known yet: what is served comes after this. */
static void write_io(FILE *to, const struct kvm_run *run)
{
	const uint8_t *data = (const uint8_t *)run + run->io.data_offset;

	(void)fprintf(to, "io %s port 0x%x size %u",
		      run->io.direction == KVM_EXIT_IO_OUT ? "out" : "in",
		      run->io.port, run->io.size);
	if (run->io.count > 1)
		(void)fprintf(to, " times %u", run->io.count);
	if (run->io.direction == KVM_EXIT_IO_OUT)
		(void)fprintf(to, " value 0x%" PRIx64,
			      value_of(data, run->io.size));
}

static void write_mmio(FILE *to, const struct kvm_run *run)
{
	(void)fprintf(to, "mmio %s gpa 0x%llx size %u",
		      run->mmio.is_write ? "write" : "read",
		      run->mmio.phys_addr, run->mmio.len);
	if (run->mmio.is_write)
		(void)fprintf(to, " value 0x%" PRIx64,
			      value_of(run->mmio.data, run->mmio.len));
}

/* With the stream's lock, so that the times in the file do not go back. */
static void write_time(const struct trace *trace)
{
	const int64_t ns = loop_now_ns() - trace->start_ns;

	(void)fprintf(trace->to, "%" PRId64 ".%06" PRId64, ns / 1000000000,
		      ns / 1000 % 1000000);
}

/* SDM vol. 3A, 11.11.1 and 11.11.2. */
static void write_message(FILE *to, const struct trace_interrupt *interrupt)
{
	/* By the delivery mode; the empty ones carry a vector. */
	static const char *const modes[8] = {
		"", "", "smi", "mode 3", "nmi", "init", "mode 6", "extint"
	};
	const char *mode = modes[interrupt->data >> 8 & 7];

	if (*mode)
		(void)fprintf(to, " %s", mode);
	else
		(void)fprintf(to, " vector 0x%x", interrupt->data & 0xff);
	(void)fprintf(to, " to %s %" PRIu64,
		      interrupt->address & MESSAGE_LOGICAL ? "logical" : "apic",
		      interrupt->address >> 12 & 0xff);
	(void)fprintf(to, " %s address 0x%" PRIx64 " data 0x%x",
		      interrupt->data & MESSAGE_LEVEL ? "level" : "edge",
		      interrupt->address, interrupt->data);
}

void trace_interrupt(struct trace *trace,
		     const struct trace_interrupt *interrupt)
{
	flockfile(trace->to);
	write_time(trace);
	(void)fprintf(trace->to, " irq %s %s %u", interrupt->name,
		      interrupt->pin, interrupt->number);
	if (interrupt->is_known)
		write_message(trace->to, interrupt);
	(void)putc('\n', trace->to);
	funlockfile(trace->to);
}

void trace_exit(struct trace *trace, const struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = { 0 };
	char symbol[SYMBOLS_TEXT_BYTES];

	if (!(trace->kinds & kind_of(run->exit_reason)))
		return;
	(void)ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	(void)where_text(vcpu, trace->symbols, regs.rip, symbol);
	flockfile(trace->to);
	write_time(trace);
	(void)fprintf(trace->to, " vcpu %u rip 0x%llx%s ", vcpu->index,
		      regs.rip, symbol);
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		write_io(trace->to, run);
		break;
	case KVM_EXIT_MMIO:
		write_mmio(trace->to, run);
		break;
	case KVM_EXIT_IOAPIC_EOI:
		(void)fprintf(trace->to, "eoi vector 0x%x", run->eoi.vector);
		break;
	default:
		(void)fprintf(trace->to, "exit %u", run->exit_reason);
		break;
	}
	(void)putc('\n', trace->to);
	funlockfile(trace->to);
}
