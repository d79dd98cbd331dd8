#include "boot/acpi.h"

#include <errno.h>
#include <string.h>

#include "boot/layout.h"
#include "core/bytes.h"
#include "core/util.h"

#define RSDP_SIZE    36
#define RSDP_V1_SIZE 20
#define HEADER_SIZE  36
#define FADT_SIZE    276
#define MADT_SIZE    44 /* without entries */
#define MCFG_SIZE    60 /* one segment */

/* What XSDT and RSDT may list. */
#define LISTED 3

#define HEADER_LENGTH	4
#define HEADER_CHECKSUM 9

/* FADT, ACPI 6.4, table 5.9. */
#define FADT_DSDT	    40
#define FADT_PM_TMR_BLK	    76
#define FADT_PM_TMR_LEN	    91
#define FADT_P_LVL2_LAT	    96
#define FADT_P_LVL3_LAT	    98
#define FADT_CENTURY	    108
#define FADT_IAPC_BOOT_ARCH 109
#define FADT_FLAGS	    112
#define FADT_RESET_REG	    116
#define FADT_RESET_VALUE    128
#define FADT_MINOR	    131
#define FADT_X_DSDT	    140
#define FADT_X_PM_TMR_BLK   208
#define FADT_SLEEP_CONTROL  244
#define FADT_SLEEP_STATUS   256

/* Latencies which say that there is no C2 and no C3. */
#define NO_C2 101
#define NO_C3 1001

/*
 * Neither a keyboard controller nor user-visible ISA devices; there is a CMOS
 * clock, so bit 5 stays clear. ACPI 6.4, 5.2.9.3.
 */
#define BOOT_ARCH_NO_VGA 0x04

#define FLAG_WBINVD	 (1U << 0)
#define FLAG_PROC_C1	 (1U << 2)
/* Neither button is a fixed feature. */
#define FLAG_PWR_BUTTON	 (1U << 4)
#define FLAG_SLP_BUTTON	 (1U << 5)
/* The clock does not wake from sleep. */
#define FLAG_FIX_RTC	 (1U << 6)
#define FLAG_TMR_VAL_EXT (1U << 8) /* 32 bits, not 24 */
#define FLAG_RESET_REG	 (1U << 10)
#define FLAG_HW_REDUCED	 (1U << 20)

/* The byte of CMOS memory that holds the century (devices/rtc.h). */
#define RTC_CENTURY 0x32

#define MADT_LOCAL_APIC 0
#define MADT_IO_APIC	1
#define MADT_X2APIC	9
#define MADT_ENABLED	1

/* The greatest id that fits an 8-bit local APIC entry; 255 is broadcast. */
#define LAPIC_MAX_ID 254

const struct platform_device *acpi_find(const struct platform *platform,
					enum platform_device_kind kind)
{
	for (unsigned int i = 0; i < platform->device_count; i++) {
		if (platform->devices[i].kind == kind)
			return &platform->devices[i];
	}
	return NULL;
}

/* Fields of fixed width, blank at the end and not terminated. */
static const char rsdp_signature[8] = "RSD PTR ";
static const char oem_id[6] = "HULL  ";
static const char oem_table_id[8] = "HULLVM  ";
static const char creator_id[4] = "HULL";

/* --- Tables in the buffer ----------------------------------------------- */

struct builder {
	const struct platform *platform;
	struct aml out; /* the buffer from its start */
	gpa_t base;
	struct acpi_layout *layout;
};

static uint8_t checksum(const uint8_t *from, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + from[i]);
	return (uint8_t)-sum;
}

/* Adds @len zero bytes; NULL when they do not fit. */
static uint8_t *put_zeros(struct aml *out, size_t len)
{
	uint8_t *at = out->buffer + out->len;

	if (out->overflow || len > out->size - out->len) {
		out->overflow = true;
		return NULL;
	}
	memset(at, 0, len);
	out->len += len;
	return at;
}

/* Starts a table at a multiple of 16 with @size bytes, all 0. */
static uint8_t *table_begin(struct builder *builder, enum acpi_table which,
			    size_t size)
{
	size_t offset = align_up(builder->out.len, 16);

	if (!put_zeros(&builder->out, offset - builder->out.len))
		return NULL;
	builder->layout->tables[which].offset = offset;
	return put_zeros(&builder->out, size);
}

