/* SPDX-License-Identifier: GPL-2.0 */
/* test_health.c: rounds, slots and timeouts of one WAN's probes. */
#include <math.h>

#include "health_fixture.h"

static void start(unsigned icmp, unsigned tcp, unsigned quorum)
{
	struct wh_conf_profile p = default_profile(icmp, tcp);

	p.quorum = quorum;
	start_health(&p, WH_V4);
}

static void good_with_the_first_answer(void **state)
{
	(void)state;
	start(2, 0, 1);
	assert_int_equal(send_at(START), 2);
	assert_int_equal(orders[0].target, 0);
	assert_int_equal(orders[1].target, 1);
	assert_int_equal(orders[1].seq, orders[0].seq + 1);
	assert_int_equal(answer(1, orders[1].seq, 5 * MS, START + 5 * MS), WH_VERDICT_GOOD);
	/* judged once only, and the other target's loss makes it no worse */
	assert_int_equal(answer(0, orders[0].seq, 6 * MS, START + 6 * MS), WH_VERDICT_NONE);
	assert_int_equal(expire(START + 10 * SECOND), WH_VERDICT_NONE);
}

static void bad_when_time_is_up(void **state)
{
	struct wh_verdict verdict;

	(void)state;
	start(2, 0, 1);
	send_at(START);
	assert_int_equal(wh_health_next(&health) <= START + 220 * MS, 1);
	assert_int_equal(expire(START + WH_TIMEOUT_FIRST_NS - 1), WH_VERDICT_NONE);
	verdict = wh_health_expire(&health, START + WH_TIMEOUT_FIRST_NS);
	assert_int_equal(verdict.kind, WH_VERDICT_BAD);
	assert_true(verdict.sent_ns == START);
	assert_int_equal(expire(START + WH_TIMEOUT_FIRST_NS), WH_VERDICT_NONE);
	assert_int_equal(health.targets[0].last, WH_TARGET_BAD);
}

static void quorum_of_two(void **state)
{
	(void)state;
	start(3, 0, 2);
	send_at(START);
	assert_int_equal(answer(0, orders[0].seq, MS, START + MS), WH_VERDICT_NONE);
	assert_int_equal(answer(2, orders[2].seq, MS, START + MS), WH_VERDICT_GOOD);
	expire(START + SECOND);
	/* one answer is not enough, once the others' last results are bad */
	assert_int_equal(send_at(START + SECOND), 3);
	assert_int_equal(answer(0, orders[0].seq, MS, START + SECOND + MS), WH_VERDICT_GOOD); /* target 2 still is */
	assert_int_equal(expire(START + 2 * SECOND), WH_VERDICT_NONE);
	assert_int_equal(send_at(START + 2 * SECOND), 3);
	assert_int_equal(answer(0, orders[0].seq, MS, START + 2 * SECOND + MS), WH_VERDICT_NONE);
	assert_int_equal(expire(START + 3 * SECOND), WH_VERDICT_BAD);
}

static void newer_answer_outranks_older_loss(void **state)
{
	uint32_t old;

	(void)state;
	start(1, 0, 1);
	send_at(START);
	old = orders[0].seq;
	assert_int_equal(send_at(START + 500 * MS), 1);
	assert_int_not_equal(orders[0].seq, old);
	assert_int_equal(answer(0, orders[0].seq, MS, START + 501 * MS), WH_VERDICT_GOOD);
	/* the older round was not answered, and says nothing */
	assert_int_equal(expire(START + 1100 * MS), WH_VERDICT_NONE);
	assert_int_equal(health.targets[0].last, WH_TARGET_OK);
	/* the other way round: an older answer does not hide a newer loss */
	send_at(START + 2 * SECOND);
	old = orders[0].seq;
	send_at(START + 2300 * MS);
	assert_int_equal(wh_health_result(&health, 0, orders[0].seq, WH_PROBE_REFUSED, MS, START + 2301 * MS).kind,
			 WH_VERDICT_BAD);
	assert_int_equal(answer(0, old, 240 * MS, START + 2302 * MS), WH_VERDICT_BAD);
	assert_int_equal(health.targets[0].last, WH_TARGET_BAD);
}

