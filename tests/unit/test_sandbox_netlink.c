/* Netlink messages on their way out and in; what the kernel makes of them is in
 * tests/integration/container-net.sh. */
#include <errno.h>
#include <string.h>

#include "sandbox/netlink.h"
#include "tests/unit/quick_check.h"

#define PAYLOAD 4

static const uint32_t header = 0x01020304;

START_TEST(test_nests)
{
	_Alignas(NLMSG_ALIGNTO) char buf[256];
	const struct nlmsghdr *message = (const void *)buf;
	const struct nlattr *nest;
	const struct nlattr *inner;
	struct netlink_out out;
	size_t at;

	netlink_out_init(&out, buf, sizeof(buf));
	netlink_begin(&out, 20, NLM_F_CREATE, &header, sizeof(header));
	netlink_put_u8(&out, 1, 7);
	at = netlink_nest(&out, 2);
	netlink_put_string(&out, 3, "abcd");
	netlink_put_u16(&out, 4, 0x1234);
	netlink_nest_end(&out, at);
	netlink_put_u32(&out, 5, 9);
	ck_assert(!out.full);
	ck_assert_uint_eq(out.count, 1);
	ck_assert_uint_eq(message->nlmsg_type, 20);
	ck_assert_uint_eq(message->nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE);
	ck_assert_uint_eq(message->nlmsg_len, 16 + 4 + 8 + 4 + 12 + 8 + 8);
	ck_assert_uint_eq(out.len, message->nlmsg_len);
	ck_assert_ptr_null(netlink_find(message, PAYLOAD, 3));
	nest = netlink_find(message, PAYLOAD, 2);
	ck_assert_ptr_nonnull(nest);
	inner = netlink_find_in(nest, 3);
	ck_assert_ptr_nonnull(inner);
	ck_assert_uint_eq(netlink_size(inner), 5);
	ck_assert_str_eq(netlink_data(inner), "abcd");
	ck_assert_ptr_nonnull(netlink_find_in(nest, 4));
	ck_assert_ptr_null(netlink_find_in(nest, 5));
	ck_assert_ptr_nonnull(netlink_find(message, PAYLOAD, 5));
}
END_TEST

/* Without room nothing is written, wherever it ends, and nothing is sent. */
START_TEST(test_no_room)
{
	for (size_t size = 0; size < 64; size += 4) {
		char *buf = malloc(size ? size : 1);
		struct netlink netlink = { .fd = -1 };
		struct netlink_out out;
		struct err err;
		size_t at;

		netlink_out_init(&out, buf, size);
		netlink_begin(&out, 1, 0, &header, sizeof(header));
		at = netlink_nest(&out, 1);
		netlink_put_raw(&out, "12345678", 8);
		netlink_put_string(&out, 2, "0123456789012345678901234567");
		netlink_nest_end(&out, at);
		ck_assert(out.full);
		ck_assert_uint_le(out.len, size);
		ck_assert_int_eq(netlink_request(&netlink, &out, NULL, NULL,
						 &err),
				 -EMSGSIZE);
		free(buf);
	}
}
END_TEST

/* Lengths that lie lead nowhere outside of the message. */
START_TEST(test_wrong_lengths)
{
	struct {
		struct nlmsghdr message;
		uint32_t payload;
		struct nlattr first;
		uint32_t value;
		struct nlattr second;
	} m = {
		.message = { .nlmsg_len = sizeof(m) },
		.first = { .nla_len = 8, .nla_type = 1 },
		.second = { .nla_len = 4, .nla_type = 2 },
	};

	ck_assert_ptr_eq(netlink_find(&m.message, PAYLOAD, 2), &m.second);
	m.second.nla_len = 5;
	ck_assert_ptr_null(netlink_find(&m.message, PAYLOAD, 2));
	m.second.nla_len = 4;
	m.first.nla_len = 3;
	ck_assert_ptr_null(netlink_find(&m.message, PAYLOAD, 2));
	m.first.nla_len = 13;
	ck_assert_ptr_null(netlink_find(&m.message, PAYLOAD, 1));
	m.first.nla_len = 8;
	m.message.nlmsg_len = sizeof(m) - 1;
	ck_assert_ptr_null(netlink_find(&m.message, PAYLOAD, 2));
	m.message.nlmsg_len = 17;
	ck_assert_ptr_null(netlink_find(&m.message, PAYLOAD, 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sandbox/netlink");
	TCase *tests = tcase_create("netlink");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, test_nests);
	tcase_add_test(tests, test_no_room);
	tcase_add_test(tests, test_wrong_lengths);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
