/*
 * The host bridge with functions that only watch: how a guest finds, sizes and
 * moves things. Registers as in PCI 3.0, chapter 6.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/pci_host.h"
#include "tests/unit/quick_check.h"

#define ECAM	    0xe0000000ULL
#define WINDOW32    0xd0000000ULL
#define WINDOW32_SZ 0x100000ULL
#define WINDOW64    0x4000000000ULL
#define WINDOW64_SZ 0x100000000ULL
#define BAR_SIZE    0x8000ULL

#define ADDRESS 0xcf8
#define DATA	0xcfc

#define MEMORY_ON  PCI_COMMAND_MEMORY
#define MEMORY_OFF 0

struct probe {
	struct pci_function function;
	uint64_t moved_to;
	unsigned int moves;
	unsigned int read_offset;
	unsigned int written_offset;
	unsigned int written_len;
	uint64_t bar_offset;
	uint64_t bar_value;
};

static struct bus pio;
static struct bus mmio;
static struct pci_host host;
static struct probe probes[PCI_HOST_SLOTS];

static void on_read(struct pci_function *function, unsigned int offset,
		    unsigned int len)
{
	struct probe *probe = container_of(function, struct probe, function);

	probe->read_offset = offset;
	/* A register that is made up when it is read. */
	if (offset <= 0xf0 && 0xf0 < offset + len)
		function->config[0xf0] = 0x5a;
}

static void on_written(struct pci_function *function, unsigned int offset,
		       unsigned int len)
{
	struct probe *probe = container_of(function, struct probe, function);

	probe->written_offset = offset;
	probe->written_len = len;
}

static void on_moved(struct pci_function *function, unsigned int bar,
		     uint64_t addr)
{
	struct probe *probe = container_of(function, struct probe, function);

	ck_assert_uint_eq(bar, 0);
	probe->moved_to = addr;
	probe->moves++;
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned int len)
{
	struct probe *probe = opaque;

	probe->bar_offset = offset;
	return 0xcafe0000 | len;
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value,
		      unsigned int len)
{
	struct probe *probe = opaque;

	(void)len;
	probe->bar_offset = offset;
	probe->bar_value = value;
}

static const struct pci_function_ops function_ops = {
	.config_read = on_read,
	.config_written = on_written,
	.bar_moved = on_moved,
};

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

static struct pci_function *make(struct probe *probe, bool is_64bit)
{
	static const struct pci_identity identity = {
		.vendor = 0x1af4,
		.device = 0x1044,
		.subsystem_vendor = 0x1234,
		.subsystem = 0x5678,
		.revision = 1,
		.class_code = 0xff1234,
	};

	*probe = (struct probe){ 0 };
	pci_function_init(&probe->function, &identity);
	probe->function.ops = &function_ops;
	probe->function.name = "probe";
	probe->function.bars[0] = (struct pci_bar){
		.size = BAR_SIZE,
		.is_64bit = is_64bit,
		.ops = &bar_ops,
		.device = probe,
	};
	return &probe->function;
}

static void set_up(void)
{
	const struct pci_host_config config = {
		.pio = &pio,
		.mmio = &mmio,
		.ecam_base = ECAM,
		.mmio32 = { WINDOW32, WINDOW32_SZ },
		.mmio64 = { WINDOW64, WINDOW64_SZ },
	};

	bus_init(&pio);
	bus_init(&mmio);
	ck_assert_int_eq(pci_host_init(&host, &config, NULL), 0);
	ck_assert_int_eq(pci_host_add(&host, make(&probes[1], true), 0, NULL),
			 1);
	ck_assert_int_eq(pci_host_add(&host, make(&probes[2], false), 0, NULL),
			 2);
}

static void tear_down(void)
{
	pci_host_release(&host);
	ck_assert_uint_eq(pio.count, 0);
	ck_assert_uint_eq(mmio.count, 0);
	bus_release(&pio);
	bus_release(&mmio);
}

static uint64_t ecam(unsigned int slot, unsigned int offset)
{
	return ECAM + ((uint64_t)slot << 15) + offset;
}

static uint32_t cfg_in(unsigned int slot, unsigned int offset, unsigned int len)
{
	uint64_t value;

	ck_assert(bus_read(&mmio, ecam(slot, offset), len, &value));
	return (uint32_t)(value & (UINT64_MAX >> (64 - 8 * len)));
}