static void kinds_keep_their_intervals(void **state)
{
	uint64_t last_ns = START, least_ns = UINT64_MAX, most_ns = 0, now_ns = START;
	unsigned icmp = 0, tcp = 0;

	(void)state;
	start(2, 1, 1);
	assert_int_equal(send_at(START), 3);
	while (now_ns < START + 50 * SECOND) {
		unsigned n;

		now_ns = wh_health_next(&health);
		expire(now_ns);
		n = send_at(now_ns);
		tcp += n == 1 || n == 3;
		if (n < 2)
			continue;
		icmp++;
		least_ns = now_ns - last_ns < least_ns ? now_ns - last_ns : least_ns;
		most_ns = now_ns - last_ns > most_ns ? now_ns - last_ns : most_ns;
		last_ns = now_ns;
	}
	assert_in_range(least_ns, 180 * MS, 185 * MS);
	assert_in_range(most_ns, 215 * MS, 220 * MS);
	assert_in_range(icmp, 235, 265);
	assert_in_range(tcp, 9, 11);
}

static void burst_leaves_tcp_attempts_alone(void **state)
{
	uint64_t now_ns = START + MS;

	(void)state;
	start(1, 1, 1);
	assert_int_equal(send_at(START), 2);
	wh_health_burst(&health, now_ns);
	assert_true(wh_health_next(&health) == now_ns);
	assert_int_equal(send_at(now_ns), 1);
	assert_int_equal(orders[0].target, 0);
	assert_int_equal(send_at(now_ns + 19 * MS), 0);
	assert_int_equal(send_at(now_ns + 20 * MS), 1);
	/* the attempt has run out: tried again, and then left alone again */
	now_ns = START + SECOND;
	while (expire(now_ns) != WH_VERDICT_NONE)
		;
	assert_int_equal(send_at(now_ns), 2);
	assert_int_equal(send_at(now_ns + 20 * MS), 1);
	/* answered: free for the next round */
	answer(1, seq - 2, MS, now_ns + 21 * MS);
	assert_int_equal(send_at(now_ns + 40 * MS), 2);
	wh_health_calm(&health);
	assert_int_equal(send_at(now_ns + 60 * MS), 0);
	assert_in_range(health.due_ns[WH_PROBE_ICMP], now_ns + 220 * MS, now_ns + 260 * MS);
}

static void burst_ends_by_itself(void **state)
{
	uint64_t now_ns = START;
	unsigned rounds = 0;

	(void)state;
	start(1, 0, 1);
	wh_health_burst(&health, START);
	for (; now_ns < START + 10 * SECOND; now_ns = wh_health_next(&health)) {
		while (expire(now_ns) != WH_VERDICT_NONE)
			;
		rounds += send_at(now_ns);
	}
	assert_false(health.burst);
	assert_in_range(rounds, 250 + 20, 250 + 32);
}

static void automatic_timeout(void **state)
{
	static const struct {
		uint64_t rtt_ns, timeout_ns;
	} cases[] = {{MS, 250 * MS},
		     {62 * MS, 250 * MS},
		     {100 * MS, 400 * MS},
		     {499 * MS, 1996 * MS},
		     {900 * MS, 2 * SECOND}};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		start(1, 0, 1);
		assert_true(wh_health_timeout(&health) == WH_TIMEOUT_FIRST_NS);
		send_at(START);
		answer(0, orders[0].seq, cases[i].rtt_ns, START + cases[i].rtt_ns);
		assert_true(wh_health_timeout(&health) == cases[i].timeout_ns);
		health.profile.timeout_ns = 777 * MS;
		assert_true(wh_health_timeout(&health) == 777 * MS);
	}
}

