/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow_packet.c: what reading a frame takes, later fragments, and their delivery.  slow.c calls it; the saw is
 * slow_cut.c.
 */
#include "kern/slow_packet.h"

#include <errno.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <string.h>

#include "kern/slow_private.h"
#include "lib/checksum.h"

#define EXTENSIONS_MAX 8 /* of IPv6, before the fragment header */
#define IP6_OFFSET_MASK 0xfff8

/* --- frames ----------------------------------------------------------------------------------------------- */

int wh_frame_family(const struct wh_frame *f)
{
	static const uint16_t types[WH_FAMILIES] = {[WH_V4] = ETH_P_IP, [WH_V6] = ETH_P_IPV6};
	int family;

	if ((f->l2_len && f->l2_len != ETH_HLEN) || f->len <= f->l2_len || f->len - f->l2_len > WH_SLOW_FRAME_MAX)
		return -EINVAL;
	if (f->bytes[f->l2_len] >> 4 == 4)
		family = WH_V4;
	else if (f->bytes[f->l2_len] >> 4 == 6)
		family = WH_V6;
	else
		return -EINVAL;
	if (f->l2_len && (f->bytes[12] << 8 | f->bytes[13]) != types[family])
		return -EINVAL;
	return family;
}

int wh_frame_ip4(const struct wh_frame *f, struct iphdr *out)
{
	const uint8_t *l3 = f->bytes + f->l2_len;
	struct iphdr ip;

	if (wh_frame_family(f) != WH_V4 || f->len - f->l2_len < sizeof(ip))
		return -EINVAL;
	memcpy(&ip, l3, sizeof(ip));
	if (ip.ihl < 5 || ip.ihl * 4U > ntohs(ip.tot_len) || ntohs(ip.tot_len) > f->len - f->l2_len)
		return -EINVAL;
	if (wh_sum_fold(wh_sum(l3, ip.ihl * 4U, 0)) != 0xffff)
		return -EINVAL;
	*out = ip;
	return 0;
}

static bool is_extension(uint8_t kind)
{
	return kind == IPPROTO_HOPOPTS || kind == IPPROTO_ROUTING || kind == IPPROTO_DSTOPTS;
}

int wh_frame_ip6(const struct wh_frame *f, struct ip6_hdr *out, uint32_t *at, uint32_t *len)
{
	const uint8_t *next = f->bytes + f->l2_len + sizeof(*out);
	uint32_t left;
	uint8_t kind;
	struct ip6_hdr ip;

	if (wh_frame_family(f) != WH_V6 || f->len - f->l2_len < sizeof(ip))
		return -EINVAL;
	memcpy(&ip, f->bytes + f->l2_len, sizeof(ip));
	left = ntohs(ip.ip6_plen);
	kind = ip.ip6_nxt;
	if (sizeof(ip) + left > f->len - f->l2_len)
		return -EINVAL;
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(kind); i++) {
		uint32_t extension = left < 2 ? left + 1 : 8U * (next[1] + 1U);

		if (extension > left)
			return -EINVAL;
		kind = next[0];
		next += extension;
		left -= extension;
	}
	*out = ip;
	*at = (uint32_t)(next - f->bytes);
	*len = left;
	return kind;
}

/* --- orphans ---------------------------------------------------------------------------------------------- */

static int parse_orphan4(const struct wh_frame *f, uint32_t ifindex, struct wh_orphan_key *out)
{
	struct iphdr ip;

	if (wh_frame_ip4(f, &ip) || !(ntohs(ip.frag_off) & IP_OFFMASK))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->family = WH_V4;
	out->key4.src_be = ip.saddr;
	out->key4.dst_be = ip.daddr;
	out->key4.ifindex = ifindex;
	out->key4.id_be = ip.id;
	out->key4.proto = ip.protocol;
	return 0;
}

static int parse_orphan6(const struct wh_frame *f, uint32_t ifindex, struct wh_orphan_key *out)
{
	struct ip6_frag fragment;
	struct ip6_hdr ip;
	uint32_t at, len;

	if (wh_frame_ip6(f, &ip, &at, &len) != IPPROTO_FRAGMENT || len < sizeof(fragment))
		return -EINVAL;
	memcpy(&fragment, f->bytes + at, sizeof(fragment));
	if (!(ntohs(fragment.ip6f_offlg) & IP6_OFFSET_MASK))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->family = WH_V6;
	memcpy(&out->key6.src_be, &ip.ip6_src, sizeof(ip.ip6_src));
	memcpy(&out->key6.dst_be, &ip.ip6_dst, sizeof(ip.ip6_dst));
	out->key6.ifindex = ifindex;
	out->key6.id_be = fragment.ip6f_ident;
	return 0;
}

int wh_orphan_parse(const struct wh_frame *frame, uint32_t ifindex, struct wh_orphan_key *out)
{
	int family = wh_frame_family(frame);

	if (family < 0)
		return family;
	return (family == WH_V4 ? parse_orphan4 : parse_orphan6)(frame, ifindex, out);
}

/* --- delivery --------------------------------------------------------------------------------------------- */

/* The IPv4 header of the delivered fragment, in place at `l3`; the length of the packet. */
static int deliver4(const struct wh_frame *f, const struct wh_delivery *to, uint8_t *l3)
{
	struct iphdr ip;

	if (wh_frame_ip4(f, &ip) || !(ntohs(ip.frag_off) & IP_OFFMASK))
		return -EINVAL;
	if (ip.ttl <= 1)
		return -ETIME;
	memcpy(l3, f->bytes + f->l2_len, ntohs(ip.tot_len));
	ip.ttl--;
	ip.daddr = to->client.s6_addr32[3];
	ip.check = 0;
	memcpy(l3, &ip, sizeof(ip));
	ip.check = wh_checksum_be(wh_sum(l3, ip.ihl * 4U, 0));
	memcpy(l3, &ip, sizeof(ip));
	return ntohs(ip.tot_len);
}

static int deliver6(const struct wh_frame *f, const struct wh_delivery *to, uint8_t *l3)
{
	struct ip6_hdr ip;
	uint32_t l4_at, l4_len;
	int len;

	if (wh_frame_ip6(f, &ip, &l4_at, &l4_len) < 0)
		return -EINVAL;
	if (ip.ip6_hlim <= 1)
		return -ETIME;
	len = (int)sizeof(ip) + ntohs(ip.ip6_plen);
	memcpy(l3, f->bytes + f->l2_len, (size_t)len);
	ip.ip6_hlim--;
	ip.ip6_dst = to->client;
	memcpy(l3, &ip, sizeof(ip));
	return len;
}

int wh_delivery_build(const struct wh_frame *frame, const struct wh_delivery *to, uint8_t *out)
{
	bool to_v4 = IN6_IS_ADDR_V4MAPPED(&to->client);
	struct ethhdr eth = {.h_proto = htons(to_v4 ? ETH_P_IP : ETH_P_IPV6)};
	int len;

	if (to->l2_len && to->l2_len != ETH_HLEN)
		return -EINVAL;
	len = (to_v4 ? deliver4 : deliver6)(frame, to, out + to->l2_len);
	if (len < 0)
		return len;
	if (to->l2_len) {
		memcpy(eth.h_dest, to->dst_mac, ETH_ALEN);
		memcpy(eth.h_source, to->src_mac, ETH_ALEN);
		memcpy(out, &eth, sizeof(eth));
	}
	return len + (int)to->l2_len;
}
