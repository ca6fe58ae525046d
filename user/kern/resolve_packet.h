/* SPDX-License-Identifier: GPL-2.0 */
/*
 * resolve_packet.h: questions for a neighbour's link-layer address, and what answers say: bytes only.  resolve.c
 * sends and receives them.  Packets begin after the Ethernet header; IPv4 addresses stand as ::ffff:a.b.c.d.
 */
#ifndef WANHELM_KERN_RESOLVE_PACKET_H
#define WANHELM_KERN_RESOLVE_PACKET_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WH_ARP_LEN 28
#define WH_SOLICITATION_LEN 72

/* What a packet says of one neighbour. */
struct wh_heard {
	struct in6_addr addr;
	uint8_t mac[ETH_ALEN];
	bool has_mac;	/* an advertisement may leave it out: nothing changed */
	bool overrides; /* it may take the place of another address (the O flag; ARP always) */
};

/* An ARP request (RFC 826) of `own`, with `own_mac`, for `target`. */
void wh_arp_request(uint8_t out[WH_ARP_LEN], const uint8_t own_mac[ETH_ALEN], struct in_addr own,
		    struct in_addr target);

/*
 * Who sent an ARP request or reply, gratuitous ones (RFC 5227 §3) too.  0, or -EINVAL for what is neither, or
 * whose sender cannot be a neighbour's address.
 */
int wh_arp_parse(const uint8_t *packet, size_t len, struct wh_heard *out);

/* The group that a neighbour listens to, ff02::1:ffXX:XXXX (RFC 4291 §2.7.1). */
struct in6_addr wh_solicited_group(const struct in6_addr *target);

/*
 * A neighbour solicitation (RFC 4861 §4.3) from `own` to `to`, the target itself or its group, with our own
 * link-layer address as its option.
 */
void wh_solicitation(uint8_t out[WH_SOLICITATION_LEN], const uint8_t own_mac[ETH_ALEN], const struct in6_addr *own,
		     const struct in6_addr *to, const struct in6_addr *target);

/*
 * What a neighbour advertisement says of its target, if it is valid (RFC 4861 §7.1.2); -EINVAL if it is not, if
 * it is something else, or if extension headers stand before it.
 */
int wh_advertisement_parse(const uint8_t *packet, size_t len, struct wh_heard *out);

#endif