static void late_answers(void **state)
{
	struct wh_figures figures;
	uint32_t late;

	(void)state;
	start(1, 0, 1);
	send_at(START);
	answer(0, orders[0].seq, 10 * MS, START + 10 * MS);
	send_at(START + SECOND);
	late = orders[0].seq;
	assert_int_equal(expire(START + 1250 * MS), WH_VERDICT_BAD);
	assert_int_equal(answer(0, late, 400 * MS, START + 1400 * MS), WH_VERDICT_LATE);
	wh_health_figures(&health, START + 1500 * MS, &figures);
	assert_true(figures.loss_ratio == 0.5);
	assert_int_equal(health.targets[0].last, WH_TARGET_BAD);
	/* the next timeouts know of it */
	assert_true(health.meter.srtt_ns == 10 * MS + 390 * MS / 8);
	/* late by the prober's clock though not yet by ours: the same */
	send_at(START + 2 * SECOND);
	assert_int_equal(answer(0, orders[0].seq, 300 * MS, START + 2 * SECOND + 100 * MS), WH_VERDICT_LATE);
	assert_int_equal(expire(START + 5 * SECOND), WH_VERDICT_NONE);
	wh_health_figures(&health, START + 5 * SECOND, &figures);
	assert_true(fabs(figures.loss_ratio - 2.0 / 3) < 1e-9);
	/* read late by us, but in time by the prober's clock: in time */
	send_at(START + 6 * SECOND);
	assert_int_equal(answer(0, orders[0].seq, 20 * MS, START + 8 * SECOND), WH_VERDICT_GOOD);
}

static void duplicates_count_once(void **state)
{
	struct wh_figures figures;

	(void)state;
	start(1, 0, 1);
	send_at(START);
	assert_int_equal(answer(0, orders[0].seq, 10 * MS, START + 10 * MS), WH_VERDICT_GOOD);
	assert_int_equal(answer(0, orders[0].seq, 90 * MS, START + 90 * MS), WH_VERDICT_NONE);
	assert_true(health.meter.srtt_ns == 10 * MS);
	wh_health_figures(&health, START + 100 * MS, &figures);
	assert_true(figures.loss_ratio == 0);
}

/* The ring is used again and again; an answer that is older than it lands in nobody's slot. */
static void slots_are_used_again(void **state)
{
	uint64_t now_ns = START;
	uint32_t first;

	(void)state;
	start(2, 0, 2);
	send_at(START);
	first = orders[0].seq;
	for (unsigned i = 0; i < 3 * WH_ROUNDS; i++) {
		now_ns += SECOND;
		while (expire(now_ns) != WH_VERDICT_NONE)
			;
		assert_int_equal(send_at(now_ns), 2);
	}
	assert_int_equal(answer(0, first, 5 * MS, now_ns + MS), WH_VERDICT_LATE);
	assert_int_equal(health.targets[0].last, WH_TARGET_BAD);
	/* a seq of the other target, or of no probe at all */
	assert_int_equal(answer(0, orders[1].seq, 5 * MS, now_ns + MS), WH_VERDICT_LATE);
	assert_int_equal(answer(9, orders[0].seq, 5 * MS, now_ns + MS), WH_VERDICT_LATE);
	assert_int_equal(health.targets[0].last, WH_TARGET_BAD);
	assert_true(health.targets[0].rtt_ns == 0);
	/* and the slot's own answers still land in it */
	assert_int_equal(answer(0, orders[0].seq, 5 * MS, now_ns + 5 * MS), WH_VERDICT_NONE);
	assert_int_equal(answer(1, orders[1].seq, 6 * MS, now_ns + 6 * MS), WH_VERDICT_GOOD);
	assert_true(health.targets[0].rtt_ns == 5 * MS && health.targets[1].rtt_ns == 6 * MS);
}

