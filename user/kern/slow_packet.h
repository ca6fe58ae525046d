/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow_packet.h: frames cut into fragments, late fragments read and made ready for their client, answers read: bytes
 * only.  slow.c and the daemon call it.  No length in a frame is believed; a frame begins with an Ethernet header or with IP, and has at
 * most WH_SLOW_FRAME_MAX bytes from there on.
 */
#ifndef WANHELM_KERN_SLOW_PACKET_H
#define WANHELM_KERN_SLOW_PACKET_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdint.h>
#include <wanhelm/flow.h>
#include <wanhelm/slow.h>

struct wh_frame {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t l2_len; /* bytes before the IP header: ETH_HLEN or 0 */
};

/* The longest frame, with an Ethernet header. */
#define WH_SLOW_OUT_MAX (WH_SLOW_FRAME_MAX + ETH_HLEN)

/* The family that a frame's first bytes name: enum wh_family, or -EINVAL. */
int wh_frame_family(const struct wh_frame *f);

/* --- cutting ---------------------------------------------------------------------------------------------- */

#define WH_IP4_HEADER_MAX 60

/* A frame on its way through the saw. */
struct wh_cut {
	struct wh_frame frame;
	uint32_t header_len;
	uint32_t payload_len;
	uint32_t step;				 /* payload bytes of every piece but the last */
	uint32_t at;				 /* payload bytes that are in pieces already */
	uint16_t fragment;			 /* flags and offset of the frame itself, host order */
	uint8_t later_header[WH_IP4_HEADER_MAX]; /* of all pieces but the first */
	uint32_t sum_at;			 /* where in the payload `sum_be` goes; UINT32_MAX: nowhere */
	uint16_t sum_be;
};

/*
 * Begin to cut an IPv4 frame into pieces of at most `mtu` L3 bytes (RFC 791 §3.2); one that fits is one piece.  The
 * frame may itself be a fragment.  A TCP or UDP checksum that a virtual device left for hardware to finish is
 * finished.  The frame must outlive *out.  0; -EINVAL for a frame that is not right; -EMSGSIZE for one that may not
 * be cut (DF), or not to that size.
 */
int wh_cut_begin(struct wh_cut *out, const struct wh_frame *frame, uint32_t mtu);

/* The next piece, with the frame's own link-layer header, at most as long as the frame: its length; 0 after the last. */
uint32_t wh_cut_next(struct wh_cut *c, uint8_t *out);

/* --- orphans ---------------------------------------------------------------------------------------------- */

/* Under which key a later fragment's first one is known. */
struct wh_orphan_key {
	enum wh_family family;
	union {
		struct wh_fragment4_key key4;
		struct wh_fragment6_key key6;
	};
};

/* The key of a later fragment that came in by `ifindex`; -EINVAL for what is none, or is malformed. */
int wh_orphan_parse(const struct wh_frame *frame, uint32_t ifindex, struct wh_orphan_key *out);

/* Where a reply goes: to a client on a LAN. */
struct wh_delivery {
	uint32_t ifindex;	/* of the LAN device */
	uint32_t mtu;		/* L3 bytes */
	uint32_t l2_len;	/* as in struct wh_device */
	struct in6_addr client; /* IPv4: ::ffff:a.b.c.d */
	uint8_t src_mac[ETH_ALEN];
	uint8_t dst_mac[ETH_ALEN];
};

/*
 * A later fragment as its client gets it: another destination, TTL or hop limit one less, another link-layer header
 * or none.  Its identifier stays, as that of its first fragment did.  `out` has room for WH_SLOW_OUT_MAX bytes.  Its length; -EINVAL where it is malformed
 * or of the other family; -ETIME where the TTL is used up.
 */
int wh_delivery_build(const struct wh_frame *frame, const struct wh_delivery *to, uint8_t *out);

/* --- answers ---------------------------------------------------------------------------------------------- */

/* A whole TCP or UDP datagram in a frame; places are offsets in it. */
struct wh_datagram {
	enum wh_family family;
	uint8_t proto;
	uint32_t addresses; /* source, then destination */
	uint32_t addresses_len;
	uint32_t at; /* the TCP or UDP header, which is there whole without its options */
	uint32_t len;
};

/* 0; -EINVAL for what is no such frame, or malformed. */
int wh_frame_datagram(const struct wh_frame *f, struct wh_datagram *out);

/*
 * The frame as it leaves, of the same length: a checksum that a virtual device left for hardware to finish is finished.
 */
void wh_frame_finish(const struct wh_frame *f, uint8_t *out);

#endif
