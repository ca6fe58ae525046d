/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_dns_message.c: what answers of the DNS say of addresses: good ones, those that say nothing, hostile ones, and
 * damage at random (the seed is printed).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../fuzz/dns_check.h"
#include "dns_fixture.h"
#include "random.h"

#define ROUNDS 100000

static struct message m;
static struct wh_dns_answer answer;

static int parse(void)
{
	return wh_dns_parse(m.bytes, m.len, &answer);
}

static void assert_address(unsigned i, const char *text, uint32_t ttl_s)
{
	char got[INET6_ADDRSTRLEN];

	assert_true(i < answer.n_addresses);
	inet_ntop(AF_INET6, &answer.addresses[i].addr, got, sizeof(got));
	assert_string_equal(got, text);
	assert_int_equal(answer.addresses[i].ttl_s, ttl_s);
}

/* --- good answers ----------------------------------------------------------------------------------------- */

static void an_answer_names_addresses(void **state)
{
	(void)state;
	ask(&m, ANSWER_FLAGS, "WWW.Example.COM", TYPE_A);
	put_address(&m, NULL, 300, "192.0.2.1");
	put_address(&m, "www.eXample.com", 5, "192.0.2.2");
	put_address(&m, NULL, 0x80000001, "2001:db8::1"); /* RFC 2181 §8: a TTL with that bit is 0 */
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.n_names, 1);
	assert_string_equal(answer.names[0], "www.example.com");
	assert_int_equal(answer.n_addresses, 3);
	assert_address(0, "::ffff:192.0.2.1", 300);
	assert_address(1, "::ffff:192.0.2.2", 5);
	assert_address(2, "2001:db8::1", 0);
}

static void a_chain_may_stand_in_any_order(void **state)
{
	static const char *const names[] = {"a.test", "b.test", "c.test", "d.test"};

	(void)state;
	for (unsigned backwards = 0; backwards < 2; backwards++) {
		ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
		if (backwards)
			put_address(&m, "d.test", 60, "192.0.2.1");
		for (unsigned i = 0; i < 3; i++) {
			unsigned at = backwards ? 2 - i : i;

			put_cname(&m, names[at], names[at + 1]);
		}
		if (!backwards)
			put_address(&m, "d.test", 60, "192.0.2.1");
		assert_int_equal(parse(), 0);
		assert_int_equal(answer.n_names, 4);
		for (unsigned i = 0; i < 4; i++)
			assert_string_equal(answer.names[i], names[i]);
		assert_int_equal(answer.n_addresses, 1);
	}
}

/* RFC 6891: with an OPT record behind the answers; RFC 4035: with signatures between them. */
static void other_records_do_not_matter(void **state)
{
	(void)state;
	ask(&m, ANSWER_FLAGS | 0x0430, "a.test", TYPE_AAAA); /* AA, AD, CD */
	put_pointer(&m, HEADER_LEN);
	put_record(&m, 46, 60, "signature", 9);
	put_address(&m, NULL, 60, "2001:db8::1");
	put8(&m, 0);
	put_16(&m, TYPE_OPT);
	put_16(&m, 1232);
	put_bytes(&m, "\0\0\0\0\0\0", 6);
	count_one(&m, 3);
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.n_addresses, 1);
	assert_address(0, "2001:db8::1", 60);
}

/* --- those that say nothing ------------------------------------------------------------------------------- */

static void only_good_answers_count(void **state)
{
	static const struct {
		unsigned flags;
		int err;
	} cases[] = {{ANSWER_FLAGS, 0},
		     {ANSWER_FLAGS & ~0x8000U, -ENOENT}, /* a question */
		     {ANSWER_FLAGS | 0x2800, -ENOENT},	 /* an update */
		     {ANSWER_FLAGS | 3, -ENOENT},	 /* no such name */
		     {ANSWER_FLAGS | 2, -ENOENT},
		     {ANSWER_FLAGS | 0x0200, 0}}; /* truncated, with what there was room for */

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(&m, cases[i].flags, "a.test", TYPE_A);
		put_address(&m, NULL, 60, "192.0.2.1");
		assert_int_equal(parse(), cases[i].err);
	}
	ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
	assert_int_equal(parse(), -ENOENT); /* no data */
	put_cname(&m, "a.test", "b.test");
	assert_int_equal(parse(), -ENOENT);
	ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
	m.bytes[m.len - 1] = 3; /* of another class */
	put_address(&m, NULL, 60, "192.0.2.1");
	assert_int_equal(parse(), -ENOENT);
	ask(&m, ANSWER_FLAGS, "", TYPE_A);
	put_address(&m, NULL, 60, "192.0.2.1");
	assert_int_equal(parse(), -ENOENT); /* the root */
}

static void what_was_not_asked_for_is_not_believed(void **state)
{
	(void)state;
	ask(&m, ANSWER_FLAGS, "mine.test", TYPE_A);
	put_address(&m, "bank.test", 60, "192.0.2.66");
	put_cname(&m, "bank.test", "mine.test");
	put_address(&m, NULL, 60, "192.0.2.1");
	put_cname(&m, "mine.test", "further.test");
	put_address(&m, "further.test", 60, "192.0.2.2");
	put_address(&m, "test", 60, "192.0.2.3");
	put_name(&m, "further.test");
	put_record(&m, TYPE_NS, 60, "\2ns\4test", 9);
	put_address(&m, "ns.test", 60, "192.0.2.4");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.n_names, 2);
	assert_int_equal(answer.n_addresses, 2);
	assert_address(0, "::ffff:192.0.2.1", 60);
	assert_address(1, "::ffff:192.0.2.2", 60);
}