static void full_ring_waits(void **state)
{
	unsigned sent = 0;

	(void)state;
	start(1, 0, 1);
	health.profile.timeout_ns = 60 * SECOND;
	wh_health_burst(&health, START);
	for (uint64_t t = 0; t < 4 * SECOND; t += 20 * MS)
		sent += send_at(START + t);
	assert_int_equal(sent, WH_ROUNDS);
	assert_int_equal(answer(0, 7, 3 * SECOND, START + 4 * SECOND), WH_VERDICT_GOOD); /* the oldest still known */
	assert_int_equal(send_at(START + 4 * SECOND), 1);
}

static void refused_and_unsent(void **state)
{
	struct wh_figures figures;

	(void)state;
	start(2, 0, 1);
	send_at(START);
	/* our own trouble: as if never sent */
	wh_health_result(&health, 0, orders[0].seq, WH_PROBE_UNSENT, 0, START);
	assert_int_equal(wh_health_result(&health, 1, orders[1].seq, WH_PROBE_UNSENT, 0, START).kind, WH_VERDICT_NONE);
	assert_int_equal(expire(START + 10 * SECOND), WH_VERDICT_NONE);
	assert_int_equal(health.targets[0].last, WH_TARGET_UNKNOWN);
	wh_health_figures(&health, START + MS, &figures);
	assert_true(isnan(figures.loss_ratio));
	/* a no is bad at once, when the whole round is known */
	send_at(START + SECOND);
	assert_int_equal(wh_health_result(&health, 0, orders[0].seq, WH_PROBE_REFUSED, MS, START + SECOND).kind,
			 WH_VERDICT_NONE);
	assert_int_equal(wh_health_result(&health, 1, orders[1].seq, WH_PROBE_REFUSED, MS, START + SECOND).kind,
			 WH_VERDICT_BAD);
	assert_int_equal(wh_health_good_targets(&health), 0);
}

static void round_waits_for_room(void **state)
{
	(void)state;
	start(4, 0, 1);
	assert_int_equal(wh_health_send(&health, START, &seq, &seed, orders, 3), 0);
	assert_true(wh_health_next(&health) == START);
	assert_int_equal(wh_health_send(&health, START, &seq, &seed, orders, 4), 4);
}

static void other_targets_start_anew(void **state)
{
	struct wh_conf_profile p = default_profile(1, 0);

	(void)state;
	start(1, 0, 1);
	send_at(START);
	answer(0, orders[0].seq, MS, START + MS);
	p.quorum = p.down_after = 9;
	p.interval_ns[WH_PROBE_ICMP] = 50 * MS;
	wh_health_configure(&health, &p, WH_V4, START + 2 * MS);
	assert_int_equal(health.targets[0].last, WH_TARGET_OK);
	assert_int_equal(health.profile.quorum, 9);
	assert_true(wh_health_next(&health) <= START + 52 * MS); /* the new interval binds at once */
	p.targets[0].addr.v4.s_addr ^= 1;
	wh_health_configure(&health, &p, WH_V4, START + 2 * MS);
	assert_int_equal(health.targets[0].last, WH_TARGET_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_with_the_first_answer),
		cmocka_unit_test(bad_when_time_is_up),
		cmocka_unit_test(quorum_of_two),
		cmocka_unit_test(newer_answer_outranks_older_loss),
		cmocka_unit_test(kinds_keep_their_intervals),
		cmocka_unit_test(burst_leaves_tcp_attempts_alone),
		cmocka_unit_test(burst_ends_by_itself),
		cmocka_unit_test(automatic_timeout),
		cmocka_unit_test(late_answers),
		cmocka_unit_test(duplicates_count_once),
		cmocka_unit_test(slots_are_used_again),
		cmocka_unit_test(full_ring_waits),
		cmocka_unit_test(refused_and_unsent),
		cmocka_unit_test(round_waits_for_room),
		cmocka_unit_test(other_targets_start_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
