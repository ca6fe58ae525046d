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

static int frame_ip6(const struct wh_frame *f, struct ip6_hdr *out)
{
	struct ip6_hdr ip;

	if (wh_frame_family(f) != WH_V6 || f->len - f->l2_len < sizeof(ip))
		return -EINVAL;
	memcpy(&ip, f->bytes + f->l2_len, sizeof(ip));
	if (sizeof(ip) + ntohs(ip.ip6_plen) > f->len - f->l2_len)
		return -EINVAL;
	*out = ip;
	return 0;
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

/* The fragment header, behind those that each router looks at (RFC 8200 §4.1). */
static int find_fragment6(const struct wh_frame *f, const struct ip6_hdr *ip, struct ip6_frag *out)
{
	const uint8_t *at = f->bytes + f->l2_len + sizeof(*ip);
	size_t left = ntohs(ip->ip6_plen);
	uint8_t next = ip->ip6_nxt;

	for (int i = 0; i < EXTENSIONS_MAX && left >= sizeof(*out); i++) {
		size_t len = 8U * (at[1] + 1U);

		if (next == IPPROTO_FRAGMENT) {
			memcpy(out, at, sizeof(*out));
			return 0;
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return -EINVAL;
		if (len > left)
			return -EINVAL;
		next = at[0];
		at += len;
		left -= len;
	}
	return -EINVAL;
}

static int parse_orphan6(const struct wh_frame *f, uint32_t ifindex, struct wh_orphan_key *out)
{
	struct ip6_frag fragment;
	struct ip6_hdr ip;

	if (frame_ip6(f, &ip) || find_fragment6(f, &ip, &fragment) || !(ntohs(fragment.ip6f_offlg) & IP6_OFFSET_MASK))
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
	int len;

	if (frame_ip6(f, &ip))
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
