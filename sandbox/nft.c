/*
 * The table, as nft(8) would write it:
 *
 *	table inet NAME {
 *		chain ports {
 *			meta nfproto ipv4 ip daddr HOST meta l4proto tcp
 *				th dport PORT dnat ip to ADDRESS:PORT
 *		}
 *		chain prerouting {
 *			type nat hook prerouting priority dstnat;
 *			fib daddr type local jump ports
 *		}
 *		chain output {
 *			type nat hook output priority dstnat;
 *			ip daddr 127.0.0.0/8 return
 *			ip6 daddr ::1 return
 *			fib daddr type local jump ports
 *		}
 *		chain postrouting {
 *			type nat hook postrouting priority srcnat;
 *			ip saddr NET ip daddr ADDRESS ct status dnat masquerade
 *		}
 *	}
 */
#include "sandbox/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* A rule takes some 500 bytes, of which a port has two. */
#define BYTES_FIXED    4096
#define BYTES_PER_PORT 1536

#define PRIORITY_DSTNAT (-100)
#define PRIORITY_SRCNAT 100

/* Registers of 4 bytes each; an address takes up to four. */
#define REG_ADDRESS NFT_REG32_00
#define REG_PORT    NFT_REG32_04
#define REG_ANY	    NFT_REG32_08

struct build {
	struct netlink_out out;
	const char *table;
	size_t expressions; /* of the rule that is being built */
};

/* ---- messages ---- */

static void put_be32(struct build *build, uint16_t type, uint32_t value)
{
	netlink_put_u32(&build->out, type, htonl(value));
}

static void begin(struct build *build, uint8_t type, uint16_t flags)
{
	const struct nfgenmsg header = { .nfgen_family = NFPROTO_INET,
					 .version = NFNETLINK_V0 };

	netlink_begin(&build->out, NFNL_SUBSYS_NFTABLES << 8 | type, flags,
		      &header, sizeof(header));
}

static void begin_batch(struct build *build, uint16_t type)
{
	const struct nfgenmsg header = {
		.nfgen_family = AF_UNSPEC,
		.version = NFNETLINK_V0,
		.res_id = htons(NFNL_SUBSYS_NFTABLES),
	};

	netlink_begin(&build->out, type, 0, &header, sizeof(header));
}