static uint8_t *sdt_begin(struct builder *builder, enum acpi_table which,
			  const char *signature, uint8_t revision, size_t size)
{
	uint8_t *table = table_begin(builder, which, size);

	if (!table)
		return NULL;
	memcpy(table, signature, 4);
	table[8] = revision;
	memcpy(table + 10, oem_id, sizeof(oem_id));
	memcpy(table + 16, oem_table_id, sizeof(oem_table_id));
	store_le32(table + 24, 1);
	memcpy(table + 28, creator_id, sizeof(creator_id));
	store_le32(table + 32, 1);
	return table;
}

/* Ends a table at what was last written, with length and checksum. */
static void sdt_end(struct builder *builder, enum acpi_table which)
{
	size_t offset = builder->layout->tables[which].offset;
	uint8_t *table = builder->out.buffer + offset;
	size_t size = builder->out.len - offset;

	if (builder->out.overflow)
		return;
	store_le32(table + HEADER_LENGTH, (uint32_t)size);
	table[HEADER_CHECKSUM] = checksum(table, size);
	builder->layout->tables[which].size = size;
}

static gpa_t table_gpa(const struct builder *builder, enum acpi_table which)
{
	return builder->base + builder->layout->tables[which].offset;
}

static void put_dsdt(struct builder *builder)
{
	/* Revision 2: integers have 64 bits. */
	if (!sdt_begin(builder, ACPI_DSDT, "DSDT", 2, HEADER_SIZE))
		return;
	acpi_put_namespace(&builder->out, builder->platform);
	sdt_end(builder, ACPI_DSDT);
}

/* A generic address of one byte in port I/O space, ACPI 6.4, 5.2.3.2. */
static void store_port(uint8_t *to, uint64_t port)
{
	to[0] = 1; /* system I/O */
	to[1] = 8; /* bits */
	to[2] = 0;
	to[3] = 1; /* byte access */
	store_le64(to + 4, port);
}

/*
 * Hardware-reduced ACPI ignores the timer (ACPI 6.4, 4.1); who looks for it all
 * the same, as test kernels do, finds it. Returns flags.
 */
static uint32_t put_pm_timer(uint8_t *fadt, const struct platform *platform)
{
	const struct platform_device *timer =
		acpi_find(platform, PLATFORM_PM_TIMER);

	if (!timer)
		return 0;
	store_le32(fadt + FADT_PM_TMR_BLK, (uint32_t)timer->base);
	fadt[FADT_PM_TMR_LEN] = (uint8_t)timer->size;
	store_port(fadt + FADT_X_PM_TMR_BLK, timer->base);
	fadt[FADT_X_PM_TMR_BLK + 1] = 32; /* bits */
	fadt[FADT_X_PM_TMR_BLK + 3] = 3; /* four bytes at once */
	return FLAG_TMR_VAL_EXT;
}

static void put_fadt(struct builder *builder)
{
	const struct platform_device *power =
		acpi_find(builder->platform, PLATFORM_POWER);
	uint8_t *fadt = sdt_begin(builder, ACPI_FACP, "FACP", 6, FADT_SIZE);
	uint32_t flags = FLAG_WBINVD | FLAG_PROC_C1 | FLAG_PWR_BUTTON |
			 FLAG_SLP_BUTTON | FLAG_FIX_RTC | FLAG_HW_REDUCED;

	if (!fadt)
		return;
	store_le32(fadt + FADT_DSDT, (uint32_t)table_gpa(builder, ACPI_DSDT));
	store_le64(fadt + FADT_X_DSDT, table_gpa(builder, ACPI_DSDT));
	store_le16(fadt + FADT_P_LVL2_LAT, NO_C2);
	store_le16(fadt + FADT_P_LVL3_LAT, NO_C3);
	if (acpi_find(builder->platform, PLATFORM_RTC))
		fadt[FADT_CENTURY] = RTC_CENTURY;
	store_le16(fadt + FADT_IAPC_BOOT_ARCH, BOOT_ARCH_NO_VGA);
	fadt[FADT_MINOR] = 4;
	if (power) {
		flags |= FLAG_RESET_REG;
		store_port(fadt + FADT_RESET_REG,
			   power->base + PLATFORM_POWER_RESET);
		fadt[FADT_RESET_VALUE] = PLATFORM_RESET_VALUE;
		store_port(fadt + FADT_SLEEP_CONTROL,
			   power->base + PLATFORM_POWER_SLEEP_CONTROL);
		store_port(fadt + FADT_SLEEP_STATUS,
			   power->base + PLATFORM_POWER_SLEEP_STATUS);
	}
	flags |= put_pm_timer(fadt, builder->platform);
	store_le32(fadt + FADT_FLAGS, flags);
	sdt_end(builder, ACPI_FACP);
}

