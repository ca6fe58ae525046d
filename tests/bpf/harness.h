/* SPDX-License-Identifier: GPL-2.0 */
/*
 * harness.h: the router under test: the real programs and maps, loaded on a private bpf file system in a
 * private network namespace, filled as the controller would fill them, and fed with single packets by
 * BPF_PROG_TEST_RUN.  Everything vanishes with the process.  packet.h says what packets should look like.
 *
 * Each test program: lab_main() with its tests and a size of the flow table; LAB_TEST() for each, which puts
 * the router back into its first state: two LANs, WANs 0 and 1 translated, WANs 2 to 7 known but not alive,
 * class 0 with every bucket preferring WAN 0, then 1, no flows, every count 0.
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
#include "packet.h"

#define LAB_LANS 2
#define LAB_WANS WH_MAX_WANS
#define LAB_MARK 0x57000000U
#define LAB_MARK_MASK 0xff000000U

enum { VERDICT_NEXT = -1, VERDICT_DROP = 2, VERDICT_REDIRECT = 7 };

#define CLIENT_A IP(192, 168, 1, 10)
#define CLIENT_B IP(192, 168, 1, 11)
#define CLIENT_LAN1 IP(192, 168, 2, 20)
#define REMOTE_1 IP(20, 1, 1, 1)
#define REMOTE_2 IP(20, 2, 2, 2)
#define LAB_PORT_FIRST 20000
#define LAB_PORT_LAST 31999

extern const uint8_t mac_a[6], mac_b[6], mac_isp[6];

struct lab {
	struct wh_programs *programs;
	struct wh_tables t;
	char bpf_dir[64];
	uint32_t max_flows;
	unsigned lan_ifindex[LAB_LANS], wan_ifindex[LAB_WANS], prober_ifindex;
	struct wh_lan lan[LAB_LANS], prober, spare; /* the last: a device that the tables do not name */
	struct wh_wan wan[LAB_WANS];		    /* as first written; a test changes the map by lab_set_wan() */
};

extern struct lab lab;

int lab_reset(void **state);
#define LAB_TEST(f) cmocka_unit_test_setup(f, lab_reset)

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
};

struct result {
	int verdict;
	uint32_t mark;
	struct packet packet; /* as the program left it */
};

/* 0, or -errno where the kernel does not run the program at all. For threads, which may not fail a test. */
int lab_try(enum wh_hook hook, const struct lab_context *context, const struct packet *in, struct result *out);
/* The same; fails the test. */
struct result lab_run(enum wh_hook hook, const struct lab_context *context, const struct packet *in);
/* The usual contexts: from LAN device 0, from a WAN, forwarded to a WAN, from the prober. */
struct result lab_from_lan(const struct packet *in);
struct result lab_from_wan(unsigned wan, const struct packet *in);
struct result lab_to_wan(unsigned wan, const struct packet *in);
struct result lab_from_prober(const struct packet *in);

/* A packet on LAN 0 from `mac_a` to us; one that reaches us on a WAN; each where the spec names no MACs. */
struct packet client_packet(struct spec s);
struct packet remote_packet(unsigned wan, struct spec s);
/* The answer to what left on the WAN as `sent`, as it comes in there. */
struct packet lab_answer(unsigned wan, const struct packet *sent, uint8_t tcp_flags);
/* A client's usual packet, with 40 bytes of payload; a TCP segment, with payload where it is pushed. */
struct packet lab_packet(uint8_t proto, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport);
struct packet lab_segment(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport, uint8_t tcp_flags);

/* --- judging them ------------------------------------------------------------------------------------------ */

void expect_packet(const struct packet *got, const struct packet *want);
/* Redirected with the done mark, translated to WAN's address byte for byte. Returns the external port. */
uint16_t expect_out(const struct result *r, const struct packet *in, unsigned wan);
/* Send from LAN 0 and expect_out(). */
uint16_t send_out(const struct packet *in, unsigned wan);
/* Send the answer to what `in` became on the WAN, expect it delivered byte for byte. Returns what was delivered. */
struct packet answer_in(const struct packet *in, unsigned wan, uint16_t external_port, uint8_t tcp_flags);
/* The TCP session that many tests speak of, and its opening by both ends. Returns the external port. */
struct packet session_segment(uint8_t tcp_flags);
uint16_t session_open(unsigned wan);
/* Left to others, not a byte changed, mark as it was. */
void expect_untouched(const struct result *r, const struct packet *in);
void expect_dropped(const struct result *r);
/* A valid RST back to the client who sent `in`. */
void expect_reset(const struct result *r, const struct packet *in);
/* How often the reason was counted since the test began. */
uint64_t lab_reason(enum wh_reason reason);
uint64_t lab_reasons_total(void);

/* --- the tables -------------------------------------------------------------------------------------------- */

void lab_set_wan(unsigned wan, const struct wh_wan *row);
void lab_leave_untranslated(unsigned wan);
void lab_set_masks(uint8_t keep, uint8_t fresh);
void lab_set_alive(uint8_t alive);
void lab_set_class(enum wh_affinity affinity, enum wh_on_failover on_failover);
void lab_set_route(uint32_t dst, unsigned prefix_len, enum wh_route_kind kind);
/* Every bucket alike: WANs in order of preference, ended by -1. */
void lab_set_order(const int *wans);
/* A whole new table. */
void lab_set_buckets(const struct wh_bucket_table *table);
struct wh_counters lab_counters(unsigned class, unsigned wan);

bool lab_flow(const struct packet *first, struct wh_flow4 *out); /* of a client's packet */
bool lab_bind(const struct packet *first, struct wh_bind4 *out);
unsigned lab_entries(int map);
void lab_forget_flows(void);
/* Every flow has its reply, every binding its ports, and the other way round; counts agree. */
void lab_expect_consistent(void);

/* One run of the sweep over everything that stands in the tables. The form holds what it did. */
void lab_sweep(enum wh_sweep_task task, unsigned wan);
/* All timers alike. */
void lab_set_timers(uint64_t ns);

#endif
