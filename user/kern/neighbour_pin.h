/* SPDX-License-Identifier: GPL-2.0 */
/*
 * neighbour_pin.h: gateways' entries in the kernel's neighbour tables, made permanent while the kernel's own
 * default WAN is dead: what the kernel sends there must go on to its egress hook, and would otherwise wait for an
 * answer that nobody gives.  The daemon pins and unpins; each call is a netlink conversation of its own.
 *
 * Ours carry the protocol WH_NEIGHBOUR_PROTOCOL, so that a restart recognises what it left.  Permanent entries of
 * anybody else's are never touched.  IPv4 addresses stand as ::ffff:a.b.c.d.
 */
#ifndef WANHELM_KERN_NEIGHBOUR_PIN_H
#define WANHELM_KERN_NEIGHBOUR_PIN_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdint.h>

#define WH_NEIGHBOUR_PROTOCOL 0x57
#define WH_NEIGHBOUR_PINS_MAX 64

/*
 * Make the entry of gateway `addr` on a device permanent with that link-layer address, or give one of ours another.
 * 0; -EEXIST where somebody else's permanent entry stands; -ENODEV where there is no such device; -errno.
 */
int wh_neighbour_pin(unsigned ifindex, const struct in6_addr *addr, const uint8_t mac[ETH_ALEN]);

/* Make an entry of ours an ordinary one again, which the kernel checks when it next uses it. 0, also where none of ours is. */
int wh_neighbour_unpin(unsigned ifindex, const struct in6_addr *addr);

/* Call `each` for every entry of ours, at most WH_NEIGHBOUR_PINS_MAX of them; it may unpin it. 0 or -errno. */
int wh_neighbour_pins(void (*each)(void *arg, unsigned ifindex, const struct in6_addr *addr,
				   const uint8_t mac[ETH_ALEN]),
		      void *arg);

#endif
