/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_random.c: hundreds of thousands of packets of every kind from few clients to few remotes, while WANs die,
 * return and change their addresses, and the sweep runs.  Whatever happens: nothing leaves half translated,
 * with a wrong sum, or by a translated WAN with a source that is not the WAN's; the tables stay whole.
 *
 * WANHELM_SEED in the environment repeats a run; the seed is printed.
 */
#include "harness.h"
#include "shape.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PACKETS 200000
#define CHECK_EVERY 20000
#define CLIENTS 4
#define WANS 3
#define UNTRANSLATED 2 /* a WAN that leaves sources as they are */
#define REMEMBERED 512
#define NEVER (1ULL << 60)

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_TCP, PROTO_ICMP, PROTO_GRE};
static const uint8_t segments[] = {TCP_SYN, TCP_SYN, TCP_ACK, TCP_PSH | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, 0xff};

/* --- the world ---------------------------------------------------------------------------------------------- */

static uint8_t client_macs[CLIENTS][6];

static void set_up(void)
{
	struct wh_wan row = lab.wan[UNTRANSLATED];
	struct wh_bucket_table table;

	row.v4.flags &= ~(unsigned)WH_WAN_MASQUERADE;
	lab_set_wan(UNTRANSLATED, &row);
	for (unsigned i = 0; i < WH_BUCKETS; i++)
		table.order[i] = (const uint32_t[]){0x321, 0x132, 0x213}[i % 3];
	lab_set_buckets(&table);
	lab_set_masks(0x07, 0x07);
	lab_set_alive(0x07);
	for (uint8_t i = 0; i < CLIENTS; i++)
		memcpy(client_macs[i], (const uint8_t[]){2, 0xdd, i, 0, 0, i}, 6);
}

static struct packet random_packet(uint64_t *chance)
{
	uint32_t client = below(chance, CLIENTS);
	struct spec s = {.t = {.src = CLIENT_A + client,
			       .dst = REMOTE_1 + below(chance, 5),
			       .sport = (uint16_t)(5000 + below(chance, 6)),
			       .dport = (uint16_t)(53 + below(chance, 2)),
			       .proto = protos[below(chance, sizeof(protos))]},
			 .src_mac = client_macs[client],
			 .dst_mac = lab.lan[0].mac,
			 .seq = below(chance, 0xffffffff),
			 .ack = below(chance, 0xffffffff),
			 .payload = (uint16_t)below(chance, 100),
			 .ttl = (uint8_t)(1 + below(chance, 20)),
			 .ihl = (uint8_t)(below(chance, 4) ? 5 : 5 + below(chance, 11)),
			 .tcp_flags = segments[below(chance, sizeof(segments))],
			 .no_checksum = !below(chance, 5)};

	return packet_make(&s);
}

static bool is_client(address a)
{
	return a >= CLIENT_A && a < CLIENT_A + CLIENTS;
}

/* The WAN that a source is of; each translated WAN has two addresses, and takes turns. */
static unsigned wan_of(address a)
{
	for (unsigned wan = 0; wan < UNTRANSLATED; wan++) {
		if (a == lab_own(wan) || a == lab_own(wan) + 1)
			return wan;
	}
	return is_client(a) ? UNTRANSLATED : WH_MAX_WANS;
}

/* --- judging ------------------------------------------------------------------------------------------------ */

/* What is dropped may look as it likes; what others are to have must not. */
static const char *judge_unsent(const struct packet *in, const struct result *r)
{
	if (r->verdict == VERDICT_DROP)
		return NULL;
	if (r->verdict != VERDICT_NEXT)
		return "an unknown verdict";
	return packet_equal(&r->packet, in) ? NULL : "left to others, but changed";
}

/* Back to the client, from the router: there was no port left. */
static bool is_refusal(const struct packet *in, const struct result *r)
{
	return packet_tuple(&r->packet).src == lab_router(in) && result_is_refusal(r, in);
}

static const char *judge_reset(const struct packet *in, const struct packet *out)
{
	struct packet want = packet_reset(in, packet_has_ack(out));

	packet_take_free_reset_fields(&want, out);
	return packet_equal(out, &want) ? NULL : "a wrong RST";
}

