/* SPDX-License-Identifier: GPL-2.0 */
/* flow_json.c: see flow_json.h. */
#include "cli/flow_json.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "lib/clock.h"

static const char *state_word(const struct cli_flow *view)
{
	unsigned seen = view->flow.tcp | view->reply.tcp;

	if (view->flow.pin.state == WH_FLOW_RESET)
		return "reset";
	if (view->flow.pin.state != WH_FLOW_LIVE)
		return "expiring";
	if (view->key.proto != IPPROTO_TCP)
		return "active";
	if (seen & (WH_TCP_FIN | WH_TCP_RST))
		return "closing";
	/* an acknowledgement by the client proves that it was answered */
	return view->flow.tcp & WH_TCP_ACKED ? "established" : "new";
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
	default:
		snprintf(number, 4, "%u", proto & 0xff);
		return number;
	}
}

json_t *cli_flow_json(const struct cli_flow *view, const struct cli_flow_names *names, uint64_t now_ns)
{
	const struct wh_flow4_key *key = &view->key;
	const struct wh_flow4 *flow = &view->flow;
	const struct wh_wan *wan = flow->pin.wan < WH_MAX_WANS ? &names->wans[flow->pin.wan] : NULL;
	const char *class = flow->class < WH_MAX_CLASSES ? names->classes[flow->class].name : "";
	uint64_t now_s = now_ns / WH_NS_PER_S;
	uint64_t idle_ms = now_ns > flow->seen_ns ? (now_ns - flow->seen_ns) / WH_NS_PER_MS : 0;
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN], external[INET_ADDRSTRLEN], number[4];

	inet_ntop(AF_INET, &key->src_be, src, sizeof(src));
	inet_ntop(AF_INET, &key->dst_be, dst, sizeof(dst));
	inet_ntop(AF_INET, &flow->external_be, external, sizeof(external));
	return json_pack("{s:s,s:s,s:i,s:s,s:i,s:s,s:s,s:s,s:i,s:I,s:f,s:I,s:I,s:I,s:I,s:s}", "proto",
			 proto_name(key->proto, number), "src", src, "sport", ntohs(key->sport_be), "dst", dst, "dport",
			 ntohs(key->dport_be), "wan", wan ? wan->name : "", "class", class, "ext_address", external,
			 "ext_port", ntohs(flow->pin.external_port), "age_s",
			 (json_int_t)(now_s > flow->born_s ? now_s - flow->born_s : 0), "idle_s",
			 (double)idle_ms / 1000.0, "tx_packets", (json_int_t)flow->tx_packets, "rx_packets",
			 (json_int_t)view->reply.rx_packets, "tx_bytes", (json_int_t)flow->tx_bytes, "rx_bytes",
			 (json_int_t)view->reply.rx_bytes, "state", state_word(view));
}
