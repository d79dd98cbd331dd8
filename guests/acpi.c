/*
 * Finds the RSDP in the BIOS area and checks every table that it leads to:
 * signature, length, checksum. Prints the tables' names.
 */
#include "guest.h"

#define TABLE_LENGTH   4
#define RSDP_REVISION  15
#define TABLE_MAX      0x10000
#define RSDP_XSDT      24
#define RSDP_SIZE_TOLD 20

static uint32_t at32(const uint8_t *table, size_t offset)
{
	uint32_t value;

	copy(&value, table + offset, sizeof(value));
	return value;
}

static void check_table(const uint8_t *table)
{
	uint32_t len;

	check(table != NULL, "a table is at address 0");
	len = at32(table, TABLE_LENGTH);
	serial_write((const char *)table, 4);
	print(" ");
	print_hex((uint64_t)table);
	print(" ");
	print_dec(len);
	print("\n");
	check(len >= 36 && len <= TABLE_MAX, "a table has no sane length");
	check(acpi_sum_ok(table, len), "a table has a wrong checksum");
}

void guest_main(void)
{
	const uint8_t *rsdp = acpi_rsdp();
	const uint8_t *xsdt;

	check(rsdp != NULL, "no RSDP with right checksums in the BIOS area");
	check(rsdp[RSDP_REVISION] >= 2, "the RSDP is older than ACPI 2.0");
	check(at32(rsdp, RSDP_SIZE_TOLD) == 36, "the RSDP's length is not 36");
	if (guest.rsdp != 0 && guest.rsdp != (uint64_t)rsdp)
		fail_hex("the monitor told another RSDP", guest.rsdp);
	copy(&xsdt, rsdp + RSDP_XSDT, sizeof(xsdt));
	check_table(xsdt);
	check(str_equal_n((const char *)xsdt, "XSDT", 4), "no XSDT");
	check(acpi_table_count(rsdp) > 0, "the XSDT is empty");
	for (unsigned int i = 0; i < acpi_table_count(rsdp); i++)
		check_table(acpi_table_at(rsdp, i));
	check(acpi_table("FACP") != NULL, "no FADT");
	check(acpi_table("APIC") != NULL, "no MADT");
	check(acpi_dsdt() != NULL, "no DSDT with a right checksum");
	check_table(acpi_dsdt());
}
