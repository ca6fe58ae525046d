/* SPDX-License-Identifier: GPL-2.0 */
/*
 * source.h: what becomes of a packet's source on a WAN: left as it is, the WAN's own address (masquerade), or in
 * IPv6 the same host under the WAN's prefix (RFC 6296).
 */
#ifndef WH_BPF_SOURCE_H
#define WH_BPF_SOURCE_H

#include "classify.h"

enum source_fate { SOURCE_KEPT, SOURCE_MASQUERADED, SOURCE_PREFIXED, SOURCE_REFUSED };

#if WH_FAMILY == 4

static __always_inline int source_kept(const struct wh_wan *wan, const addr_t *src)
{
	return !(wan->v4.flags & WH_WAN_MASQUERADE) || *src == wan->v4.addr_be;
}

static __always_inline enum source_fate source_on(const struct wh_wan *wan, const addr_t *src, addr_t *external)
{
	if (source_kept(wan, src)) {
		*external = *src;
		return SOURCE_KEPT;
	}
	*external = wan->v4.addr_be;
	return SOURCE_MASQUERADED;
}

/* Whether what comes to this address from outside is for a host behind the WAN's translated prefix. */
static __always_inline int source_inside(const struct wh_wan *wan, const addr_t *dst, addr_t *inside)
{
	(void)wan;
	(void)dst;
	(void)inside;
	return 0;
}

/* Whether the address is one that the WAN translates to. */
static __always_inline int is_external(const struct wh_wan *wan, const addr_t *addr)
{
	return *addr == wan->v4.addr_be;
}

/* Whether what a flow of these flags was given is still the WAN's. */
static __always_inline int source_stands(const struct wh_wan *wan, const addr_t *src, __u8 flow_flags,
					 const addr_t *external)
{
	if (flow_flags & WH_FLOW_NAT)
		return *external == wan->v4.addr_be;
	return (flow_flags & (WH_FLOW_KERNEL | WH_FLOW_INBOUND | WH_FLOW_FOREIGN)) || source_kept(wan, src);
}

#else

/* The mask of the prefix within one word of the address. */
static __always_inline __be32 prefix_word_mask(__u32 len, int word)
{
	__s32 bits = (__s32)len - 32 * word;

	return bits >= 32 ? ~0U : bits <= 0 ? 0 : bpf_htonl(~0U << (32 - bits));
}

static __always_inline int in_prefix(const addr_t *addr, const struct wh_addr6 *prefix, __u32 len)
{
	return len && !((addr->word_be[0] ^ prefix->word_be[0]) & prefix_word_mask(len, 0)) &&
	       !((addr->word_be[1] ^ prefix->word_be[1]) & prefix_word_mask(len, 1));
}

