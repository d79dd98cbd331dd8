/*
 * Two interfaces that become one wire: what comes in by either goes out by the
 * other, before the stack of their namespace sees it (tc-mirred(8), by
 * rtnetlink). Neither needs to be a port of anything, and both keep their
 * addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>

#include "sandbox/link.h"

#define INGRESS	 TC_H_MAKE(TC_H_INGRESS, 0) /* "ffff:" */
#define PRIORITY 1

struct request {
	struct netlink_out out;
	_Alignas(NLMSG_ALIGNTO) char buf[256];
};

static void begin(struct request *request, uint16_t type, uint16_t flags,
		  const struct tcmsg *header)
{
	netlink_out_init(&request->out, request->buf, sizeof(request->buf));
	netlink_begin(&request->out, type, flags, header, sizeof(*header));
}

/* Anew: one that an earlier wire has left leads nowhere. */
static int hook(struct netlink *route, int index, struct err *err)
{
	const struct tcmsg header = { .tcm_ifindex = index,
				      .tcm_parent = TC_H_INGRESS,
				      .tcm_handle = INGRESS };
	struct request request;

	begin(&request, RTM_DELQDISC, 0, &header);
	netlink_request(route, &request.out, NULL, NULL, NULL);
	begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &header);
	netlink_put_string(&request.out, TCA_KIND, "ingress");
	return netlink_request(route, &request.out, NULL, NULL, err);
}

static int lead(struct netlink *route, int from, int to, struct err *err)
{
	const struct tcmsg header = {
		.tcm_ifindex = from,
		.tcm_parent = INGRESS,
		.tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL)),
	};
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
					  .eaction = TCA_EGRESS_REDIR,
					  .ifindex = (uint32_t)to };
	struct request request;
	struct netlink_out *out = &request.out;
	size_t options;
	size_t actions;
	size_t first;
	size_t nest;

	begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &header);
	netlink_put_string(out, TCA_KIND, "matchall");
	options = netlink_nest(out, TCA_OPTIONS);
	actions = netlink_nest(out, TCA_MATCHALL_ACT);
	first = netlink_nest(out, 1);
	netlink_put_string(out, TCA_ACT_KIND, "mirred");
	nest = netlink_nest(out, TCA_ACT_OPTIONS);
	netlink_put(out, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	netlink_nest_end(out, nest);
	netlink_nest_end(out, first);
	netlink_nest_end(out, actions);
	netlink_nest_end(out, options);
	return netlink_request(route, out, NULL, NULL, err);
}

int link_join(struct netlink *route, int one, int other, struct err *err)
{
	int rc = hook(route, one, err);

	if (!rc)
		rc = hook(route, other, err);
	if (!rc)
		rc = lead(route, one, other, err);
	if (!rc)
		rc = lead(route, other, one, err);
	if (rc == -ENOENT || rc == -EOPNOTSUPP)
		return err_prefix(
			err,
			"the kernel needs sch_ingress, cls_matchall and act_mirred");
	return rc;
}