/* ACPI 6.4, 5.2.12.2 and 5.2.12.12. The processor's uid is its APIC id. */
static void put_madt_cpu(struct aml *out, uint32_t id)
{
	bool wide = id > LAPIC_MAX_ID;
	uint8_t *entry = put_zeros(out, wide ? 16 : 8);

	if (!entry)
		return;
	if (wide) {
		entry[0] = MADT_X2APIC;
		entry[1] = 16;
		store_le32(entry + 4, id);
		store_le32(entry + 8, MADT_ENABLED);
		store_le32(entry + 12, id);
	} else {
		entry[0] = MADT_LOCAL_APIC;
		entry[1] = 8;
		entry[2] = (uint8_t)id;
		entry[3] = (uint8_t)id;
		store_le32(entry + 4, MADT_ENABLED);
	}
}

static void put_madt(struct builder *builder)
{
	uint8_t *madt = sdt_begin(builder, ACPI_APIC, "APIC", 5, MADT_SIZE);
	uint8_t *entry;

	if (!madt)
		return;
	/* Flags stay 0: whether or not there are 8259s, use the APICs. */
	store_le32(madt + HEADER_SIZE, (uint32_t)PLATFORM_LAPIC_BASE);
	for (unsigned int i = 0; i < builder->platform->cpu_count; i++)
		put_madt_cpu(&builder->out, i);
	entry = put_zeros(&builder->out, 12);
	if (!entry)
		return;
	entry[0] = MADT_IO_APIC;
	entry[1] = 12;
	store_le32(entry + 4, (uint32_t)PLATFORM_IOAPIC_BASE);
	sdt_end(builder, ACPI_APIC);
}

static void put_mcfg(struct builder *builder)
{
	const struct platform_device *ecam =
		acpi_find(builder->platform, PLATFORM_PCI_HOST);
	uint8_t *mcfg;

	if (!ecam)
		return;
	mcfg = sdt_begin(builder, ACPI_MCFG, "MCFG", 1, MCFG_SIZE);
	if (!mcfg)
		return;
	store_le64(mcfg + 44, ecam->base);
	mcfg[55] = (uint8_t)(ecam->size / MIB - 1); /* the last bus */
	sdt_end(builder, ACPI_MCFG);
}

static void fill_list(struct builder *builder, enum acpi_table which,
		      unsigned int entry_bytes)
{
	static const enum acpi_table listed[LISTED] = { ACPI_FACP, ACPI_APIC,
							ACPI_MCFG };
	uint8_t *table =
		builder->out.buffer + builder->layout->tables[which].offset;
	size_t size = HEADER_SIZE;

	for (size_t i = 0; i < ARRAY_SIZE(listed); i++) {
		gpa_t gpa = table_gpa(builder, listed[i]);

		if (!builder->layout->tables[listed[i]].size)
			continue;
		if (entry_bytes == 8)
			store_le64(table + size, gpa);
		else
			store_le32(table + size, (uint32_t)gpa);
		size += entry_bytes;
	}
	store_le32(table + HEADER_LENGTH, (uint32_t)size);
	table[HEADER_CHECKSUM] = checksum(table, size);
	builder->layout->tables[which].size = size;
}

