/* SPDX-License-Identifier: GPL-2.0 */
/*
 * family.h: what differs between IPv4 and IPv6 in name only.  Each object is compiled for one family (WH_FAMILY is
 * 4 or 6), so that its programs stay small; the pipeline is written once against the names below.  What differs in
 * substance (headers, checksums, errors) stands in ip4.h and ip6.h.
 */
#ifndef WH_BPF_FAMILY_H
#define WH_BPF_FAMILY_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <wanhelm/flow.h>
#include <wanhelm/sweep.h>
#include <wanhelm/wan.h>
#include <wanhelm/wire.h>

#if WH_FAMILY == 4
#define OF_FAMILY(name) name##4
typedef __be32 addr_t;
typedef struct wh_flow4_key flow_key_t;
typedef struct wh_flow4 flow_t;
typedef struct wh_reply4_key reply_key_t;
typedef struct wh_reply4 reply_t;
typedef struct wh_bind4_key bind_key_t;
typedef struct wh_port4 port_t;
typedef struct wh_inbound4_key inbound_key_t;
typedef struct wh_inbound4 inbound_t;
typedef struct wh_fragment4_key fragment_key_t;
typedef struct wh_sweep4 sweep_t;
typedef struct wh_wan4 wan_ip_t;
#define WAN_IP v4
#define LAN_ADDR addr4_be
#elif WH_FAMILY == 6
#define OF_FAMILY(name) name##6
typedef struct wh_addr6 addr_t;
typedef struct wh_flow6_key flow_key_t;
typedef struct wh_flow6 flow_t;
typedef struct wh_reply6_key reply_key_t;
typedef struct wh_reply6 reply_t;
typedef struct wh_bind6_key bind_key_t;
typedef struct wh_port6 port_t;
typedef struct wh_inbound6_key inbound_key_t;
typedef struct wh_inbound6 inbound_t;
typedef struct wh_fragment6_key fragment_key_t;
typedef struct wh_sweep6 sweep_t;
typedef struct wh_wan6 wan_ip_t;
#define WAN_IP v6
#define LAN_ADDR addr6_be
#else
#error "WH_FAMILY is 4 or 6"
#endif

typedef struct wh_pending pending_t;

/* Maps and programs, by the names that they have in the kernel. */
#define wh_flows OF_FAMILY(wh_flows)
#define wh_replies OF_FAMILY(wh_replies)
#define wh_binds OF_FAMILY(wh_binds)
#define wh_ports OF_FAMILY(wh_ports)
#define wh_pending OF_FAMILY(wh_pending)
#define wh_inbound OF_FAMILY(wh_inbound)
#define wh_fragments OF_FAMILY(wh_fragments)
#define wh_sweep OF_FAMILY(wh_sweep)
#define wh_lan_in OF_FAMILY(wh_lan_in)
#define wh_lan_out OF_FAMILY(wh_lan_out)
#define wh_wan_in OF_FAMILY(wh_wan_in)
#define wh_wan_out OF_FAMILY(wh_wan_out)
#define wh_probe_in OF_FAMILY(wh_probe_in)
#define wh_sweep_run OF_FAMILY(wh_sweep_run)
#define wh_explain_run OF_FAMILY(wh_explain_run)
#define wh_note_bind OF_FAMILY(wh_note_bind)
#define wh_xdp OF_FAMILY(wh_xdp)

/*
 * What few packets need stands in global functions: the verifier looks at each once, apart from its callers, and their
 * stack is used only while they run.  They take at most five arguments: the context, numbers, and pointers to data
 * without pointers in it, which must be looked at for NULL.
 */
#ifdef WH_XDP /* in the driver's programs there are none, and what nobody calls is not compiled */
#define COLD static __attribute__((noinline, unused))
#else
#define COLD __attribute__((noinline))
#endif
/* The same for the stack's sake only, where pointers into maps are handed on: looked at anew for each caller. */
#define APART static __attribute__((noinline, unused))

/* Addresses of the link layer stand at even addresses wherever they do; the compiler would copy them octet by octet. */
static __always_inline void mac_copy(void *to, const void *from)
{
#pragma unroll
	for (int i = 0; i < 3; i++)
		((__u16 *)to)[i] = ((const __u16 *)from)[i];
}

static __always_inline __u16 fold_mac(const void *mac)
{
	const __u16 *m = mac;

	return m[0] ^ m[1] ^ m[2];
}

#define ADDR_WORDS (sizeof(addr_t) / sizeof(__be32))

static __always_inline const __be32 *addr_words(const addr_t *a)
{
	return (const __be32 *)a;
}

static __always_inline int addr_equal(const addr_t *a, const addr_t *b)
{
	__be32 difference = 0;

#pragma unroll
	for (unsigned i = 0; i < ADDR_WORDS; i++)
		difference |= addr_words(a)[i] ^ addr_words(b)[i];
	return difference == 0;
}

static __always_inline int addr_is_zero(const addr_t *a)
{
	__be32 any = 0;

#pragma unroll
	for (unsigned i = 0; i < ADDR_WORDS; i++)
		any |= addr_words(a)[i];
	return any == 0;
}

static __always_inline const wan_ip_t *wan_ip(const struct wh_wan *wan)
{
	return &wan->WAN_IP;
}

#endif
