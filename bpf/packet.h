/* SPDX-License-Identifier: GPL-2.0 */
/*
 * packet.h: what the pipeline knows of a packet after one look at its headers (parse.h).  Everything later uses
 * these offsets; none is derived twice.
 */
#ifndef WH_BPF_PACKET_H
#define WH_BPF_PACKET_H

#include "checksum.h"

#include <wanhelm/reason.h>

enum packet_kind {
	PACKET_WHOLE,
	PACKET_FIRST_FRAGMENT, /* with ports and L4 checksum */
	PACKET_LATER_FRAGMENT, /* without: fragment.h knows the ports */
	PACKET_ICMP_ERROR,     /* speaks of the packet that it quotes: icmp_error.h */
};

enum segment_flag { SEGMENT_FIN = 0x01, SEGMENT_SYN = 0x02, SEGMENT_RST = 0x04, SEGMENT_ACK = 0x10 };

/* linux/icmp.h cannot be included for the BPF target; ICMPv6 begins alike. */
struct icmp_head {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be16 id_be; /* of a query; of packet-too-big and frag-needed the MTU stands in the last word */
	__be16 sequence_be;
};

#define DNS_PORT 53

/* What protocols without a place for ports are translated by: the address alone. */
#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif
#define PROTO_IPIP 4
#define PROTO_IPV6 41
#define PROTO_GRE 47
#define PROTO_ESP 50
#define PROTO_ICMPV6 58
#define PROTO_ICMP_OF_FAMILY (WH_FAMILY == 4 ? IPPROTO_ICMP : PROTO_ICMPV6)

struct packet {
	addr_t src_be;
	addr_t dst_be;
	__be16 sport_be; /* ICMP query: the identifier, in either direction */
	__be16 dport_be; /* ICMP query: 0 */
	__u8 proto;
	__u8 ttl;	/* hop limit */
	__u8 kind;	/* enum packet_kind */
	__u8 tcp_flags; /* enum segment_flag */
	__u8 is_answer; /* ICMP query: its reply */
	__u8 dont_fragment;
	__u8 l4_header_len;
	__u8 dscp;
	__u32 l3_len; /* of the whole (perhaps to be segmented) packet */
	__u32 l4_offset;
	__u64 leave_ns; /* CLOCK_MONOTONIC; when it may leave, 0: at once */
	__u32 mtu;	/* what it did not fit into, where -WH_REASON_TOO_BIG is returned */
	__be32 tcp_seq_be;
	__be32 tcp_ack_be;
	__be32 fragment_id_be;
	__be16 leaving_id_be; /* IPv4: a fragment's, once fragment.h has chosen it */
	__u16 mac_tag;	      /* folded source MAC */
	__u8 src_mac[ETH_ALEN];
	__u8 dst_mac[ETH_ALEN];
	__u8 class; /* where it has no flow yet: what it was found to be; 0: not looked at */
};

/* Which end is rewritten, to what. */
struct rewrite {
	addr_t from_be;
	addr_t to_be;
	__be16 port_from_be;
	__be16 port_to_be;
	__u8 source; /* 1: the source, on the way out; 0: the destination, on the way in */
	__u8 hop;    /* what is taken from the time to live, modulo 256: 0 where the kernel has done it */
};

/* `ports`: source and destination, as TCP and UDP begin. */
static __always_inline void port_store(__be16 *ports, const struct rewrite *r)
{
	ports[r->source ? 0 : 1] = r->port_to_be;
}

/* The packet of this CPU; off the stack, where two IPv6 addresses are a lot. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} packet SEC(".maps");

static __always_inline struct packet *packet_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&packet, &zero);
}

/* Empty; never NULL, but the verifier wants that looked at. */
static __always_inline struct packet *packet_new(void)
{
	struct packet *p = packet_here();

	if (p)
		__builtin_memset(p, 0, sizeof(*p));
	return p;
}

/* Whether the protocol has ports (or an identifier) that can be translated. */
static __always_inline int has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == PROTO_ICMP_OF_FAMILY;
}

static __always_inline int is_fragment(const struct packet *p)
{
	return p->kind == PACKET_FIRST_FRAGMENT || p->kind == PACKET_LATER_FRAGMENT;
}

static __always_inline __u32 headers_len(const struct packet *p)
{
	return p->l4_offset - wh_l2_len + p->l4_header_len;
}

#endif
