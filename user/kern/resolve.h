/* SPDX-License-Identifier: GPL-2.0 */
/*
 * resolve.h: the link-layer addresses of the gateways, asked for by ourselves with packet sockets: ARP (RFC 826)
 * and neighbour discovery (RFC 4861).  The kernel's own entries notice a changed address too late or never.  When
 * to ask, and what follows from an answer, is the daemon's business; nothing here writes to the kernel's tables.
 */
#ifndef WANHELM_KERN_RESOLVE_H
#define WANHELM_KERN_RESOLVE_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdint.h>
#include <wanhelm/abi.h>

struct wh_resolver;

/* Needs CAP_NET_RAW.  0 or -errno; the caller owns *out and closes it. */
int wh_resolver_open(struct wh_resolver **out);
void wh_resolver_close(struct wh_resolver *r);

/* The descriptor to wait on, readable when wh_resolver_read() has work. */
int wh_resolver_fd(const struct wh_resolver *r);

/*
 * Ask who has `target` on the Ethernet device `ifindex`, whose own link-layer address is `own_mac`; `own` is an
 * address of ours there (IPv6: link-local or global).  With `known_mac` only its holder is asked, which keeps the
 * segment quiet (RFC 1122 §2.3.2.1) but gets no answer once the gateway has another: then ask with NULL, that is
 * everybody (IPv6: the solicited-node group).  Passes by the queueing discipline and our own egress hooks.
 * 0 or -errno; -EINVAL for an address that is nobody's.
 */
int wh_resolver_ask4(struct wh_resolver *r, unsigned ifindex, const uint8_t own_mac[ETH_ALEN], const uint8_t *known_mac,
		     struct in_addr own, struct in_addr target);
int wh_resolver_ask6(struct wh_resolver *r, unsigned ifindex, const uint8_t own_mac[ETH_ALEN], const uint8_t *known_mac,
		     const struct in6_addr *own, const struct in6_addr *target);

/*
 * Take in what has come, at most a bounded number of packets.  `heard` is called for each valid packet that tells
 * the link-layer address of something that was asked for before on that device: answers, ARP requests of its own,
 * and what it says unasked (a gateway that was replaced does); `addr` is ::ffff:a.b.c.d for IPv4.  It may ask again.
 * An advertisement without link-layer address confirms the `known_mac` of the last question (RFC 4861 §7.2.5),
 * and one that must not override is not told where it differs from that.  0 or -errno.
 */
int wh_resolver_read(struct wh_resolver *r,
		     void (*heard)(void *arg, unsigned ifindex, enum wh_family family, const struct in6_addr *addr,
				   const uint8_t mac[ETH_ALEN]),
		     void *arg);

#endif