/* A dot inside a label would look like a border between labels. */
static void a_name_with_odd_bytes_is_passed_over(void **state)
{
	static const char *const odd[] = {"\5x.abc\4test", "\3a\\b\4test", "\3a\1b\4test", "\3a\xc3z\4test"};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		ask(&m, ANSWER_FLAGS, "", TYPE_A);
		m.len = HEADER_LEN;
		put_bytes(&m, odd[i], strlen(odd[i]) + 1);
		put_bytes(&m, "\0\1\0\1", 4);
		put_address(&m, NULL, 60, "192.0.2.1");
		assert_int_equal(parse(), -ENOENT);
	}
}

/* --- hostile ones ----------------------------------------------------------------------------------------- */

static void loops_end(void **state)
{
	(void)state;
	ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
	put_cname(&m, "a.test", "b.test");
	put_cname(&m, "b.test", "a.test");
	put_address(&m, "b.test", 60, "192.0.2.1");
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.n_names, 2);
	ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
	put_pointer(&m, m.len); /* to itself */
	put_record(&m, TYPE_A, 60, "\300\0\2\1", 4);
	assert_int_equal(parse(), -EBADMSG);
	ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
	put_pointer(&m, m.len + 2);
	put_pointer(&m, m.len - 2);
	assert_int_not_equal(parse(), 0);
	ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
	put_pointer(&m, 0x3fff); /* beyond the end */
	put_record(&m, TYPE_A, 60, "\300\0\2\1", 4);
	assert_int_equal(parse(), -EBADMSG);
}

static void bounds_hold(void **state)
{
	char from[16], to[16], address[16];

	(void)state;
	ask(&m, ANSWER_FLAGS, "n0.test", TYPE_A);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(from, sizeof(from), "n%u.test", i);
		snprintf(to, sizeof(to), "n%u.test", i + 1);
		put_cname(&m, from, to);
	}
	for (unsigned i = 0; i < 200; i++) {
		snprintf(address, sizeof(address), "192.0.2.%u", i);
		put_address(&m, NULL, 60, address);
	}
	assert_int_equal(parse(), 0);
	assert_int_equal(answer.n_names, WH_DNS_CHAIN_MAX);
	assert_int_equal(answer.n_addresses, WH_DNS_ADDRESSES_MAX);
	for (unsigned i = 0; i < 2000; i++)
		put_address(&m, NULL, 60, "192.0.2.1");
	assert_int_equal(parse(), 0);
}

static void an_address_has_its_length(void **state)
{
	(void)state;
	for (unsigned type = TYPE_A; type <= TYPE_AAAA; type += TYPE_AAAA - TYPE_A) {
		for (unsigned len = 0; len < 20; len++) {
			ask(&m, ANSWER_FLAGS, "a.test", type);
			put_pointer(&m, HEADER_LEN);
			put_record(&m, type, 60, "0123456789abcdefghij", len);
			assert_int_equal(parse(), len == (type == TYPE_A ? 4 : 16) ? 0 : -ENOENT);
		}
	}
}

/* Wherever it ends, and the memory with it. */
static void one_that_ends_early_says_nothing(void **state)
{
	(void)state;
	ask(&m, ANSWER_FLAGS, "a.test", TYPE_A);
	put_cname(&m, "a.test", "b.test");
	put_address(&m, "b.test", 60, "192.0.2.1");
	for (size_t len = 0; len < m.len; len++) {
		uint8_t *bytes = malloc(len + 1);

		assert_non_null(bytes);
		memcpy(bytes + 1, m.bytes, len);
		assert_int_equal(wh_dns_parse(bytes + 1, len, &answer), -EBADMSG);
		free(bytes);
	}
	assert_int_equal(wh_dns_parse(m.bytes, 65536, &answer), -EBADMSG);
}

static void damage_at_random_does_no_harm(void **state)
{
	struct message whole;

	(void)state;
	ask(&whole, ANSWER_FLAGS, "www.example.com", TYPE_A);
	put_cname(&whole, "www.example.com", "cdn.example.net");
	put_address(&whole, "cdn.example.net", 60, "192.0.2.1");
	put_address(&whole, NULL, 60, "2001:db8::1");
	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *wrong;

		m.len = pick((uint32_t)whole.len) + 1;
		memcpy(m.bytes, whole.bytes, m.len);
		for (unsigned k = pick(6); k; k--)
			m.bytes[pick((uint32_t)m.len)] = (uint8_t)pick(256);
		if (pick(8) == 0)
			fill(m.bytes + HEADER_LEN, m.len > HEADER_LEN ? (uint32_t)m.len - HEADER_LEN : 0);
		wrong = dns_check(m.bytes, m.len);
		if (wrong)
			fail_msg("%s", wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_names_addresses),
		cmocka_unit_test(a_chain_may_stand_in_any_order),
		cmocka_unit_test(other_records_do_not_matter),
		cmocka_unit_test(only_good_answers_count),
		cmocka_unit_test(what_was_not_asked_for_is_not_believed),
		cmocka_unit_test(a_name_with_odd_bytes_is_passed_over),
		cmocka_unit_test(loops_end),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(an_address_has_its_length),
		cmocka_unit_test(one_that_ends_early_says_nothing),
		cmocka_unit_test(damage_at_random_does_no_harm),
	};

	return cmocka_run_group_tests_name("dns message", tests, seed, NULL);
}
