/* SPDX-License-Identifier: GPL-2.0 */
/* slow_cut.c: the saw: an IPv4 frame, piece by piece.  slow.c calls it. */
#include <errno.h>
#include <string.h>

#include "kern/slow_private.h"
#include "lib/checksum.h"

#define NOWHERE UINT32_MAX

/* --- options ---------------------------------------------------------------------------------------------- */

/* Blank, with no-operations, the options that only the first piece carries (RFC 791 §3.1). -EINVAL if they run over. */
static int keep_copied(uint8_t *options, uint32_t len)
{
	while (len && *options != IPOPT_EOL) {
		uint32_t option_len = 1;

		if (*options != IPOPT_NOP) {
			if (len < 2 || options[1] < 2 || options[1] > len)
				return -EINVAL;
			option_len = options[1];
			if (!IPOPT_COPIED(*options))
				memset(options, IPOPT_NOP, option_len);
		}
		options += option_len;
		len -= option_len;
	}
	return 0;
}

/* --- checksums left for hardware -------------------------------------------------------------------------- */

/* Hardware will not see the datagram whole. */
static void finish_checksum(struct wh_cut *c, const struct iphdr *ip, const uint8_t *l4)
{
	int at;

	if (c->fragment & (IP_MF | IP_OFFMASK))
		return;
	at = wh_unfinished_sum(&ip->saddr, 2 * sizeof(ip->saddr), ip->protocol, l4, c->payload_len, &c->sum_be);
	if (at >= 0)
		c->sum_at = (uint32_t)at;
}

/* --- the saw ---------------------------------------------------------------------------------------------- */

int wh_cut_begin(struct wh_cut *out, const struct wh_frame *frame, uint32_t mtu)
{
	struct wh_cut c = {.frame = *frame, .sum_at = NOWHERE};
	const uint8_t *l3 = frame->bytes + frame->l2_len;
	struct iphdr ip;

	if (wh_frame_ip4(frame, &ip))
		return -EINVAL;
	c.fragment = ntohs(ip.frag_off);
	c.header_len = ip.ihl * 4U;
	c.payload_len = ntohs(ip.tot_len) - c.header_len;
	c.step = c.payload_len;
	if (!c.payload_len || ((c.fragment & IP_MF) && c.payload_len % 8) ||
	    (c.fragment & IP_OFFMASK) * 8U + c.payload_len > IP_MAXPACKET - c.header_len)
		return -EINVAL;
	if (ntohs(ip.tot_len) > mtu) {
		if ((c.fragment & IP_DF) || mtu < c.header_len + 8)
			return -EMSGSIZE;
		c.step = (mtu - c.header_len) & ~7U;
	}
	memcpy(c.later_header, l3, c.header_len);
	if (keep_copied(c.later_header + sizeof(ip), c.header_len - sizeof(ip)))
		return -EINVAL;
	finish_checksum(&c, &ip, l3 + c.header_len);
	*out = c;
	return 0;
}

uint32_t wh_cut_next(struct wh_cut *c, uint8_t *out)
{
	const uint8_t *l3 = c->frame.bytes + c->frame.l2_len;
	uint8_t *to = out + c->frame.l2_len;
	uint32_t left = c->payload_len - c->at;
	uint32_t n = left < c->step ? left : c->step;
	struct iphdr ip;

	if (!n)
		return 0;
	memcpy(out, c->frame.bytes, c->frame.l2_len);
	memcpy(to, c->at ? c->later_header : l3, c->header_len);
	memcpy(to + c->header_len, l3 + c->header_len + c->at, n);
	if (c->sum_at >= c->at && c->sum_at - c->at < n)
		memcpy(to + c->header_len + c->sum_at - c->at, &c->sum_be, sizeof(c->sum_be));
	memcpy(&ip, to, sizeof(ip));
	ip.tot_len = htons((uint16_t)(c->header_len + n));
	ip.frag_off = htons((uint16_t)((c->fragment + c->at / 8) | (n < left ? IP_MF : 0)));
	ip.check = 0;
	memcpy(to, &ip, sizeof(ip));
	ip.check = wh_checksum_be(wh_sum(to, c->header_len, 0));
	memcpy(to, &ip, sizeof(ip));
	c->at += n;
	return c->frame.l2_len + c->header_len + n;
}
