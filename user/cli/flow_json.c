/* SPDX-License-Identifier: GPL-2.0 */
/* flow_json.c: see flow_json.h. */
#include "cli/flow_json.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "lib/clock.h"

static const char *state_word(const struct cli_flow *view)
{
	const struct wh_flow *flow = &view->entry.flow;
	unsigned seen = flow->tcp | view->reply.tcp;

	if (flow->pin.state == WH_FLOW_RESET)
		return "reset";
	if (flow->pin.state != WH_FLOW_LIVE)
		return "expiring";
	if (wh_flow_proto(&view->entry) != IPPROTO_TCP)
		return "active";
	if ((seen & WH_TCP_FIN) || (flow->tcp & WH_TCP_RST))
		return "closing";
	/* an acknowledgement by the client proves that it was answered */
	return flow->tcp & WH_TCP_ACKED ? "established" : "new";
}

static const char *proto_name(unsigned proto, char number[4])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	case IPPROTO_GRE:
		return "gre";
	case IPPROTO_ESP:
		return "esp";
	case IPPROTO_SCTP:
		return "sctp";
	default:
		snprintf(number, 4, "%u", proto & 0xff);
		return number;
	}
}

/* The flow's addresses: the client's, the other side's, the one that it has outside. */
static json_t *address(const struct wh_flow_entry *entry, const void *v4, const void *v6)
{
	char text[INET6_ADDRSTRLEN];

	return json_string(entry->family == WH_V4 ? inet_ntop(AF_INET, v4, text, sizeof(text))
						  : inet_ntop(AF_INET6, v6, text, sizeof(text)));
}

json_t *cli_flow_json(const struct cli_flow *view, const struct cli_flow_names *names, uint64_t now_ns)
{
	const struct wh_flow_entry *entry = &view->entry;
	const struct wh_flow *flow = &entry->flow;
	const char *wan = flow->pin.wan < WH_MAX_WANS ? names->wans[flow->pin.wan].name : "";
	const char *class = flow->class < WH_MAX_CLASSES ? names->classes[flow->class].name : "";
	uint64_t now_s = now_ns / WH_NS_PER_S;
	uint64_t idle_ms = now_ns > flow->seen_ns ? (now_ns - flow->seen_ns) / WH_NS_PER_MS : 0;
	char number[4];

	return json_pack("{s:s,s:o,s:i,s:o,s:i,s:s,s:s,s:o,s:i,s:I,s:f,s:I,s:I,s:I,s:I,s:s}", "proto",
			 proto_name(wh_flow_proto(entry), number), "src",
			 address(entry, &entry->key4.src_be, &entry->key6.src_be), "sport", ntohs(wh_flow_sport(entry)),
			 "dst", address(entry, &entry->key4.dst_be, &entry->key6.dst_be), "dport",
			 ntohs(wh_flow_dport(entry)), "wan", wan, "class", class, "ext_address",
			 address(entry, &entry->external4_be, &entry->external6_be), "ext_port",
			 ntohs(flow->pin.external_port), "age_s",
			 (json_int_t)(now_s > flow->born_s ? now_s - flow->born_s : 0), "idle_s",
			 (double)idle_ms / 1000.0, "tx_packets", (json_int_t)flow->tx_packets, "rx_packets",
			 (json_int_t)view->reply.rx_packets, "tx_bytes", (json_int_t)flow->tx_bytes, "rx_bytes",
			 (json_int_t)view->reply.rx_bytes, "state", state_word(view));
}