static void fill_rsdp(struct builder *builder, uint8_t *rsdp)
{
	memcpy(rsdp, rsdp_signature, sizeof(rsdp_signature));
	memcpy(rsdp + 9, oem_id, sizeof(oem_id));
	rsdp[15] = 2; /* revision */
	store_le32(rsdp + 16, (uint32_t)table_gpa(builder, ACPI_RSDT));
	store_le32(rsdp + 20, RSDP_SIZE);
	store_le64(rsdp + 24, table_gpa(builder, ACPI_XSDT));
	rsdp[8] = checksum(rsdp, RSDP_V1_SIZE);
	rsdp[32] = checksum(rsdp, RSDP_SIZE);
	builder->layout->tables[ACPI_RSDP].size = RSDP_SIZE;
}

/* --- The whole ---------------------------------------------------------- */

static int check_platform(const struct platform *platform, struct err *err)
{
	for (unsigned int i = 0; i < platform->device_count; i++) {
		const struct platform_device *device = &platform->devices[i];
		uint64_t end = device->base + device->size;

		if (device->is_port && (device->size > UINT8_MAX ||
					end > (uint64_t)UINT16_MAX + 1))
			return err_set(err, EINVAL,
				       "ACPI: device %u has ports 0x%llx and "
				       "up, which no descriptor can hold",
				       i, (unsigned long long)device->base);
		if (device->kind == PLATFORM_PCI_HOST &&
		    (device->size % MIB || device->size < MIB ||
		     device->size > 256 * MIB))
			return err_set(err, EINVAL,
				       "ACPI: the PCI host's configuration "
				       "space is not of 1 to 256 buses");
	}
	return 0;
}

int acpi_build(const struct platform *platform, uint8_t *buffer, size_t size,
	       gpa_t base, struct acpi_layout *ret_layout, struct err *err)
{
	struct acpi_layout layout = { 0 };
	struct builder builder = {
		.platform = platform,
		.out = { .size = size },
		.base = base,
		.layout = &layout,
	};
	uint8_t *rsdp;
	int rc;

	rc = check_platform(platform, err);
	if (rc)
		return rc;
	builder.out.buffer = buffer;
	rsdp = table_begin(&builder, ACPI_RSDP, RSDP_SIZE);
	/* With room for all that they can list. */
	sdt_begin(&builder, ACPI_XSDT, "XSDT", 1, HEADER_SIZE + LISTED * 8);
	sdt_begin(&builder, ACPI_RSDT, "RSDT", 1, HEADER_SIZE + LISTED * 4);
	put_dsdt(&builder);
	put_fadt(&builder);
	put_madt(&builder);
	put_mcfg(&builder);
	if (builder.out.overflow || !rsdp)
		return err_set(err, ENOSPC,
			       "the ACPI tables of %u CPUs and %u devices do "
			       "not fit into %zu bytes: use fewer of them",
			       platform->cpu_count, platform->device_count,
			       size);
	fill_list(&builder, ACPI_XSDT, 8);
	fill_list(&builder, ACPI_RSDT, 4);
	fill_rsdp(&builder, rsdp);
	*ret_layout = layout;
	return 0;
}

int acpi_write(const struct platform *platform, const struct gmem *gmem,
	       gpa_t *ret_rsdp, uint64_t *ret_bytes, struct err *err)
{
	const uint64_t size = LAYOUT_RESET_VECTOR - PLATFORM_BIOS_START;
	uint8_t *area = gmem_ptr(gmem, PLATFORM_BIOS_START, size);
	struct acpi_layout layout = { 0 };
	uint64_t bytes = 0;
	int rc;

	if (!area)
		return err_set(err, EINVAL,
			       "no room for ACPI tables at 0x%llx: the guest "
			       "needs at least 1 MiB of memory",
			       PLATFORM_BIOS_START);
	rc = acpi_build(platform, area, size, PLATFORM_BIOS_START, &layout,
			err);
	if (rc)
		return rc;
	for (size_t i = 0; i < ACPI_TABLE_COUNT; i++)
		bytes = max_u64(bytes, layout.tables[i].offset +
					       layout.tables[i].size);
	*ret_rsdp = PLATFORM_BIOS_START + layout.tables[ACPI_RSDP].offset;
	*ret_bytes = bytes;
	return 0;
}