static __always_inline __u16 ones_add(__u32 a, __u32 b)
{
	__u32 sum = a + b;

	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u16 sum_words(const addr_t *a, int words)
{
	const __u16 *w = (const __u16 *)a;
	__u32 sum = 0;

	for (int i = 0; i < 2 * words; i++)
		sum += w[i];
	return fold(sum);
}

/*
 * RFC 6296 §3: another prefix, and one word amended so that no checksum above changes: bits 48 to 63 where the
 * prefix is at most 48 long (§3.4), else the first word of the interface identifier that is not 0xffff (§3.5).
 * -1: there is none such, or the identifier is all zeros, which belongs to routers (§3.6).
 */
static __always_inline int prefix_translate(const addr_t *from, const struct wh_addr6 *prefix, __u32 len, addr_t *to)
{
	__u16 *words, adjustment;
	int at = len <= 48 ? 3 : 4;

	*to = *from;
	if (!from->word_be[2] && !from->word_be[3])
		return -1;
#pragma unroll
	for (int i = 0; i < 2; i++)
		to->word_be[i] = (from->word_be[i] & ~prefix_word_mask(len, i)) |
				 (prefix->word_be[i] & prefix_word_mask(len, i));
	words = (__u16 *)to;
	adjustment = ones_add(sum_words(from, 2), (__u16)~sum_words(to, 2));
#pragma unroll
	for (int i = 3; i < 8; i++) {
		if (i < at)
			continue;
		if (words[i] == 0xffff) {
			if (i == 3)
				return -1;
			continue;
		}
		words[i] = ones_add(words[i], adjustment);
		if (words[i] == 0xffff)
			words[i] = 0;
		return 0;
	}
	return -1;
}

static __always_inline int source_kept(const struct wh_wan *wan, const addr_t *src)
{
	const struct wh_wan6 *ip = &wan->v6;

	return addr_equal(src, &ip->addr_be) ||
	       ((ip->flags & WH_WAN_OWN_PREFIX) && in_prefix(src, &ip->prefix_be, ip->prefix_len));
}

static __always_inline int source_prefixed(const struct wh_wan *wan, const addr_t *src)
{
	return (wan->v6.flags & WH_WAN_NPT) && in_prefix(src, &wan->v6.inside_be, wan->v6.inside_len);
}

static __always_inline int source_refused(const struct wh_wan *wan, const addr_t *src)
{
	return !(wan->v6.flags & WH_WAN_MASQUERADE) && !source_kept(wan, src) && !source_prefixed(wan, src);
}

static __always_inline enum source_fate source_on(const struct wh_wan *wan, const addr_t *src, addr_t *external)
{
	const struct wh_wan6 *ip = &wan->v6;

	*external = *src;
	if (source_kept(wan, src))
		return SOURCE_KEPT;
	if (source_prefixed(wan, src))
		return prefix_translate(src, &ip->prefix_be, ip->inside_len, external) ? SOURCE_REFUSED
										       : SOURCE_PREFIXED;
	if (!(ip->flags & WH_WAN_MASQUERADE))
		return SOURCE_REFUSED;
	*external = ip->addr_be;
	return SOURCE_MASQUERADED;
}

static __always_inline int source_inside(const struct wh_wan *wan, const addr_t *dst, addr_t *inside)
{
	const struct wh_wan6 *ip = &wan->v6;

	return (ip->flags & WH_WAN_NPT) && in_prefix(dst, &ip->prefix_be, ip->inside_len) &&
	       !addr_equal(dst, &ip->addr_be) && !prefix_translate(dst, &ip->inside_be, ip->inside_len, inside) &&
	       in_prefix(inside, &ip->inside_be, ip->inside_len);
}

static __always_inline int is_external(const struct wh_wan *wan, const addr_t *addr)
{
	const struct wh_wan6 *ip = &wan->v6;

	return addr_equal(addr, &ip->addr_be) ||
	       ((ip->flags & WH_WAN_NPT) && in_prefix(addr, &ip->prefix_be, ip->inside_len));
}

static __always_inline int source_stands(const struct wh_wan *wan, const addr_t *src, __u8 flow_flags,
					 const addr_t *external)
{
	if (flow_flags & WH_FLOW_NAT)
		return addr_equal(external, &wan->v6.addr_be);
	if (flow_flags & WH_FLOW_PREFIX)
		return (wan->v6.flags & WH_WAN_NPT) && in_prefix(external, &wan->v6.prefix_be, wan->v6.prefix_len);
	return (flow_flags & (WH_FLOW_KERNEL | WH_FLOW_INBOUND | WH_FLOW_FOREIGN)) || source_kept(wan, src);
}

#endif

/*
 * The same for a flow of these flags.  A probe has a source that no WAN knows, and so is translated on each; an
 * address of the router's own is left as it is on the WAN that has it, and translated on every other.
 */
static __always_inline enum source_fate source_for(__u32 wan_number, const struct wh_wan *wan, const addr_t *src,
						   __u8 flow_flags, addr_t *external)
{
	struct wh_route route;

	*external = wan_ip(wan)->addr_be;
	if (flow_flags & WH_FLOW_PROBE)
		return SOURCE_MASQUERADED;
	if (flow_flags & (WH_FLOW_KERNEL | WH_FLOW_INBOUND)) {
		route = route_of(src);
		if (route.kind == WH_ROUTE_LOCAL && route.wan != wan_number)
			return SOURCE_MASQUERADED;
		if (route.kind == WH_ROUTE_LOCAL) {
			*external = *src;
			return SOURCE_KEPT;
		}
	}
	return source_on(wan, src, external);
}

#endif
