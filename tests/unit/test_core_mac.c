/* MAC addresses: what users may write, and those made up. */
#include <string.h>

#include "core/mac.h"
#include "tests/unit/quick_check.h"

START_TEST(test_good)
{
	static const uint8_t want[MAC_BYTES] = { 0x02, 0xaB, 0, 0xff, 9, 0x10 };
	static const char *const texts[] = { "02:ab:00:ff:09:10",
					     "02:AB:00:fF:09:10",
					     "02-ab-00-ff-09-10" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		uint8_t mac[MAC_BYTES] = { 0 };

		ck_assert_int_eq(mac_parse(texts[i], mac, NULL), 0);
		ck_assert_mem_eq(mac, want, MAC_BYTES);
	}
}
END_TEST

START_TEST(test_bad)
{
	static const char *const texts[] = {
		"",
		"0",
		"02",
		"02:",
		"02:00:00:00:00",
		"02:00:00:00:00:",
		"02:00:00:00:00:0",
		"02:00:00:00:00:1g",
		"02:00:00:00:00:01 ",
		"02:00:00:00:00:01:02",
		"2:0:0:0:0:1",
		"02:00-00:00:00:01",
		"020000000001",
		"02.00.00.00.00.01",
		"01:00:5e:00:00:01",
		"33:33:00:00:00:01",
		"ff:ff:ff:ff:ff:ff",
		"00:00:00:00:00:00",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		uint8_t mac[MAC_BYTES] = { 7 };
		struct err err = { 0 };

		ck_assert_int_eq(mac_parse(texts[i], mac, &err), -22);
		ck_assert_uint_eq(mac[0], 7);
		ck_assert_ptr_nonnull(strstr(err.msg, texts[i]));
	}
}
END_TEST

START_TEST(test_default)
{
	static const char *const names[] = { "", "a", "b", "vm1", "vm2", "vm" };
	uint8_t macs[ARRAY_SIZE(names)][3][MAC_BYTES];
	uint8_t again[MAC_BYTES];

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		for (unsigned int n = 0; n < 3; n++) {
			mac_default(names[i], n, macs[i][n]);
			ck_assert_uint_eq(macs[i][n][0] & 3, 2);
			mac_default(names[i], n, again);
			ck_assert_mem_eq(again, macs[i][n], MAC_BYTES);
		}
	}
	for (unsigned int i = 0; i < 3 * ARRAY_SIZE(names); i++) {
		for (unsigned int k = 0; k < i; k++)
			ck_assert_mem_ne(macs[i / 3][i % 3], macs[k / 3][k % 3],
					 MAC_BYTES);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core/mac");
	TCase *tcase = tcase_create("mac");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_good);
	tcase_add_test(tcase, test_bad);
	tcase_add_test(tcase, test_default);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
