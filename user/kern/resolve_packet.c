/* SPDX-License-Identifier: GPL-2.0 */
/*
 * resolve_packet.c: ARP and neighbour discovery as bytes, made and taken apart.  resolve.c calls it.  What comes
 * in is copied out of the packet piece by piece, each piece only after its length was looked at.
 */
#include "kern/resolve_packet.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/mapped.h"

#define HOP_LIMIT 255 /* of a packet that no router has passed on */

static bool is_neighbours(const uint8_t mac[ETH_ALEN])
{
	static const uint8_t none[ETH_ALEN];

	return !(mac[0] & 1) && memcmp(mac, none, ETH_ALEN) != 0;
}

/* --- ARP -------------------------------------------------------------------------------------------------- */

struct arp {
	uint16_t hardware_be;
	uint16_t protocol_be;
	uint8_t hardware_len;
	uint8_t protocol_len;
	uint16_t operation_be;
	uint8_t sender_mac[ETH_ALEN];
	struct in_addr sender;
	uint8_t target_mac[ETH_ALEN];
	struct in_addr target;
} __attribute__((packed));

_Static_assert(sizeof(struct arp) == WH_ARP_LEN, "layout");

void wh_arp_request(uint8_t out[WH_ARP_LEN], const uint8_t own_mac[ETH_ALEN], struct in_addr own, struct in_addr target)
{
	struct arp arp = {
		.hardware_be = htons(ARPHRD_ETHER),
		.protocol_be = htons(ETH_P_IP),
		.hardware_len = ETH_ALEN,
		.protocol_len = sizeof(struct in_addr),
		.operation_be = htons(ARPOP_REQUEST),
		.sender = own,
		.target = target,
	};

	memcpy(arp.sender_mac, own_mac, ETH_ALEN);
	memcpy(out, &arp, sizeof(arp));
}

int wh_arp_parse(const uint8_t *packet, size_t len, struct wh_heard *out)
{
	struct arp arp;

	if (len < sizeof(arp))
		return -EINVAL;
	memcpy(&arp, packet, sizeof(arp));
	if (arp.hardware_be != htons(ARPHRD_ETHER) || arp.protocol_be != htons(ETH_P_IP) ||
	    arp.hardware_len != ETH_ALEN || arp.protocol_len != sizeof(struct in_addr))
		return -EINVAL;
	if (arp.operation_be != htons(ARPOP_REQUEST) && arp.operation_be != htons(ARPOP_REPLY))
		return -EINVAL;
	if (!arp.sender.s_addr || IN_MULTICAST(ntohl(arp.sender.s_addr)) || arp.sender.s_addr == INADDR_BROADCAST ||
	    !is_neighbours(arp.sender_mac))
		return -EINVAL;
	*out = (struct wh_heard){.addr = wh_mapped(arp.sender), .has_mac = true, .overrides = true};
	memcpy(out->mac, arp.sender_mac, ETH_ALEN);
	return 0;
}

/* --- neighbour discovery ---------------------------------------------------------------------------------- */

struct link_option {
	struct nd_opt_hdr header;
	uint8_t mac[ETH_ALEN];
};

struct solicitation {
	struct ip6_hdr ip;
	struct nd_neighbor_solicit nd;
	struct link_option source;
};

_Static_assert(sizeof(struct solicitation) == WH_SOLICITATION_LEN, "layout");

/* The sum over an ICMPv6 message with its pseudo-header (RFC 4443 §2.3). */
static uint32_t sum_icmp6(const struct ip6_hdr *ip, const void *message, size_t len)
{
	uint32_t sum = wh_sum(&ip->ip6_src, 2 * sizeof(ip->ip6_src), IPPROTO_ICMPV6 + (uint32_t)len);

	return wh_sum(message, len, sum);
}

struct in6_addr wh_solicited_group(const struct in6_addr *target)
{
	struct in6_addr group = {.s6_addr = {0xff, 0x02, [11] = 0x01, [12] = 0xff}};

