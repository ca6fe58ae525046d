/* SPDX-License-Identifier: GPL-2.0 */
/*
 * harness.h: the router under test: the real programs and maps, loaded on a private bpf file system in a
 * private network namespace, filled as the controller would fill them, and fed with single packets by
 * BPF_PROG_TEST_RUN.  With WANHELM_TEST_XDP set what comes in meets the XDP program first, and the tc one only if that
 * leaves it as it came, so that every test judges both; lab_xdp.h has XDP alone.  Everything vanishes with the process.
 * packet.h says what packets should look like.
 *
 * Each test program: lab_main() with its tests and a size of the flow table; LAB_TEST() or LAB_BOTH() for each, which puts
 * the router back into its first state: two LANs, WANs 0 and 1 translated in both families, WANs 2 to 7 known but
 * not alive, class 0 with every bucket preferring WAN 0, then 1, and dropping what none may carry, the firewall
 * bypassed, no flows, every count 0.
 */
#ifndef WANHELM_TESTS_HARNESS_H
#define WANHELM_TESTS_HARNESS_H

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "kern/load.h"
#include "kern/tables.h"
#include "icmp.h"
#include "npt.h"

#define LAB_LANS 2
#define LAB_WANS WH_MAX_WANS
#define LAB_MARK 0x57000000U
#define LAB_MARK_MASK 0xff000000U

enum { VERDICT_NEXT = -1, VERDICT_DROP = 2, VERDICT_REDIRECT = 7 };

/* Of the family that the test is run in. */
#define CLIENT_A lab_client(lab.family, 0)
#define CLIENT_B lab_client(lab.family, 1)
#define CLIENT_LAN1 (CLIENT_A + 300)
#define REMOTE_1 lab_remote(lab.family, 0)
#define REMOTE_2 lab_remote(lab.family, 0x10000)
#define ROUTER_LAN0 IP(192, 168, 1, 1)
#define ROUTER6_LAN0 IP6(0xfd00, 1, 0, 1, 0, 0, 0, 1)
/* What the LANs' own IPv6 addresses are in. */
#define INSIDE6 IP6(0xfd00, 1, 0, 0, 0, 0, 0, 0)
#define INSIDE6_LEN 48
#define LAB_PORT_FIRST 20000
#define LAB_PORT_LAST 31999

extern const uint8_t mac_a[6], mac_b[6], mac_isp[6];

struct lab {
	struct wh_programs *programs;
	struct wh_tables t;
	char bpf_dir[64];
	enum wh_family family; /* that the test is run in */
	uint32_t max_flows;
	unsigned lan_ifindex[LAB_LANS], wan_ifindex[LAB_WANS], prober_ifindex;
	struct wh_lan lan[LAB_LANS], prober, spare; /* the last: a device that the tables do not name */
	bool xdp;				    /* packets that come in meet our XDP program first */
	unsigned by_xdp;			    /* how many it has carried */
	struct wh_wan wan[LAB_WANS];		    /* as first written; a test changes the map by lab_set_wan() */
};

extern struct lab lab;

int lab_reset(void **state);
int lab_reset6(void **state);
void lab_again(void); /* the same in the midst of a test, in its family */
/* A test that is run once; one that is run in IPv4 and again in IPv6. */
#define LAB_TEST(f)                                                                                                    \
	{                                                                                                              \
#f, f, lab_reset, NULL, NULL                                                                           \
	}
#define LAB_BOTH(f)                                                                                                    \
	LAB_TEST(f),                                                                                                   \
	{                                                                                                              \
#f "_ipv6", f, lab_reset6, NULL, NULL                                                                  \
	}

/* Set the router up, run the tests, take all down. The exit status of main(). */
int lab_main(const char *name, const struct CMUnitTest *tests, size_t count, uint32_t max_flows);
#define LAB_MAIN(tests, max_flows)                                                                                     \
	int main(void)                                                                                                 \
	{                                                                                                              \
		return lab_main(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]), max_flows);                       \
	}

/* --- feeding packets --------------------------------------------------------------------------------------- */

struct lab_context {
	unsigned ifindex;	  /* the device of the hook */
	unsigned ingress_ifindex; /* where a forwarded packet came in */
	uint32_t mark;
	uint32_t gso_size;
	uint32_t cb[2]; /* as an earlier hook left it */
};