static void cfg_out(unsigned int slot, unsigned int offset, unsigned int len,
		    uint32_t value)
{
	ck_assert(bus_write(&mmio, ecam(slot, offset), value, len));
}

static uint32_t port_in(uint64_t port, unsigned int len)
{
	uint64_t value;

	ck_assert(bus_read(&pio, port, len, &value));
	return (uint32_t)(value & (UINT64_MAX >> (64 - 8 * len)));
}

static void port_out(uint64_t port, unsigned int len, uint32_t value)
{
	ck_assert(bus_write(&pio, port, value, len));
}

/* --- Finding what is there ----------------------------------------------- */

START_TEST(test_bridge)
{
	ck_assert_uint_ne(cfg_in(0, PCI_VENDOR_ID, 2), 0xffff);
	ck_assert_uint_eq(cfg_in(0, PCI_CLASS_DEVICE, 2), 0x0600);
	ck_assert_uint_eq(cfg_in(0, PCI_HEADER_TYPE, 1), 0);
	/* It has nothing to set. */
	cfg_out(0, PCI_COMMAND, 2, 0xffff);
	ck_assert_uint_eq(cfg_in(0, PCI_COMMAND, 2), 0);
}
END_TEST

START_TEST(test_enumeration)
{
	for (unsigned int slot = 0; slot < PCI_HOST_SLOTS; slot++) {
		uint32_t id = cfg_in(slot, PCI_VENDOR_ID, 4);

		if (slot == 1 || slot == 2)
			ck_assert_uint_eq(id, 0x10441af4);
		else if (slot)
			ck_assert_uint_eq(id, 0xffffffff);
		/* Functions 1 to 7 are not there. */
		ck_assert_uint_eq(cfg_in(slot, 0x1000, 4), 0xffffffff);
	}
	ck_assert_uint_eq(cfg_in(1, PCI_CLASS_PROG - 1, 4), 0xff123401);
	ck_assert_uint_eq(cfg_in(1, PCI_SUBSYSTEM_VENDOR, 4), 0x56781234);
	/* No extended capabilities, and writes there go nowhere. */
	cfg_out(1, 0x100, 4, 0x1234);
	ck_assert_uint_eq(cfg_in(1, 0x100, 4), 0);
	ck_assert_uint_eq(cfg_in(1, 0xffc, 4), 0);
}
END_TEST

START_TEST(test_ports)
{
	port_out(ADDRESS, 4, 0x80000800);
	ck_assert_uint_eq(port_in(ADDRESS, 4), 0x80000800);
	ck_assert_uint_eq(port_in(DATA, 4), 0x10441af4);
	ck_assert_uint_eq(port_in(DATA, 2), 0x1af4);
	ck_assert_uint_eq(port_in(DATA + 2, 2), 0x1044);
	ck_assert_uint_eq(port_in(DATA + 3, 1), 0x10);
	/* Not a double word: not CONFIG_ADDRESS. Linux looks for that. */
	port_out(ADDRESS + 3, 1, 0x01);
	port_out(ADDRESS, 2, 0x1234);
	ck_assert_uint_eq(port_in(ADDRESS, 4), 0x80000800);
	ck_assert_uint_eq(port_in(ADDRESS, 1), 0xff);
	/* Another register, through a write of two bytes. */
	port_out(ADDRESS, 4, 0x80000804);
	port_out(DATA, 2, MEMORY_ON);
	ck_assert_uint_eq(cfg_in(1, PCI_COMMAND, 2), MEMORY_ON);
	/* Off, another bus, another function, an empty slot. */
	port_out(ADDRESS, 4, 0x00000800);
	ck_assert_uint_eq(port_in(DATA, 4), 0xffffffff);
	port_out(ADDRESS, 4, 0x80010800);
	ck_assert_uint_eq(port_in(DATA, 4), 0xffffffff);
	port_out(ADDRESS, 4, 0x80000900);
	ck_assert_uint_eq(port_in(DATA, 4), 0xffffffff);
	port_out(ADDRESS, 4, 0x80001800);
	ck_assert_uint_eq(port_in(DATA, 4), 0xffffffff);
	/* Reserved bits read as 0. */
	port_out(ADDRESS, 4, 0xffffffff);
	ck_assert_uint_eq(port_in(ADDRESS, 4), 0x80fffffc);
}
END_TEST