	memcpy(&group.s6_addr[13], &target->s6_addr[13], 3);
	return group;
}

void wh_solicitation(uint8_t out[WH_SOLICITATION_LEN], const uint8_t own_mac[ETH_ALEN], const struct in6_addr *own,
		     const struct in6_addr *to, const struct in6_addr *target)
{
	size_t len = WH_SOLICITATION_LEN - sizeof(struct ip6_hdr);
	struct solicitation s = {};

	s.ip.ip6_flow = htonl(6U << 28);
	s.ip.ip6_plen = htons((uint16_t)len);
	s.ip.ip6_nxt = IPPROTO_ICMPV6;
	s.ip.ip6_hlim = HOP_LIMIT;
	s.ip.ip6_src = *own;
	s.ip.ip6_dst = *to;
	s.nd.nd_ns_type = ND_NEIGHBOR_SOLICIT;
	s.nd.nd_ns_target = *target;
	s.source.header.nd_opt_type = ND_OPT_SOURCE_LINKADDR;
	s.source.header.nd_opt_len = 1; /* in units of 8 bytes */
	memcpy(s.source.mac, own_mac, ETH_ALEN);
	s.nd.nd_ns_cksum = wh_checksum_be(sum_icmp6(&s.ip, &s.nd, len));
	memcpy(out, &s, sizeof(s));
}

/* The options of an advertisement: each has a length, no unknown one does harm (RFC 4861 §4.6, §7.1.2). */
static int take_options(const uint8_t *options, size_t len, struct wh_heard *out)
{
	while (len) {
		struct link_option option;
		size_t option_len;

		if (len < sizeof(option))
			return -EINVAL;
		memcpy(&option, options, sizeof(option));
		option_len = 8U * option.header.nd_opt_len;
		if (!option_len || option_len > len)
			return -EINVAL;
		if (option.header.nd_opt_type == ND_OPT_TARGET_LINKADDR && option_len == sizeof(option)) {
			if (!is_neighbours(option.mac))
				return -EINVAL;
			memcpy(out->mac, option.mac, ETH_ALEN);
			out->has_mac = true;
		}
		options += option_len;
		len -= option_len;
	}
	return 0;
}

int wh_advertisement_parse(const uint8_t *packet, size_t len, struct wh_heard *out)
{
	struct wh_heard heard = {};
	struct nd_neighbor_advert nd;
	struct ip6_hdr ip;
	size_t nd_len;

	if (len < sizeof(ip) + sizeof(nd))
		return -EINVAL;
	memcpy(&ip, packet, sizeof(ip));
	memcpy(&nd, packet + sizeof(ip), sizeof(nd));
	nd_len = ntohs(ip.ip6_plen);
	if (ip.ip6_vfc >> 4 != 6 || ip.ip6_nxt != IPPROTO_ICMPV6 || ip.ip6_hlim != HOP_LIMIT || nd_len < sizeof(nd) ||
	    nd_len > len - sizeof(ip))
		return -EINVAL;
	if (nd.nd_na_type != ND_NEIGHBOR_ADVERT || nd.nd_na_code || IN6_IS_ADDR_MULTICAST(&nd.nd_na_target) ||
	    IN6_IS_ADDR_UNSPECIFIED(&nd.nd_na_target) || IN6_IS_ADDR_V4MAPPED(&nd.nd_na_target))
		return -EINVAL;
	if (IN6_IS_ADDR_MULTICAST(&ip.ip6_dst) && (nd.nd_na_flags_reserved & ND_NA_FLAG_SOLICITED))
		return -EINVAL;
	if (wh_sum_fold(sum_icmp6(&ip, packet + sizeof(ip), nd_len)) != 0xffff)
		return -EINVAL;
	heard.addr = nd.nd_na_target;
	heard.overrides = nd.nd_na_flags_reserved & ND_NA_FLAG_OVERRIDE;
	if (take_options(packet + sizeof(ip) + sizeof(nd), nd_len - sizeof(nd), &heard))
		return -EINVAL;
	*out = heard;
	return 0;
}