/* What is wrong with what became of a client's packet; NULL: nothing. */
static const char *judge_out(const struct packet *in, const struct result *r)
{
	struct tuple before = packet_tuple(in), after = packet_tuple(&r->packet);
	struct packet want;

	if (r->verdict != VERDICT_REDIRECT)
		return judge_unsent(in, r);
	if ((r->mark & LAB_MARK_MASK) != LAB_MARK)
		return "sent without the done mark";
	if (is_refusal(in, r))
		return NULL;
	if (after.dst == before.src && before.proto == PROTO_TCP)
		return judge_reset(in, &r->packet);
	if (wan_of(after.src) == WH_MAX_WANS)
		return "a source that is neither the client's own nor a WAN's";
	if (after.src != before.src && before.proto != PROTO_GRE &&
	    (after.sport < LAB_PORT_FIRST || after.sport > LAB_PORT_LAST))
		return "a port outside the range";
	want = packet_translated(in, after.src, after.sport);
	want = lab_leaving(wan_of(after.src), &want);
	return packet_equal(&r->packet, &want) ? NULL : "not translated as it should be";
}

static const char *judge_in(const struct packet *in, const struct result *r)
{
	struct tuple after = packet_tuple(&r->packet);
	uint16_t port = after.proto == PROTO_ICMP ? after.sport : after.dport;
	struct packet want;

	if (r->verdict == VERDICT_NEXT && is_client(after.dst)) { /* garbage had opened it by way of the kernel */
		want = packet_changed(in, &(struct change){DESTINATION, after.dst, port, true, true, 0});
		return packet_equal(&r->packet, &want) ? NULL : "half translated";
	}
	if (r->verdict != VERDICT_REDIRECT)
		return judge_unsent(in, r);
	if (!is_client(after.dst))
		return "delivered to nobody we know";
	want = packet_delivered(in, after.dst, port, lab.lan[0].mac, client_macs[after.dst - CLIENT_A]);
	return packet_equal(&r->packet, &want) ? NULL : "not delivered as it should be";
}

/* --- one client, or many at once ---------------------------------------------------------------------------- */

/* What one thread has seen leave, so that it can be answered. */
struct player {
	uint64_t chance;
	struct packet sent[REMEMBERED];
	unsigned rounds, out, in, left;
	const char *wrong;
};

static const char *play_out(struct player *me)
{
	struct lab_context context = {.ifindex = lab.lan_ifindex[0]};
	struct packet p = random_packet(&me->chance);
	struct result r = {};
	const char *wrong;

	if (lab_try(WH_HOOK_LAN_IN, &context, &p, &r))
		return "the kernel does not run it";
	wrong = judge_out(&p, &r);
	if (!wrong && r.verdict == VERDICT_REDIRECT && !is_client(packet_tuple(&r.packet).dst))
		me->sent[me->out++ % REMEMBERED] = r.packet;
	return wrong;
}

static const char *play_in(struct player *me)
{
	unsigned wan = below(&me->chance, WANS), known = me->out < REMEMBERED ? me->out : REMEMBERED;
	struct lab_context context = {.ifindex = lab.wan_ifindex[wan]};
	struct packet answer;
	struct result r = {};

	if (!known)
		return NULL;
	answer = lab_answer(wan, &me->sent[below(&me->chance, known)], segments[below(&me->chance, sizeof(segments))]);
	if (lab_try(WH_HOOK_WAN_IN, &context, &answer, &r))
		return "the kernel does not run it";
	me->in += r.verdict == VERDICT_REDIRECT;
	return judge_in(&answer, &r);
}

/* Bytes of a good packet overwritten at random: nobody says what must come of it, but what must not. */
static const char *play_garbage(struct player *me)
{
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[0]};
	enum wh_hook hook = (enum wh_hook)below(&me->chance, WH_HOOKS);
	struct packet p = random_packet(&me->chance);
	struct result r = {};

	for (unsigned n = 1 + below(&me->chance, 4); n; n--)
		p.bytes[12 + below(&me->chance, 48)] = (uint8_t)below(&me->chance, 256);
	p.len = 34 + below(&me->chance, (uint32_t)p.len - 33);
	if (hook != WH_HOOK_LAN_IN && hook != WH_HOOK_LAN_OUT)
		context.ifindex = hook == WH_HOOK_PROBE_IN ? lab.prober_ifindex : lab.wan_ifindex[0];
	if (lab_try(hook, &context, &p, &r))
		return NULL; /* the kernel itself found it too short */
	if (hook == WH_HOOK_WAN_OUT && r.verdict == VERDICT_NEXT)
		return packet_equal(&r.packet, &p) || wan_of(packet_tuple(&r.packet).src) == 0 ? NULL : "a leak";
	if (r.verdict != VERDICT_REDIRECT)
		return judge_unsent(&p, &r);
	return 14U + packet_ip_len(&p) > p.len ? "garbage sent" : NULL;
}

