#include "boot/aml.h"

#include <string.h>

#define BYTE_PREFIX   0x0a
#define WORD_PREFIX   0x0b
#define DWORD_PREFIX  0x0c
#define STRING_PREFIX 0x0d
#define QWORD_PREFIX  0x0e
#define NAME	      0x08
#define SCOPE	      0x10
#define BUFFER	      0x11
#define PACKAGE	      0x12
#define METHOD	      0x14
#define EXT_PREFIX    0x5b
#define EXT_REGION    0x80
#define EXT_FIELD     0x81
#define EXT_DEVICE    0x82
#define IF	      0xa0
#define ELSE	      0xa1

#define METHOD_SERIALIZED 0x08
#define SPACE_SYSTEM_IO	  0x01
/* ByteAcc; a write sets the bits of the byte that no field has to 0. */
#define FIELD_BYTE_ACCESS 0x41

/* ACPI 6.4, 6.4.2 and 6.4.3: tags with the length of small ones inside. */
#define TAG_IO		0x47
#define TAG_END		0x79
#define TAG_MEMORY32	0x86
#define TAG_DWORD_SPACE 0x87
#define TAG_WORD_SPACE	0x88
#define TAG_INTERRUPT	0x89
#define TAG_QWORD_SPACE 0x8a

#define SPACE_MEMORY	    0
#define SPACE_BUS	    2
#define SPACE_MIN_MAX_FIXED 0x0c
#define MEMORY_READ_WRITE   0x01

#define INTERRUPT_CONSUMER 0x01
#define INTERRUPT_EDGE	   0x02
#define INTERRUPT_SHARED   0x08

/* --- Terms -------------------------------------------------------------- */

void aml_bytes(struct aml *aml, const void *from, size_t len)
{
	if (aml->overflow || len > aml->size - aml->len) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->buffer + aml->len, from, len);
	aml->len += len;
}

void aml_byte(struct aml *aml, uint8_t value)
{
	aml_bytes(aml, &value, 1);
}

static void put_le(struct aml *aml, uint64_t value, unsigned int len)
{
	uint8_t bytes[8];

	for (unsigned int i = 0; i < len; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	aml_bytes(aml, bytes, len);
}

void aml_segment(struct aml *aml, const char *segment)
{
	aml_bytes(aml, segment, 4);
}

void aml_integer(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		aml_byte(aml, (uint8_t)value); /* ZeroOp, OneOp */
	} else if (value <= UINT8_MAX) {
		aml_byte(aml, BYTE_PREFIX);
		put_le(aml, value, 1);
	} else if (value <= UINT16_MAX) {
		aml_byte(aml, WORD_PREFIX);
		put_le(aml, value, 2);
	} else if (value <= UINT32_MAX) {
		aml_byte(aml, DWORD_PREFIX);
		put_le(aml, value, 4);
	} else {
		aml_byte(aml, QWORD_PREFIX);
		put_le(aml, value, 8);
	}
}

void aml_string(struct aml *aml, const char *text)
{
	aml_byte(aml, STRING_PREFIX);
	aml_bytes(aml, text, strlen(text) + 1);
}

void aml_name(struct aml *aml, const char *segment)
{
	aml_byte(aml, NAME);
	aml_segment(aml, segment);
}

void aml_name_integer(struct aml *aml, const char *segment, uint64_t value)
{
	aml_name(aml, segment);
	aml_integer(aml, value);
}

void aml_name_string(struct aml *aml, const char *segment, const char *text)
{
	aml_name(aml, segment);
	aml_string(aml, text);
}

static uint32_t hex_digit(char digit)
{
	return digit <= '9' ? (uint32_t)(digit - '0') :
			      (uint32_t)(digit - 'A' + 10);
}

void aml_name_eisa_id(struct aml *aml, const char *segment, const char *id)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - '@');
	for (unsigned int i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	aml_name(aml, segment);
	/* Always a DWord, most significant byte first. */
	aml_byte(aml, DWORD_PREFIX);
	put_le(aml, __builtin_bswap32(value), 4);
}

/* --- Blocks ------------------------------------------------------------- */

/* Opens a gap of @len bytes at @at and fills it. */
static void insert(struct aml *aml, size_t at, const uint8_t *from, size_t len)
{
	if (aml->overflow || len > aml->size - aml->len) {
		aml->overflow = true;
		return;
	}
	memmove(aml->buffer + at + len, aml->buffer + at, aml->len - at);
	memcpy(aml->buffer + at, from, len);
	aml->len += len;
}

/* PkgLength, ACPI 6.4, 20.2.4; it counts its own bytes. */
static void insert_length(struct aml *aml, size_t at)
{
	size_t len = aml->len - at;
	uint8_t bytes[4];
	unsigned int more;

	if (len + 1 < 1 << 6) {
		bytes[0] = (uint8_t)(len + 1);
		insert(aml, at, bytes, 1);
		return;
	}
	more = len + 2 < 1 << 12 ? 1 : len + 3 < 1 << 20 ? 2 : 3;
	len += 1 + more;
	bytes[0] = (uint8_t)(more << 6 | (len & 0xf));
	for (unsigned int i = 0; i < more; i++)
		bytes[1 + i] = (uint8_t)(len >> (4 + 8 * i));
	insert(aml, at, bytes, 1 + more);
}

void aml_block_end(struct aml *aml, size_t start)
{
	insert_length(aml, start);
}

size_t aml_scope(struct aml *aml, const char *segment)
{
	size_t start;

	aml_byte(aml, SCOPE);
	start = aml->len;
	aml_segment(aml, segment);
	return start;
}