static void add_table(struct build *build)
{
	begin(build, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	netlink_put_string(&build->out, NFTA_TABLE_NAME, build->table);
}

/* Without @hook a chain that others jump to. */
static void add_chain(struct build *build, const char *name, bool hooked,
		      uint32_t hook, int priority)
{
	struct netlink_out *out = &build->out;
	size_t nest;

	begin(build, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	netlink_put_string(out, NFTA_CHAIN_TABLE, build->table);
	netlink_put_string(out, NFTA_CHAIN_NAME, name);
	if (!hooked)
		return;
	nest = netlink_nest(out, NFTA_CHAIN_HOOK);
	put_be32(build, NFTA_HOOK_HOOKNUM, hook);
	put_be32(build, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	netlink_nest_end(out, nest);
	netlink_put_string(out, NFTA_CHAIN_TYPE, "nat");
}

/* ---- rules ---- */

static void rule_begin(struct build *build, const char *chain)
{
	struct netlink_out *out = &build->out;

	begin(build, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	netlink_put_string(out, NFTA_RULE_TABLE, build->table);
	netlink_put_string(out, NFTA_RULE_CHAIN, chain);
	build->expressions = netlink_nest(out, NFTA_RULE_EXPRESSIONS);
}

static void rule_end(struct build *build)
{
	netlink_nest_end(&build->out, build->expressions);
}

struct expression {
	size_t element;
	size_t data;
};

static struct expression expression_begin(struct build *build, const char *name)
{
	struct expression e;

	e.element = netlink_nest(&build->out, NFTA_LIST_ELEM);
	netlink_put_string(&build->out, NFTA_EXPR_NAME, name);
	e.data = netlink_nest(&build->out, NFTA_EXPR_DATA);
	return e;
}

static void expression_end(struct build *build, struct expression e)
{
	netlink_nest_end(&build->out, e.data);
	netlink_nest_end(&build->out, e.element);
}

static void put_value(struct build *build, uint16_t type, const void *value,
		      size_t size)
{
	size_t nest = netlink_nest(&build->out, type);

	netlink_put(&build->out, NFTA_DATA_VALUE, value, size);
	netlink_nest_end(&build->out, nest);
}

static void compare(struct build *build, uint32_t op, const void *value,
		    size_t size)
{
	struct expression e = expression_begin(build, "cmp");

	put_be32(build, NFTA_CMP_SREG, REG_ANY);
	put_be32(build, NFTA_CMP_OP, op);
	put_value(build, NFTA_CMP_DATA, value, size);
	expression_end(build, e);
}

static void match_meta(struct build *build, uint32_t key, uint8_t value)
{
	struct expression e = expression_begin(build, "meta");

	put_be32(build, NFTA_META_DREG, REG_ANY);
	put_be32(build, NFTA_META_KEY, key);
	expression_end(build, e);
	compare(build, NFT_CMP_EQ, &value, sizeof(value));
}

static void load_payload(struct build *build, uint32_t base, uint32_t offset,
			 uint32_t len)
{
	struct expression e = expression_begin(build, "payload");

	put_be32(build, NFTA_PAYLOAD_DREG, REG_ANY);
	put_be32(build, NFTA_PAYLOAD_BASE, base);
	put_be32(build, NFTA_PAYLOAD_OFFSET, offset);
	put_be32(build, NFTA_PAYLOAD_LEN, len);
	expression_end(build, e);
}

/* The register anded with @mask. */
static void mask(struct build *build, const void *bits, size_t size)
{
	static const uint8_t zero[16];
	struct expression e = expression_begin(build, "bitwise");

	put_be32(build, NFTA_BITWISE_SREG, REG_ANY);
	put_be32(build, NFTA_BITWISE_DREG, REG_ANY);
	put_be32(build, NFTA_BITWISE_LEN, (uint32_t)size);
	put_value(build, NFTA_BITWISE_MASK, bits, size);
	put_value(build, NFTA_BITWISE_XOR, zero, size);
	expression_end(build, e);
}

static size_t bytes_of(const struct link_address *address)
{
	return address->family == AF_INET6 ? 16 : 4;
}

/* Offsets: RFC 791, 3.1; RFC 8200, 3. */
static void match_address(struct build *build,
			  const struct link_address *address, bool is_source)
{
	bool is_v6 = address->family == AF_INET6;
	size_t size = bytes_of(address);
	uint32_t offset = is_v6 ? 8 : 12;

	if (!is_source)
		offset += (uint32_t)size;
	load_payload(build, NFT_PAYLOAD_NETWORK_HEADER, offset, (uint32_t)size);
	compare(build, NFT_CMP_EQ, address->bytes, size);
}

static void match_network(struct build *build,
			  const struct link_address *address)
{
	size_t size = bytes_of(address);
	uint8_t bits[16] = { 0 };
	uint8_t value[16];

	for (unsigned int i = 0; i < address->prefix; i++)
		bits[i / 8] |= (uint8_t)(0x80 >> i % 8);
	for (size_t i = 0; i < size; i++)
		value[i] = address->bytes[i] & bits[i];
	load_payload(build, NFT_PAYLOAD_NETWORK_HEADER,
		     address->family == AF_INET6 ? 8 : 12, (uint32_t)size);
	mask(build, bits, size);
	compare(build, NFT_CMP_EQ, value, size);
}

static void load(struct build *build, uint32_t reg, const void *value,
		 size_t size)
{
	struct expression e = expression_begin(build, "immediate");

	put_be32(build, NFTA_IMMEDIATE_DREG, reg);
	put_value(build, NFTA_IMMEDIATE_DATA, value, size);
	expression_end(build, e);
}

static void match_family(struct build *build, int family)
{
	match_meta(build, NFT_META_NFPROTO,
		   family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
}

static void add_port(struct build *build, const struct nft_port *port)
{
	uint16_t from = htons(port->host_port);
	uint16_t to = htons(port->to_port);
	struct expression e;

	rule_begin(build, "ports");
	match_family(build, port->to.family);
	if (port->host.family)
		match_address(build, &port->host, false);
	match_meta(build, NFT_META_L4PROTO, port->protocol);
	/* TCP and UDP have it at the same place. */
	load_payload(build, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(from));
	compare(build, NFT_CMP_EQ, &from, sizeof(from));
	load(build, REG_ADDRESS, port->to.bytes, bytes_of(&port->to));
	load(build, REG_PORT, &to, sizeof(to));
	e = expression_begin(build, "nat");
	put_be32(build, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put_be32(build, NFTA_NAT_FAMILY,
		 port->to.family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	put_be32(build, NFTA_NAT_REG_ADDR_MIN, REG_ADDRESS);
	put_be32(build, NFTA_NAT_REG_PROTO_MIN, REG_PORT);
	expression_end(build, e);
	rule_end(build);
}

static void add_masquerade(struct build *build, const struct nft_port *port)
{
	const uint32_t translated = IPS_DST_NAT;
	const uint32_t none = 0;
	struct expression e;

	rule_begin(build, "postrouting");
	match_family(build, port->to.family);
	if (!port->masquerade)
		match_network(build, &port->to);
	match_address(build, &port->to, false);
	e = expression_begin(build, "ct");
	put_be32(build, NFTA_CT_DREG, REG_ANY);
	put_be32(build, NFTA_CT_KEY, NFT_CT_STATUS);
	expression_end(build, e);
	mask(build, &translated, sizeof(translated));
	compare(build, NFT_CMP_NEQ, &none, sizeof(none));
	e = expression_begin(build, "masq");
	expression_end(build, e);
	rule_end(build);
}

static void add_verdict(struct build *build, int code, const char *chain)
{
	struct expression e = expression_begin(build, "immediate");
	size_t data;
	size_t verdict;

	put_be32(build, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = netlink_nest(&build->out, NFTA_IMMEDIATE_DATA);
	verdict = netlink_nest(&build->out, NFTA_DATA_VERDICT);
	put_be32(build, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		netlink_put_string(&build->out, NFTA_VERDICT_CHAIN, chain);
	netlink_nest_end(&build->out, verdict);
	netlink_nest_end(&build->out, data);
	expression_end(build, e);
}

/* What is for an address of this host's own. */
static void add_jump(struct build *build, const char *chain)
{
	const uint32_t local = RTN_LOCAL;
	struct expression e;

	rule_begin(build, chain);
	e = expression_begin(build, "fib");
	put_be32(build, NFTA_FIB_DREG, REG_ANY);
	put_be32(build, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	put_be32(build, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expression_end(build, e);
	compare(build, NFT_CMP_EQ, &local, sizeof(local));
	add_verdict(build, NFT_JUMP, "ports");
	rule_end(build);
}

/* From a loopback address no packet reaches another interface. */
static void spare_loopback(struct build *build, const char *chain)
{
	static const struct link_address v6 = { .family = AF_INET6,
						.bytes = { [15] = 1 } };
	const uint8_t v4 = 127;

	rule_begin(build, chain);
	match_family(build, AF_INET);
	load_payload(build, NFT_PAYLOAD_NETWORK_HEADER, 16, sizeof(v4));
	compare(build, NFT_CMP_EQ, &v4, sizeof(v4));
	add_verdict(build, NFT_RETURN, NULL);
	rule_end(build);
	rule_begin(build, chain);
	match_family(build, AF_INET6);
	match_address(build, &v6, false);
	add_verdict(build, NFT_RETURN, NULL);
	rule_end(build);
}

/* ---- transactions ---- */

/* In the namespace @netns, or in ours with -1. */
static int commit_in(struct build *build, int netns, int home, struct err *err)
{
	struct netlink *netfilter = malloc(sizeof(*netfilter));
	int rc;

	if (!netfilter)
		return err_sys(err, ENOMEM, "nftables");
	rc = netns < 0 ? netlink_open(netfilter, NETLINK_NETFILTER, err) :
			 netlink_open_in(netfilter, NETLINK_NETFILTER, netns,
					 home, err);
	/* The end of a batch is not confirmed, what stands before it is. */
	build->out.silent = 1;
	if (!rc)
		rc = netlink_request(netfilter, &build->out, NULL, NULL, err);
	netlink_close(netfilter);
	free(netfilter);
	return rc;
}

int nft_add_ports(const char *name, const struct nft_port *ports, size_t count,
		  struct err *err)
{
	size_t size = BYTES_FIXED + count * BYTES_PER_PORT;
	autofree char *buf = malloc(size);
	struct build build = { .table = name };
	int rc;

	if (!buf)
		return err_sys(err, ENOMEM, "nftables");
	netlink_out_init(&build.out, buf, size);
	begin_batch(&build, NFNL_MSG_BATCH_BEGIN);
	add_table(&build);
	add_chain(&build, "ports", false, 0, 0);
	add_chain(&build, "prerouting", true, NF_INET_PRE_ROUTING,
		  PRIORITY_DSTNAT);
	add_chain(&build, "output", true, NF_INET_LOCAL_OUT, PRIORITY_DSTNAT);
	add_chain(&build, "postrouting", true, NF_INET_POST_ROUTING,
		  PRIORITY_SRCNAT);
	for (size_t i = 0; i < count; i++) {
		add_port(&build, &ports[i]);
		add_masquerade(&build, &ports[i]);
	}
	add_jump(&build, "prerouting");
	spare_loopback(&build, "output");
	add_jump(&build, "output");
	begin_batch(&build, NFNL_MSG_BATCH_END);
	rc = commit_in(&build, -1, -1, err);
	return rc ? err_prefix(err, "cannot add the nftables table %s", name) :
		    0;
}

int nft_remove_in(int netns, int home, const char *name, struct err *err)
{
	char buf[512];
	struct build build = { .table = name };
	int rc;

	netlink_out_init(&build.out, buf, sizeof(buf));
	begin_batch(&build, NFNL_MSG_BATCH_BEGIN);
	begin(&build, NFT_MSG_DELTABLE, 0);
	netlink_put_string(&build.out, NFTA_TABLE_NAME, name);
	begin_batch(&build, NFNL_MSG_BATCH_END);
	rc = commit_in(&build, netns, home, err);
	if (rc == -ENOENT)
		rc = 0;
	return rc ? err_prefix(err, "cannot remove the nftables table %s",
			       name) :
		    0;
}

int nft_remove(const char *name, struct err *err)
{
	return nft_remove_in(-1, -1, name, err);
}
