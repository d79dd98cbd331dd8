/*
 * Finding ACPI tables the way an operating system does: the RSDP by scanning
 * low memory (ACPI 6.4, 5.2.5.1), the rest through the XSDT (5.2.8).
 */
#include "guest.h"

#define SCAN_START 0xe0000u
#define SCAN_END   0x100000u
#define SCAN_STEP  16

#define RSDP_SIGNATURE 0x2052545020445352ULL /* "RSD PTR " */
#define RSDP_V1_LENGTH 20
#define RSDP_LENGTH    36
#define RSDP_XSDT      24

#define TABLE_LENGTH 4
#define TABLE_HEADER 36

#define FADT_DSDT   40
#define FADT_X_DSDT 140

static uint32_t at32(const uint8_t *table, size_t offset)
{
	uint32_t value;

	copy(&value, table + offset, sizeof(value));
	return value;
}

static uint64_t at64(const uint8_t *table, size_t offset)
{
	uint64_t value;

	copy(&value, table + offset, sizeof(value));
	return value;
}

bool acpi_sum_ok(const uint8_t *table, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + table[i]);
	return sum == 0;
}

const uint8_t *acpi_rsdp(void)
{
	for (uint64_t gpa = SCAN_START; gpa < SCAN_END; gpa += SCAN_STEP) {
		const uint8_t *rsdp = (const uint8_t *)gpa;

		if (*(const uint64_t *)gpa == RSDP_SIGNATURE &&
		    acpi_sum_ok(rsdp, RSDP_V1_LENGTH) &&
		    acpi_sum_ok(rsdp, RSDP_LENGTH))
			return rsdp;
	}
	return NULL;
}

unsigned int acpi_table_count(const uint8_t *rsdp)
{
	const uint8_t *xsdt = (const uint8_t *)at64(rsdp, RSDP_XSDT);

	return (at32(xsdt, TABLE_LENGTH) - TABLE_HEADER) / 8;
}

const uint8_t *acpi_table_at(const uint8_t *rsdp, unsigned int index)
{
	const uint8_t *xsdt = (const uint8_t *)at64(rsdp, RSDP_XSDT);

	return (const uint8_t *)at64(xsdt, TABLE_HEADER + 8ULL * index);
}

const uint8_t *acpi_table(const char *signature)
{
	const uint8_t *rsdp = acpi_rsdp();

	if (rsdp == NULL)
		return NULL;
	for (unsigned int i = 0; i < acpi_table_count(rsdp); i++) {
		const uint8_t *table = acpi_table_at(rsdp, i);

		if (str_equal_n((const char *)table, signature, 4) &&
		    acpi_sum_ok(table, at32(table, TABLE_LENGTH)))
			return table;
	}
	return NULL;
}

const uint8_t *acpi_dsdt(void)
{
	const uint8_t *fadt = acpi_table("FACP");
	const uint8_t *dsdt = NULL;

	if (fadt == NULL)
		return NULL;
	if (at32(fadt, TABLE_LENGTH) >= FADT_X_DSDT + 8)
		dsdt = (const uint8_t *)at64(fadt, FADT_X_DSDT);
	if (dsdt == NULL)
		dsdt = (const uint8_t *)(uint64_t)at32(fadt, FADT_DSDT);
	if (dsdt == NULL || !str_equal_n((const char *)dsdt, "DSDT", 4) ||
	    !acpi_sum_ok(dsdt, at32(dsdt, TABLE_LENGTH)))
		return NULL;
	return dsdt;
}

void acpi_gas_write8(const struct acpi_gas *gas, uint8_t value)
{
	if (gas->space == 1)
		outb((uint16_t)gas->address, value);
	else if (gas->space == 0)
		*(volatile uint8_t *)gas->address = value;
	else
		fail_hex("register in an address space this guest cannot reach",
			 gas->space);
}
