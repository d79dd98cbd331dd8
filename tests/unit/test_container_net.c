/* What --net, --publish and their like become; what they refuse is in
 * tests/integration/container-net.sh. */
#include <linux/if_link.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "container/net_plan.h"
#include "tests/unit/quick_check.h"

static struct net_plan *read_plan(const char *text, struct err *err)
{
	json_t *tree = json_loads(text, 0, NULL);
	struct net_plan *plan = NULL;

	ck_assert_ptr_nonnull(tree);
	err->code = 0;
	net_plan_read(tree, &plan, err);
	json_decref(tree);
	return plan;
}

START_TEST(test_interfaces)
{
	struct err err;
	struct net_plan *plan = read_plan(
		"{\"hull-ct.net\":\" bridge=br0,vlan=4094,ip=10.0.0.2/24,"
		"ip=fd00::2/64,gateway=10.0.0.1,gateway=fe80::1,"
		"route=10.1.0.0/16@10.0.0.9,mac=02:00:00:00:00:01,mtu=9000 "
		" macvlan=wire,mode=vepa,name=eth0 ipvlan=wire,mode=l3 "
		"move=card\"}",
		&err);
	const struct net_interface *it;
	char text[NET_ADDRESS_TEXT];

	ck_assert_msg(plan, "%s", err.msg);
	ck_assert(plan->asked && !plan->host && !plan->user && !plan->none);
	ck_assert_uint_eq(plan->interface_count, 4);
	it = plan->interfaces;
	ck_assert_int_eq(it[0].kind, NET_BRIDGE);
	ck_assert_str_eq(it[0].device, "br0");
	/* The second one is called eth0. */
	ck_assert_str_eq(it[0].name, "eth1");
	ck_assert_uint_eq(it[0].vlan, 4094);
	ck_assert_uint_eq(it[0].mtu, 9000);
	ck_assert(it[0].has_mac && it[0].mac[0] == 2 && it[0].mac[5] == 1);
	ck_assert_uint_eq(it[0].address_count, 2);
	ck_assert_str_eq(net_address_text(&it[0].addresses[0], text),
			 "10.0.0.2");
	ck_assert_uint_eq(it[0].addresses[0].prefix, 24);
	ck_assert_str_eq(net_address_text(&it[0].addresses[1], text),
			 "fd00::2");
	ck_assert_uint_eq(it[0].route_count, 3);
	ck_assert_uint_eq(it[0].routes[0].to.prefix, 0);
	ck_assert_int_eq(it[0].routes[1].to.family, AF_INET6);
	ck_assert_uint_eq(it[0].routes[2].to.prefix, 16);
	ck_assert_str_eq(net_address_text(&it[0].routes[2].gateway, text),
			 "10.0.0.9");
	ck_assert_int_eq(it[1].kind, NET_MACVLAN);
	ck_assert_uint_eq(it[1].mode, MACVLAN_MODE_VEPA);
	ck_assert_str_eq(it[1].name, "eth0");
	ck_assert_int_eq(it[2].kind, NET_IPVLAN);
	ck_assert_uint_eq(it[2].mode, IPVLAN_MODE_L3);
	ck_assert_str_eq(it[2].name, "eth2");
	ck_assert_int_eq(it[3].kind, NET_MOVE);
	ck_assert_str_eq(it[3].name, "card");
	free(plan);
}
END_TEST