struct result {
	int verdict;
	uint32_t mark;
	uint32_t cb[2];
	uint64_t tstamp;
	struct packet packet; /* as the program left it */
};

/* 0, or -errno where the kernel does not run the program at all. For threads, which may not fail a test. */
int lab_try(enum wh_hook hook, const struct lab_context *context, const struct packet *in, struct result *out);
/* lab_try(); fails the test. */
struct result lab_run(enum wh_hook hook, const struct lab_context *context, const struct packet *in);
/* The usual contexts: from LAN device 0, from a WAN, forwarded to a WAN, from the prober. */
struct result lab_from_lan(const struct packet *in);
struct result lab_from_wan(unsigned wan, const struct packet *in);
struct result lab_to_wan(unsigned wan, const struct packet *in);
struct result lab_from_prober(const struct packet *in);

/* The same out of or into the first LAN, for a packet of the kernel's on its way to a client. */
struct result lab_to_lan(const struct packet *in);

/*
 * What becomes of a client's packet that goes the kernel's way: up at lan_in, which must not change a byte of it, one
 * hop, and out at the device of WAN `device`.
 */
struct result lab_by_kernel(const struct packet *in, unsigned device);
/* It after the kernel: one hop less, and the MACs of that device and of its gateway. */
struct packet lab_forwarded(const struct packet *in, unsigned device);

/* Until packets are stamped later than `from_ns`, though they only know the kernel's last tick. */
void lab_await_tick(uint64_t from_ns);

/* A packet on LAN 0 from `mac_a` to us; one that reaches us on a WAN; each where the spec names no MACs. */
struct packet client_packet(struct spec s);
struct packet remote_packet(unsigned wan, struct spec s);
/* The answer to what left on the WAN as `sent`, as it comes in there. */
struct packet lab_answer(unsigned wan, const struct packet *sent, uint8_t tcp_flags);
/* A client's usual packet, with 40 bytes of payload; a TCP segment, with payload where it is pushed. */
struct packet lab_packet(uint8_t proto, address src, uint16_t sport, address dst, uint16_t dport);
struct packet lab_segment(address src, uint16_t sport, address dst, uint16_t dport, uint8_t tcp_flags);

/* Clients on LAN 0 and remotes of either family, by number from 0 on. */
address lab_client(enum wh_family family, unsigned n);
address lab_remote(enum wh_family family, unsigned n);
/* The WAN's address in the packet's family; the router's on LAN 0. */
address lab_external(unsigned wan, const struct packet *family);
address lab_own(unsigned wan); /* in the family of the test */
address lab_router(const struct packet *family);

/* As it leaves on the WAN: from our device to the gateway. */
struct packet lab_leaving(unsigned wan, const struct packet *p);

/* --- judging them ------------------------------------------------------------------------------------------ */

void expect_packet(const struct packet *got, const struct packet *want);
/* Redirected with the done mark, byte for byte. */
void expect_sent(const struct result *r, const struct packet *want);
/* The same at wan_out; by the device that the kernel meant, the packet simply goes on. */
void expect_out_by_kernel(const struct result *r, const struct packet *want, bool its_device);
/* expect_sent() for a packet that is translated to WAN's address. Returns the external port, 0 where it has none. */
uint16_t expect_out(const struct result *r, const struct packet *in, unsigned wan);
/* Send from LAN 0 and expect_out(). */
uint16_t send_out(const struct packet *in, unsigned wan);
/* Send the answer to what `in` became on the WAN, expect it delivered byte for byte. Returns what was delivered. */
struct packet answer_in(const struct packet *in, unsigned wan, uint16_t external_port, uint8_t tcp_flags);
/* The TCP session that many tests speak of, and its opening by both ends. Returns the external port. */
struct packet session_segment(uint8_t tcp_flags);
uint16_t session_open(unsigned wan);
/* Left to others, not a byte changed. */
void expect_let_by(const struct result *r, const struct packet *in);
/* The same, and without a mark. */
void expect_untouched(const struct result *r, const struct packet *in);
void expect_dropped(const struct result *r);
/* No room for a new flow: its client is told so by an ICMP error, unless too many were told already. */
void expect_refused(const struct result *r, const struct packet *in);
bool result_is_refusal(const struct result *r, const struct packet *in);
/* A valid RST back to the client who sent `in`. */
/* From a stranger to a client's port: up, with a mark by which only the user's own rules let it in. */
void expect_filtered(const struct result *r, const struct packet *in);
void expect_reset(const struct result *r, const struct packet *in);
/* Sent back to where it came from: an ICMP error, or anything else of our own, but for the fields that are free. */
void expect_error(const struct result *r, const struct packet *want);
/* How often the reason was counted since the test began. */
uint64_t lab_reason(enum wh_reason reason);
uint64_t lab_reasons_total(void);

