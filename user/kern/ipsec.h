/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipsec.h: the destinations that the kernel's IPsec policies select, kept up to date by a dump at the start and one
 * after each notification.  The daemon asks it, because what a policy selects is never steered.  Reads only.
 */
#ifndef WANHELM_KERN_IPSEC_H
#define WANHELM_KERN_IPSEC_H

#include <netinet/in.h>
#include <wanhelm/abi.h>

struct wh_ipsec;

/* An address prefix of either family; addresses in network order, host bits 0. */
struct wh_net_prefix {
	enum wh_family family;
	union {
		struct in_addr addr4;
		struct in6_addr addr6;
	};
	unsigned prefix_len; /* bits, of its family */
};

/*
 * Open, dump, and listen.  `changed` is called from wh_ipsec_read() once after each batch that changed what
 * wh_ipsec_each() says.  0; -EPROTONOSUPPORT where the kernel has no IPsec; -EPERM; -errno.
 */
int wh_ipsec_open(struct wh_ipsec **out, void (*changed)(void *arg), void *arg);
void wh_ipsec_close(struct wh_ipsec *ipsec);

/* The descriptor to wait on, readable when wh_ipsec_read() has work. */
int wh_ipsec_fd(const struct wh_ipsec *ipsec);

/* Take in what has come; an overrun is a change like any other. 0 or -errno, after which it tries again by itself. */
int wh_ipsec_read(struct wh_ipsec *ipsec);

/*
 * One call a destination prefix of outgoing policies (RFC 4301 §4.4.1, PROTECT), whatever source, protocol and ports
 * they narrow it to.  Policies that hold for marked packets or one XFRM interface only (route-based VPNs) are left
 * out: there routes, or whoever marks, say what goes in.
 */
void wh_ipsec_each(const struct wh_ipsec *ipsec, void (*each)(void *arg, const struct wh_net_prefix *destination),
		   void *arg);

#endif