START_TEST(test_ports_and_names)
{
	struct err err;
	struct net_plan *plan = read_plan(
		"{\"hull-ct.net\":\"bridge=b,ip=10.0.0.2/31,ip=fd00::2/64\","
		"\"hull-ct.publish\":\"1:65535 192.0.2.1:53:5353/udp "
		"[2001:db8::1]:80:8080/tcp 192.0.2.2:53:5353/udp\","
		"\"hull-ct.dns\":\"192.0.2.53 2001:db8::53\","
		"\"hull-ct.dns-search\":\"a.example b.example\","
		"\"hull-ct.host\":\"db:2001:db8::7\"}",
		&err);
	const struct net_port *port;
	char text[NET_ADDRESS_TEXT];

	ck_assert_msg(plan, "%s", err.msg);
	ck_assert_uint_eq(plan->port_count, 4);
	port = plan->ports;
	ck_assert_int_eq(port[0].host.family, 0);
	ck_assert_uint_eq(port[0].host_port, 1);
	ck_assert_uint_eq(port[0].port, 65535);
	ck_assert_uint_eq(port[0].protocol, IPPROTO_TCP);
	ck_assert_int_eq(port[1].host.family, AF_INET);
	ck_assert_uint_eq(port[1].protocol, IPPROTO_UDP);
	ck_assert_int_eq(port[2].host.family, AF_INET6);
	ck_assert_uint_eq(port[2].host_port, 80);
	ck_assert_uint_eq(port[2].port, 8080);
	ck_assert_uint_eq(plan->server_count, 2);
	ck_assert_uint_eq(plan->domain_count, 2);
	ck_assert_str_eq(plan->domains[1], "b.example");
	ck_assert_uint_eq(plan->host_count, 1);
	ck_assert_str_eq(plan->hosts[0].name, "db");
	ck_assert_str_eq(net_address_text(&plan->hosts[0].address, text),
			 "2001:db8::7");
	ck_assert_ptr_eq(net_plan_target(plan, AF_INET),
			 &plan->interfaces[0].addresses[0]);
	ck_assert_ptr_eq(net_plan_target(plan, AF_INET6),
			 &plan->interfaces[0].addresses[1]);
	free(plan);
}
END_TEST

START_TEST(test_nothing_asked)
{
	struct err err;

	ck_assert_ptr_null(read_plan("{}", &err));
	ck_assert_int_eq(err.code, 0);
	ck_assert_ptr_null(
		read_plan("{\"hull-ct.net\":\"\",\"x\":\"y\"}", &err));
	ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(test_networks)
{
	static const struct {
		const char *address;
		const char *network;
		bool inside;
	} cases[] = {
		{ "10.0.0.1", "10.0.0.200/24", true },
		{ "10.0.1.1", "10.0.0.200/24", false },
		{ "10.0.0.127", "10.0.0.64/26", true },
		{ "10.0.0.128", "10.0.0.64/26", false },
		{ "10.0.0.2", "10.0.0.2/32", true },
		{ "10.0.0.3", "10.0.0.2/32", false },
		{ "203.0.113.9", "0.0.0.0/0", true },
		{ "::1", "0.0.0.0/0", false },
		{ "2001:db8::ff", "2001:db8::/121", false },
		{ "2001:db8::7f", "2001:db8::/121", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct link_address address;
		struct link_address network;

		ck_assert_int_eq(net_address_parse(cases[i].address, &address),
				 0);
		ck_assert_int_eq(net_network_parse(cases[i].network, &network),
				 0);
		ck_assert_msg(net_in_network(&address, &network) ==
				      cases[i].inside,
			      "%s in %s", cases[i].address, cases[i].network);
	}
}
END_TEST

START_TEST(test_limits)
{
	char text[4096] = "{\"hull-ct.net\":\"bridge=b";
	size_t at = strlen(text);
	struct err err;

	/* One address more than there is room for. */
	for (unsigned int i = 0; i <= NET_ADDRESSES_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       ",ip=10.0.0.%u/24", i + 1);
	snprintf(text + at, sizeof(text) - at, "\"}");
	ck_assert_ptr_null(read_plan(text, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "more than 8 addresses"));
	at = (size_t)snprintf(text, sizeof(text), "{\"hull-ct.net\":\"");
	for (unsigned int i = 0; i <= NET_INTERFACES_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "bridge=b ");
	snprintf(text + at, sizeof(text) - at, "\"}");
	ck_assert_ptr_null(read_plan(text, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "more than 8 networks"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container/net");
	TCase *tests = tcase_create("plan");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, test_interfaces);
	tcase_add_test(tests, test_ports_and_names);
	tcase_add_test(tests, test_nothing_asked);
	tcase_add_test(tests, test_networks);
	tcase_add_test(tests, test_limits);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
