/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reason.h: why the data plane dropped a packet, or left one to the kernel.  One list holds number, name
 * and text; wh_reasons counts by number.
 */
#ifndef WANHELM_REASON_H
#define WANHELM_REASON_H

/* Reasons from this one on leave the packet to the kernel; those before drop it. */
#define WH_REASON_FIRST_KERNEL WH_REASON_KERNEL_ROUTE

#define WH_REASONS(X)                                                                                                  \
	X(NONE, "none", "no reason")                                                                                   \
	/* dropped */                                                                                                  \
	X(MALFORMED, "malformed", "a header is cut short or contradicts itself")                                       \
	X(CHECKSUM, "checksum", "an ICMP error with a wrong checksum")                                                 \
	X(SOURCE_ROUTE, "source-route", "IPv4 source routing")                                                         \
	X(FRAGMENT, "fragment", "a fragment whose first one is not known, beyond what is kept waiting")                \
	X(NO_WAN, "no-wan", "no WAN may carry the flow")                                                               \
	X(TABLE_FULL, "table-full", "no room for another flow")                                                        \
	X(NO_PORT, "no-port", "no external port is free")                                                              \
	X(RACE, "race", "two CPUs dealt with the flow at once; the sender repeats the packet")                         \
	X(TTL, "ttl", "an answer's time to live was used up")                                                          \
	X(TOO_BIG, "too-big", "larger than the WAN's MTU")                                                             \
	X(LEAK, "leak", "would have left by a translated WAN with a source that is not the WAN's")                     \
	X(AFTER_RESET, "after-reset", "late packet of a session that was reset")                                       \
	X(NO_NEIGHBOUR, "no-neighbour", "the gateway's link-layer address is not known yet")                           \
	X(CLIENT_LIMIT, "client-limit", "the client has as many flows as it may have")                                 \
	X(NO_SOURCE, "no-source", "IPv6: no WAN may carry this source")                                                \
	X(UNTRANSLATABLE, "untranslatable", "cannot be translated for this WAN")                                       \
	X(SLOW_FULL, "slow-full", "more for the controller to fragment or to keep waiting than is allowed")            \
	X(CLASS_DROP, "class-drop", "its class is dropped")                                                            \
	X(CLASS_REJECT, "class-reject", "its class is rejected, and the sender told")                                  \
	X(RATE, "rate", "more than its class may send or receive by that WAN")                                         \
	X(PROBE_UNKNOWN, "probe-unknown", "from the prober, but not from a WAN's probe address")                       \
	X(HELD, "held", "its WAN is dead and has lost the flow's address, and is waited for")                          \
	/* left to the kernel */                                                                                       \
	X(KERNEL_ROUTE, "kernel-route", "left to the kernel: its routes lead elsewhere than to a default WAN")         \
	X(KERNEL_PROTO, "kernel-proto", "left to the kernel: not a protocol that is steered")                          \
	X(KERNEL_MIDFLOW, "kernel-midflow", "left to the kernel: TCP in mid-session that did not start here")          \
	X(KERNEL_MARTIAN, "kernel-martian", "left to the kernel: a source that no packet may have")                    \
	X(KERNEL_FIREWALL, "kernel-firewall", "shown to the kernel's firewall before it is carried")                   \
	X(KERNEL_FRAGMENT, "kernel-fragment", "a fragment, for the kernel to put together")                            \
	X(KERNEL_NEVER, "kernel-never", "left to the kernel: never steered (DHCP and the like)")                       \
	X(KERNEL_OWN, "kernel-own", "left to the kernel: a session that it brought in itself, or a bound socket's")    \
	X(KERNEL_CLASS, "kernel-class", "left to the kernel: its class says so")                                       \
	X(FILTERED, "filtered",                                                                                        \
	  "to a port that a client uses, from where it does not go: only the user's own rules take it")                \
	X(KERNEL_TTL, "kernel-ttl", "left to the kernel: time to live used up")                                        \
	X(DNS_UNLEARNT, "dns-unlearnt", "a DNS answer that did not wait until its names were known")

enum wh_reason {
#define X(name, id, text) WH_REASON_##name,
	WH_REASONS(X)
#undef X
		WH_REASON_COUNT
};

#endif