START_TEST(test_odd_accesses)
{
	uint64_t value;

	ck_assert(bus_read(&mmio, ecam(1, 0), 8, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(bus_read(&mmio, ecam(1, 1), 4, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(bus_read(&mmio, ecam(1, 3), 2, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(bus_write(&mmio, ecam(1, PCI_COMMAND), 0xff, 8));
	ck_assert(bus_write(&mmio, ecam(1, PCI_COMMAND + 1), 0xff, 2));
	ck_assert_uint_eq(cfg_in(1, PCI_COMMAND, 2), 0);
	port_out(ADDRESS, 4, 0x80000804);
	ck_assert_uint_eq(port_in(DATA + 1, 2), 0xffff);
	port_out(DATA + 1, 2, 0xffff);
	ck_assert_uint_eq(cfg_in(1, PCI_COMMAND, 2), 0);
}
END_TEST

START_TEST(test_what_may_be_written)
{
	for (unsigned int offset = 0; offset < PCI_CONFIG_BYTES; offset += 4) {
		uint32_t before = cfg_in(1, offset, 4);
		uint32_t expected = before;

		cfg_out(1, offset, 4, 0xffffffff);
		if (offset == PCI_COMMAND)
			expected |= 0x0406;
		else if (offset == PCI_BAR0)
			expected = 0xffff8004;
		else if (offset == PCI_BAR0 + 4)
			expected = 0xffffffff;
		else if (offset == PCI_INTERRUPT_LINE)
			expected |= 0xff;
		ck_assert_uint_eq(cfg_in(1, offset, 4), expected);
	}
}
END_TEST

START_TEST(test_hooks)
{
	cfg_in(1, 0x44, 2);
	ck_assert_uint_eq(probes[1].read_offset, 0x44);
	ck_assert_uint_eq(cfg_in(1, 0xf0, 1), 0x5a);
	cfg_out(1, 0x46, 2, 1);
	ck_assert_uint_eq(probes[1].written_offset, 0x46);
	ck_assert_uint_eq(probes[1].written_len, 2);
	ck_assert_uint_eq(probes[2].written_len, 0);
}
END_TEST

START_TEST(test_capabilities)
{
	struct probe *probe = &probes[3];
	uint8_t first[5] = { 0, 0, 1, 2, 3 };
	uint8_t second[4] = { 0, 0, 4, 5 };

	make(probe, true);
	ck_assert_uint_eq(pci_add_capability(&probe->function, 9, first, 5),
			  0x40);
	ck_assert_uint_eq(pci_add_capability(&probe->function, 0x11, second, 4),
			  0x48);
	ck_assert_int_eq(pci_host_add(&host, &probe->function, 7, NULL), 7);
	ck_assert_uint_eq(cfg_in(7, PCI_STATUS, 2), PCI_STATUS_CAPABILITIES);
	ck_assert_uint_eq(cfg_in(7, PCI_CAPABILITIES, 1), 0x40);
	ck_assert_uint_eq(cfg_in(7, 0x40, 4), 0x02014809);
	ck_assert_uint_eq(cfg_in(7, 0x48, 4), 0x05040011);
}
END_TEST

/* --- BARs ---------------------------------------------------------------- */

static uint64_t bar_addr(unsigned int slot)
{
	uint64_t addr = cfg_in(slot, PCI_BAR0, 4) & ~0xfU;

	if (probes[slot].function.bars[0].is_64bit)
		addr |= (uint64_t)cfg_in(slot, PCI_BAR0 + 4, 4) << 32;
	return addr;
}

static bool answers(unsigned int slot, uint64_t addr)
{
	uint64_t value;

	probes[slot].bar_offset = UINT64_MAX;
	return bus_read(&mmio, addr + 0x10, 4, &value) &&
	       probes[slot].bar_offset == 0x10 && value == 0xcafe0004;
}

START_TEST(test_first_addresses)
{
	uint64_t one = bar_addr(1);
	uint64_t two = bar_addr(2);

	ck_assert_uint_eq(cfg_in(1, PCI_BAR0, 4) & 0xf, 4);
	ck_assert_uint_eq(cfg_in(2, PCI_BAR0, 4) & 0xf, 0);
	ck_assert_uint_eq(one, WINDOW32);
	ck_assert_uint_eq(two, WINDOW32 + BAR_SIZE);
	ck_assert(!answers(1, one));
	cfg_out(1, PCI_COMMAND, 2, MEMORY_ON);
	ck_assert(answers(1, one));
	ck_assert_uint_eq(probes[1].moved_to, one);
	ck_assert(!answers(2, two));
	bus_write(&mmio, one + 0x7ffc, 77, 4);
	ck_assert_uint_eq(probes[1].bar_offset, 0x7ffc);
	ck_assert_uint_eq(probes[1].bar_value, 77);
	cfg_out(1, PCI_COMMAND, 2, MEMORY_OFF);
	ck_assert(!answers(1, one));
	ck_assert_uint_eq(probes[1].moved_to, 0);
	ck_assert_uint_eq(probes[1].moves, 2);
	/* Nothing changed: nobody is told. */
	cfg_out(1, PCI_COMMAND, 2, MEMORY_OFF);
	ck_assert_uint_eq(probes[1].moves, 2);
}
END_TEST

START_TEST(test_sizing)
{
	uint64_t addr = bar_addr(1);

	cfg_out(1, PCI_COMMAND, 2, MEMORY_ON);
	cfg_out(1, PCI_BAR0, 4, 0xffffffff);
	ck_assert_uint_eq(cfg_in(1, PCI_BAR0, 4), 0xffff8004);
	cfg_out(1, PCI_BAR0 + 4, 4, 0xffffffff);
	ck_assert_uint_eq(cfg_in(1, PCI_BAR0 + 4, 4), 0xffffffff);
	ck_assert(!answers(1, addr));
	ck_assert_uint_eq(probes[1].moved_to, 0);
	cfg_out(1, PCI_BAR0, 4, (uint32_t)addr);
	cfg_out(1, PCI_BAR0 + 4, 4, 0);
	ck_assert(answers(1, addr));
	/* A BAR that is not there. */
	cfg_out(1, PCI_BAR0 + 8, 4, 0xffffffff);
	ck_assert_uint_eq(cfg_in(1, PCI_BAR0 + 8, 4), 0);
}
END_TEST

START_TEST(test_moves)
{
	uint64_t addr = bar_addr(1);

	cfg_out(1, PCI_COMMAND, 2, MEMORY_ON);
	cfg_out(1, PCI_BAR0, 4, WINDOW32 + 0x40000);
	ck_assert(!answers(1, addr));
	ck_assert(answers(1, WINDOW32 + 0x40000));
	ck_assert_uint_eq(probes[1].moved_to, WINDOW32 + 0x40000);
	/* Above 4 GiB, in halves. */
	cfg_out(1, PCI_BAR0, 4, 0x8000);
	ck_assert_uint_eq(probes[1].moved_to, 0);
	cfg_out(1, PCI_BAR0 + 4, 4, WINDOW64 >> 32);
	ck_assert(answers(1, WINDOW64 + 0x8000));
	ck_assert_uint_eq(bar_addr(1), WINDOW64 + 0x8000);
	/* Byte by byte. */
	cfg_out(1, PCI_BAR0 + 2, 1, 0x12);
	ck_assert(answers(1, WINDOW64 + 0x128000));
	/* Low bits are not there to be set. */
	cfg_out(1, PCI_BAR0, 4, 0x7fff);
	ck_assert_uint_eq(cfg_in(1, PCI_BAR0, 4), 4);
	ck_assert(answers(1, WINDOW64));
}
END_TEST

/* Outside the windows nothing is decoded: not over RAM, ECAM, or an edge. */
START_TEST(test_moves_outside)
{
	const uint64_t places[] = {
		0,
		0x100000,
		ECAM,
		0xfec00000,
		WINDOW32 - BAR_SIZE,
		WINDOW32 + WINDOW32_SZ,
		WINDOW64 + WINDOW64_SZ,
		WINDOW64 - BAR_SIZE,
		0xffffffffffff8000,
	};

	cfg_out(1, PCI_COMMAND, 2, MEMORY_ON);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		cfg_out(1, PCI_BAR0, 4, (uint32_t)places[i]);
		cfg_out(1, PCI_BAR0 + 4, 4, (uint32_t)(places[i] >> 32));
		ck_assert_uint_eq(bar_addr(1), places[i]);
		ck_assert_uint_eq(probes[1].moved_to, 0);
		ck_assert(!answers(1, places[i]));
	}
	cfg_out(1, PCI_BAR0, 4, WINDOW32 + WINDOW32_SZ - BAR_SIZE);
	cfg_out(1, PCI_BAR0 + 4, 4, 0);
	ck_assert(answers(1, WINDOW32 + WINDOW32_SZ - BAR_SIZE));
}
END_TEST

/* The second to come does not answer, and may go elsewhere. */
START_TEST(test_moves_onto_another)
{
	uint64_t two = bar_addr(2);

	cfg_out(1, PCI_COMMAND, 2, MEMORY_ON);
	cfg_out(2, PCI_COMMAND, 2, MEMORY_ON);
	cfg_out(1, PCI_BAR0, 4, (uint32_t)two);
	ck_assert(answers(2, two));
	ck_assert_uint_eq(probes[1].moved_to, 0);
	cfg_out(1, PCI_BAR0, 4, WINDOW32);
	ck_assert(answers(1, WINDOW32));
	ck_assert(answers(2, two));
	/* Or wait until the first has gone. */
	cfg_out(1, PCI_BAR0, 4, (uint32_t)two);
	cfg_out(2, PCI_BAR0, 4, WINDOW32);
	ck_assert(answers(1, two));
	ck_assert(answers(2, WINDOW32));
}
END_TEST

/* --- Plugging in --------------------------------------------------------- */

START_TEST(test_slots)
{
	struct err err = { 0 };

	ck_assert_int_eq(pci_host_add(&host, make(&probes[3], true), 2, &err),
			 -EEXIST);
	ck_assert_int_eq(pci_host_add(&host, make(&probes[3], true), 32, &err),
			 -ENOSPC);
	for (int slot = 3; slot < PCI_HOST_SLOTS; slot++)
		ck_assert_int_eq(pci_host_add(&host, make(&probes[slot], true),
					      0, NULL),
				 slot);
	ck_assert_int_eq(pci_host_add(&host, make(&probes[0], true), 0, &err),
			 -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "leave out a device"));
	/* All at once, next to each other. */
	for (unsigned int slot = 1; slot < PCI_HOST_SLOTS; slot++)
		cfg_out(slot, PCI_COMMAND, 2, MEMORY_ON);
	for (unsigned int slot = 1; slot < PCI_HOST_SLOTS; slot++)
		ck_assert(answers(slot, WINDOW32 + (slot - 1) * BAR_SIZE));
}
END_TEST

START_TEST(test_no_room_for_a_bar)
{
	struct err err = { 0 };

	make(&probes[3], true);
	probes[3].function.bars[0].size = WINDOW32_SZ;
	ck_assert_int_eq(pci_host_add(&host, &probes[3].function, 0, &err),
			 -ENOSPC);
	ck_assert_int_eq(err.code, ENOSPC);
	ck_assert_ptr_null(host.slots[3]);
}
END_TEST

START_TEST(test_claims)
{
	const struct pci_host_config config = {
		.pio = &pio,
		.mmio = &mmio,
		.ecam_base = ECAM,
		.mmio32 = { WINDOW32, WINDOW32_SZ },
	};
	struct pci_host second;
	struct err err = { 0 };
	struct bus other;

	ck_assert_int_eq(pci_host_init(&second, &config, &err), -EEXIST);
	pci_host_release(&second);
	/* The window is taken: the ports are given back. */
	bus_init(&other);
	ck_assert_int_eq(pci_host_init(&second,
				       &(struct pci_host_config){
					       .pio = &other,
					       .mmio = &mmio,
					       .ecam_base = ECAM,
				       },
				       &err),
			 -EEXIST);
	ck_assert_uint_eq(other.count, 0);
	pci_host_release(&second);
	bus_release(&other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices/pci_host");
	TCase *tcase = tcase_create("pci_host");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_bridge);
	tcase_add_test(tcase, test_enumeration);
	tcase_add_test(tcase, test_ports);
	tcase_add_test(tcase, test_odd_accesses);
	tcase_add_test(tcase, test_what_may_be_written);
	tcase_add_test(tcase, test_hooks);
	tcase_add_test(tcase, test_capabilities);
	tcase_add_test(tcase, test_first_addresses);
	tcase_add_test(tcase, test_sizing);
	tcase_add_test(tcase, test_moves);
	tcase_add_test(tcase, test_moves_outside);
	tcase_add_test(tcase, test_moves_onto_another);
	tcase_add_test(tcase, test_slots);
	tcase_add_test(tcase, test_no_room_for_a_bar);
	tcase_add_test(tcase, test_claims);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
