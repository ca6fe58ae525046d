/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow_answer.c: what of a frame is TCP's or UDP's, and checksums that nobody has finished.  The daemon reads answers
 * of the DNS by it, slow.c sends them on, slow_cut.c cuts.
 */
#include <errno.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>

#include "kern/slow_private.h"
#include "lib/checksum.h"

static int find4(const struct wh_frame *f, struct wh_datagram *out)
{
	struct iphdr ip;

	if (wh_frame_ip4(f, &ip) || (ntohs(ip.frag_off) & (IP_MF | IP_OFFMASK)))
		return -EINVAL;
	out->proto = ip.protocol;
	out->addresses = f->l2_len + (uint32_t)offsetof(struct iphdr, saddr);
	out->addresses_len = 2 * sizeof(ip.saddr);
	out->at = f->l2_len + ip.ihl * 4U;
	out->len = ntohs(ip.tot_len) - ip.ihl * 4U;
	return 0;
}

static int find6(const struct wh_frame *f, struct wh_datagram *out)
{
	struct ip6_hdr ip;
	uint32_t at, len;
	int next = wh_frame_ip6(f, &ip, &at, &len);

	if (next < 0)
		return next;
	out->proto = (uint8_t)next;
	out->addresses = f->l2_len + (uint32_t)offsetof(struct ip6_hdr, ip6_src);
	out->addresses_len = 2 * sizeof(ip.ip6_src);
	out->at = at;
	out->len = len;
	return 0;
}

int wh_frame_datagram(const struct wh_frame *f, struct wh_datagram *out)
{
	int family = wh_frame_family(f), err;
	struct wh_datagram d = {};

	if (family < 0)
		return family;
	d.family = (enum wh_family)family;
	err = family == WH_V4 ? find4(f, &d) : find6(f, &d);
	if (err)
		return err;
	if ((d.proto != IPPROTO_TCP || d.len < sizeof(struct tcphdr)) &&
	    (d.proto != IPPROTO_UDP || d.len < sizeof(struct udphdr)))
		return -EINVAL;
	*out = d;
	return 0;
}

/* Where in it the checksum stands; of UDP only where it is as long as it says. */
static int sum_place(uint8_t proto, const uint8_t *l4, uint32_t len)
{
	if (proto == IPPROTO_TCP && len >= sizeof(struct tcphdr))
		return offsetof(struct tcphdr, check);
	if (proto == IPPROTO_UDP && len >= sizeof(struct udphdr) && (uint32_t)(l4[4] << 8 | l4[5]) == len)
		return offsetof(struct udphdr, check);
	return -EINVAL;
}

int wh_unfinished_sum(const void *addresses, uint32_t addresses_len, uint8_t proto, const uint8_t *l4, uint32_t len,
		      uint16_t *sum_be)
{
	uint32_t pseudo = wh_sum(addresses, addresses_len, proto + len);
	int at = sum_place(proto, l4, len);

	if (at < 0)
		return at;
	/* One that is whole and happens to be the same comes out as it was. */
	if ((l4[at] << 8 | l4[at + 1]) != wh_sum_fold(pseudo))
		return -EALREADY;
	*sum_be = wh_checksum_be(wh_sum(l4, len, 0));
	if (!*sum_be && proto == IPPROTO_UDP)
		*sum_be = 0xffff; /* 0 would mean none (RFC 768) */
	return at;
}

void wh_frame_finish(const struct wh_frame *f, uint8_t *out)
{
	struct wh_datagram d;
	uint16_t sum_be;
	int at;

	memcpy(out, f->bytes, f->len);
	if (wh_frame_datagram(f, &d))
		return;
	at = wh_unfinished_sum(out + d.addresses, d.addresses_len, d.proto, out + d.at, d.len, &sum_be);
	if (at >= 0)
		memcpy(out + d.at + at, &sum_be, sizeof(sum_be));
}
