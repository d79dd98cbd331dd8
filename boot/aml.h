/*
 * Writing ACPI Machine Language into a buffer of the caller.
 *
 * Terms with a PkgLength are blocks: aml_block_* gives the place where the
 * contents start, and aml_block_end moves them up to put the shortest PkgLength
 * before them. What does not fit is dropped and remembered: check `overflow`
 * once at the end.
 *
 * Source: ACPI 6.4, 20.2 (encoding), 6.4 (resource descriptors), 19.3.4
 * (EISA ids).
 */
#ifndef BOOT_AML_H
#define BOOT_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buffer; /* borrowed */
	size_t size;
	size_t len;
	bool overflow; /* something did not fit */
};

/* Opcodes that callers write with aml_byte; ACPI 6.4, table 20.1. */
#define AML_ZERO	       0x00
#define AML_LOCAL0	       0x60
#define AML_ARG(n)	       (0x68 + (n))
#define AML_STORE	       0x70
#define AML_AND		       0x7b
#define AML_OR		       0x7d
#define AML_NOTIFY	       0x86
#define AML_CREATE_DWORD_FIELD 0x8a
#define AML_LEQUAL	       0x93
#define AML_RETURN	       0xa4

/* Names are one segment of exactly four characters: "_SB_", "COM1". */
void aml_byte(struct aml *aml, uint8_t value);
void aml_bytes(struct aml *aml, const void *from, size_t len);
void aml_segment(struct aml *aml, const char *segment);
void aml_integer(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);
/* Name (@segment, ...): the object follows. */
void aml_name(struct aml *aml, const char *segment);
void aml_name_integer(struct aml *aml, const char *segment, uint64_t value);
void aml_name_string(struct aml *aml, const char *segment, const char *text);
/* @id is like "PNP0501": three capitals and four hexadecimal digits. */
void aml_name_eisa_id(struct aml *aml, const char *segment, const char *id);

size_t aml_scope(struct aml *aml, const char *segment);
size_t aml_device(struct aml *aml, const char *segment);
size_t aml_method(struct aml *aml, const char *segment, unsigned int args,
		  bool serialized);
size_t aml_package(struct aml *aml, uint8_t count);
size_t aml_if(struct aml *aml);
size_t aml_else(struct aml *aml);
void aml_block_end(struct aml *aml, size_t start);

/* OperationRegion (@segment, SystemIO, @port, @len). */
void aml_region_io(struct aml *aml, const char *segment, uint16_t port,
		   uint8_t len);
/* Field (@region, ByteAcc, NoLock, WriteAsZeros) { @segment, 8 }. */
void aml_field_byte(struct aml *aml, const char *region, const char *segment);

/* A buffer; aml_buffer_end also puts its size before the contents. */
size_t aml_buffer(struct aml *aml);
void aml_buffer_end(struct aml *aml, size_t start);

/* Name (_CRS, ResourceTemplate () { ... }); descriptors go between. */
size_t aml_crs(struct aml *aml);
void aml_crs_end(struct aml *aml, size_t start);

void aml_crs_io(struct aml *aml, uint16_t port, uint8_t len);
/* A fixed range of memory at any address. */
void aml_crs_memory(struct aml *aml, uint64_t base, uint64_t len);
void aml_crs_interrupt(struct aml *aml, uint32_t gsi, bool level, bool shared);
/* What a bridge passes on. */
void aml_crs_bus_window(struct aml *aml, uint16_t first, uint16_t last);
void aml_crs_memory_window(struct aml *aml, uint64_t base, uint64_t len);

#endif