/* --- the tables -------------------------------------------------------------------------------------------- */

void lab_put6(struct wh_addr6 *out, address value);
void lab_set_wan(unsigned wan, const struct wh_wan *row);
void lab_set_lan(unsigned lan, const struct wh_lan *row);
void lab_readdress(unsigned wan, address address); /* in the family of the test; 0: lost */
void lab_leave_untranslated(unsigned wan);	   /* in IPv6 then no client's source fits */
void lab_keep_sources(unsigned wan);		   /* in IPv6 the inside prefix is that WAN's own */
/* IPv6 by prefix translation on that WAN, from INSIDE6 to lab_prefix(). */
void lab_translate_prefix(unsigned wan);
struct prefix lab_prefix(unsigned wan);
struct prefix lab_inside(void);
void lab_set_firewall(enum wh_firewall_mode mode, uint32_t generation);
/* Both families alike. */
void lab_set_masks(uint8_t keep, uint8_t fresh);
/* Beside those that are set: WANs that some flows are to leave, and those that keep theirs while dead. */
void lab_set_leave(uint8_t leave);
void lab_set_held(uint8_t held);
/* Which flows are to leave: those older than so many seconds if they can without harm; those on the WAN anyhow. */
uint32_t lab_born_before(unsigned seconds); /* the second of CLOCK_MONOTONIC before which flows of that age were born */
void lab_set_moved(unsigned seconds);
void lab_set_old(unsigned wan, unsigned seconds);
void lab_set_alive(uint8_t alive);
void lab_set_class(enum wh_affinity affinity, enum wh_on_failover on_failover);
void lab_set_on_none(enum wh_on_none on_none);
void lab_set_action(enum wh_class_action action);
/* The WANs that class 0 may ever use. */
void lab_set_allowed(uint8_t allowed);
/* Classes or match lines have changed. */
void lab_renew_policy(void);
void lab_set_route(address dst, unsigned prefix_len, enum wh_route_kind kind, unsigned wan);
void lab_drop_route(address dst, unsigned prefix_len);
/* Every bucket alike: WANs in order of preference, ended by -1. */
void lab_set_order(const int *wans);
/* A whole new table. */
void lab_set_buckets(const struct wh_bucket_table *table);
struct wh_counters lab_counters(unsigned class, unsigned wan);

bool lab_flow(const struct packet *first, struct wh_flow *out); /* of a client's packet */
/* As if the sweep or a reset had come by. */
void lab_set_pin_state(const struct packet *first, enum wh_flow_state pin_state);
/* Every flow was opened so many seconds earlier than it was. */
void lab_age_flows(unsigned seconds);
bool lab_bind(const struct packet *first, struct wh_bind *out);
unsigned lab_entries(int map);
/* Entries of both families. */
unsigned lab_flows(void);
unsigned lab_replies(void);
unsigned lab_binds(void);
unsigned lab_ports(void);
unsigned lab_ports_in_use(void); /* without those freed a short time ago */
void lab_forget_flows(void);
void lab_forget_pending(void);
/* Every flow has its reply, every binding its ports, and the other way round; counts agree. */
void lab_expect_consistent(void);

/* One run of the sweep over everything that stands in the tables. The form holds what it did. */
void lab_sweep(enum wh_sweep_task task, unsigned wan);
/* The same for WH_SWEEP_RESET, but only for flows older than so many seconds. */
void lab_sweep_older(unsigned wan, unsigned seconds);
/* What the last one did, in the family of the test; it may be told other timers there. */
struct wh_sweep *lab_form(void);
/* All timers alike. */
void lab_set_timers(uint64_t ns);

#endif