/* The controller's part, by one thread only. */
static void play_controller(struct player *me)
{
	unsigned what = below(&me->chance, 8), wan = below(&me->chance, UNTRANSLATED);
	struct wh_wan row = lab.wan[wan];

	if (what < 3) {
		lab_set_alive((uint8_t)below(&me->chance, 8));
	} else if (what == 3) {
		lab_set_masks((uint8_t)below(&me->chance, 8), (uint8_t)below(&me->chance, 8));
	} else if (what == 4) {
		row.v4.addr_be = htobe32(be32toh(row.v4.addr_be) + below(&me->chance, 2));
		lab_set_wan(wan, &row);
	} else if (what == 5) {
		lab_sweep(WH_SWEEP_RESET, wan);
	} else {
		for (unsigned i = 0; i < WH_TIMER_COUNT; i++)
			lab.t.sweep_form4->timers_ns[i] = below(&me->chance, 3) ? NEVER : 0;
		lab_sweep(WH_SWEEP_EXPIRE, 0);
	}
}

static const char *play(struct player *me)
{
	unsigned what = below(&me->chance, 20);

	return what < 12 ? play_out(me) : what < 18 ? play_in(me) : play_garbage(me);
}

/*
 * Garbage may open flows of clients that nobody knows, and ports are only so many; the sweep takes them out again,
 * a slice at a time from the front of the tables, unless too many stand there.
 */
static void expect_whole(void)
{
	lab_expect_consistent();
	lab_set_timers(0);
	for (unsigned i = 0; lab_flows() && i < 200; i++)
		lab_sweep(WH_SWEEP_EXPIRE, 0);
	lab_expect_consistent();
	assert_int_equal(lab_flows(), 0);
	assert_int_equal(lab_replies(), 0);
	for (unsigned i = 0; lab_binds() && i < 200; i++)
		lab_sweep(WH_SWEEP_EXPIRE, 0);
	assert_int_equal(lab_binds(), 0);
	assert_int_equal(lab_ports(), 0);
}

static void test_one_at_a_time(void **state)
{
	static struct player me;

	(void)state;
	set_up();
	me.chance = chance_seed();
	for (unsigned i = 1; i <= PACKETS; i++) {
		const char *wrong = play(&me);

		if (wrong)
			fail_msg("packet %u: %s", i, wrong);
		if (!below(&me.chance, 40))
			play_controller(&me);
		if (i % CHECK_EVERY == 0)
			lab_expect_consistent();
	}
	printf("%u sent, %u delivered\n", me.out, me.in);
	assert_true(me.out > PACKETS / 20 && me.in > PACKETS / 100);
	expect_whole();
}

static void *play_on(void *arg)
{
	struct player *me = arg;

	while (me->left-- && !me->wrong)
		me->wrong = play(me);
	return NULL;
}

/* Two CPUs over the same few endpoints, a third party flipping and sweeping meanwhile. */
static void test_at_once(void **state)
{
	static struct player players[2], controller;
	uint64_t chance = chance_seed();
	pthread_t threads[2];

	(void)state;
	set_up();
	controller.chance = chance + 99;
	for (unsigned i = 0; i < 2; i++) {
		players[i] = (struct player){.chance = chance + i, .left = PACKETS / 4};
		assert_int_equal(pthread_create(&threads[i], NULL, play_on, &players[i]), 0);
	}
	for (unsigned i = 0; i < 2000; i++)
		play_controller(&controller);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		if (players[i].wrong)
			fail_msg("thread %u: %s", i, players[i].wrong);
	}
	printf("%u and %u sent, %llu races\n", players[0].out, players[1].out,
	       (unsigned long long)lab_reason(WH_REASON_RACE));
	expect_whole();
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_one_at_a_time),
	LAB_TEST(test_at_once),
};

LAB_MAIN(tests, 16384)