size_t aml_device(struct aml *aml, const char *segment)
{
	size_t start;

	aml_byte(aml, EXT_PREFIX);
	aml_byte(aml, EXT_DEVICE);
	start = aml->len;
	aml_segment(aml, segment);
	return start;
}

size_t aml_method(struct aml *aml, const char *segment, unsigned int args,
		  bool serialized)
{
	size_t start;

	aml_byte(aml, METHOD);
	start = aml->len;
	aml_segment(aml, segment);
	aml_byte(aml, (uint8_t)(args | (serialized ? METHOD_SERIALIZED : 0)));
	return start;
}

size_t aml_package(struct aml *aml, uint8_t count)
{
	size_t start;

	aml_byte(aml, PACKAGE);
	start = aml->len;
	aml_byte(aml, count);
	return start;
}

size_t aml_if(struct aml *aml)
{
	aml_byte(aml, IF);
	return aml->len;
}

size_t aml_else(struct aml *aml)
{
	aml_byte(aml, ELSE);
	return aml->len;
}

void aml_region_io(struct aml *aml, const char *segment, uint16_t port,
		   uint8_t len)
{
	aml_byte(aml, EXT_PREFIX);
	aml_byte(aml, EXT_REGION);
	aml_segment(aml, segment);
	aml_byte(aml, SPACE_SYSTEM_IO);
	aml_integer(aml, port);
	aml_integer(aml, len);
}

void aml_field_byte(struct aml *aml, const char *region, const char *segment)
{
	size_t start;

	aml_byte(aml, EXT_PREFIX);
	aml_byte(aml, EXT_FIELD);
	start = aml->len;
	aml_segment(aml, region);
	aml_byte(aml, FIELD_BYTE_ACCESS);
	aml_segment(aml, segment);
	aml_byte(aml, 8); /* bits, as a PkgLength */
	aml_block_end(aml, start);
}

size_t aml_buffer(struct aml *aml)
{
	aml_byte(aml, BUFFER);
	return aml->len;
}

void aml_buffer_end(struct aml *aml, size_t start)
{
	size_t len = aml->len - start;
	uint8_t bytes[3] = {
		len <= UINT8_MAX ? BYTE_PREFIX : WORD_PREFIX,
		(uint8_t)len,
		(uint8_t)(len >> 8),
	};

	insert(aml, start, bytes, len <= UINT8_MAX ? 2 : 3);
	aml_block_end(aml, start);
}

/* --- Resources ---------------------------------------------------------- */

size_t aml_crs(struct aml *aml)
{
	aml_name(aml, "_CRS");
	return aml_buffer(aml);
}

void aml_crs_end(struct aml *aml, size_t start)
{
	aml_byte(aml, TAG_END);
	aml_byte(aml, 0); /* no checksum, ACPI 6.4, 6.4.2.9 */
	aml_buffer_end(aml, start);
}

void aml_crs_io(struct aml *aml, uint16_t port, uint8_t len)
{
	aml_byte(aml, TAG_IO);
	aml_byte(aml, 1); /* decodes all 16 bits */
	put_le(aml, port, 2);
	put_le(aml, port, 2);
	aml_byte(aml, 1); /* alignment */
	aml_byte(aml, len);
}

/*
 * An address space descriptor, ACPI 6.4, 6.4.3.5.1 to .3, with fields of @width
 * bytes, not translated. @consumer: used by the device, not passed on by it.
 */
static void put_space(struct aml *aml, unsigned int width, uint8_t kind,
		      bool consumer, uint64_t first, uint64_t last)
{
	uint8_t tag = width == 2 ? TAG_WORD_SPACE :
		      width == 4 ? TAG_DWORD_SPACE :
				   TAG_QWORD_SPACE;

	aml_byte(aml, tag);
	put_le(aml, 3 + 5 * width, 2);
	aml_byte(aml, kind);
	aml_byte(aml, (uint8_t)(SPACE_MIN_MAX_FIXED | (consumer ? 1 : 0)));
	aml_byte(aml, kind == SPACE_MEMORY ? MEMORY_READ_WRITE : 0);
	put_le(aml, 0, width); /* granularity */
	put_le(aml, first, width);
	put_le(aml, last, width);
	put_le(aml, 0, width); /* translation offset */
	put_le(aml, last - first + 1, width);
}

void aml_crs_memory(struct aml *aml, uint64_t base, uint64_t len)
{
	if (base + len - 1 > UINT32_MAX) {
		put_space(aml, 8, SPACE_MEMORY, true, base, base + len - 1);
		return;
	}
	aml_byte(aml, TAG_MEMORY32);
	put_le(aml, 9, 2);
	aml_byte(aml, MEMORY_READ_WRITE);
	put_le(aml, base, 4);
	put_le(aml, len, 4);
}

void aml_crs_interrupt(struct aml *aml, uint32_t gsi, bool level, bool shared)
{
	uint8_t flags = INTERRUPT_CONSUMER;

	if (!level)
		flags |= INTERRUPT_EDGE;
	if (shared)
		flags |= INTERRUPT_SHARED;
	aml_byte(aml, TAG_INTERRUPT);
	put_le(aml, 6, 2);
	aml_byte(aml, flags);
	aml_byte(aml, 1); /* interrupts in the list */
	put_le(aml, gsi, 4);
}

void aml_crs_bus_window(struct aml *aml, uint16_t first, uint16_t last)
{
	put_space(aml, 2, SPACE_BUS, false, first, last);
}

void aml_crs_memory_window(struct aml *aml, uint64_t base, uint64_t len)
{
	uint64_t last = base + len - 1;

	put_space(aml, last > UINT32_MAX ? 8 : 4, SPACE_MEMORY, false, base,
		  last);
}
