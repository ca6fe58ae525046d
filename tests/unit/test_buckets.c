/* SPDX-License-Identifier: GPL-2.0 */
/* test_buckets.c: shares of the buckets, with all WANs and with every subset of them failed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/buckets.h"

static struct wh_conf_class class;
static struct wh_bucket_table table;
static const unsigned same_number[WH_MAX_WANS] = {0, 1, 2, 3, 4, 5, 6, 7};

struct shape {
	const char *name;
	unsigned n;
	uint32_t weights[WH_MAX_WANS];
};

static const struct shape shapes[] = {
	{"one", 1, {7}},
	{"equal pair", 2, {1, 1}},
	{"80/20", 2, {80, 20}},
	{"3/1/1", 3, {3, 1, 1}},
	{"7/2/1", 3, {7, 2, 1}},
	{"equal four", 4, {1, 1, 1, 1}},
	{"decades", 4, {1, 10, 100, 1000}},
	{"equal eight", 8, {5, 5, 5, 5, 5, 5, 5, 5}},
	{"one to eight", 8, {1, 2, 3, 4, 5, 6, 7, 8}},
	{"halves", 8, {1000, 500, 250, 125, 60, 30, 15, 7}},
	{"one giant", 8, {1000, 1, 1, 1, 1, 1, 1, 1}},
	{"giants and dwarfs", 8, {1000, 900, 800, 3, 2, 1, 1, 1}},
};
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void fill(unsigned n, const uint32_t *weights)
{
	memset(&class, 0, sizeof(class));
	class.n_tiers = 1;
	class.tiers[0].n_members = n;
	for (unsigned i = 0; i < n; i++)
		class.tiers[0].members[i] = (struct wh_conf_member){.wan = i, .weight = weights[i]};
	wh_buckets_fill(&class, same_number, &table);
}

static double quota(unsigned n, const uint32_t *weights, unsigned usable, unsigned i)
{
	double sum = 0;

	for (unsigned k = 0; k < n; k++)
		sum += usable >> k & 1 ? weights[k] : 0;
	return (double)WH_BUCKETS * weights[i] / sum;
}

/* The largest distance from an exact quota after exactly `failed` failures, over all subsets. */
static double worst(unsigned n, const uint32_t *weights, unsigned failed)
{
	double most = 0;

	for (unsigned usable = 1; usable < 1U << n; usable++) {
		unsigned count[WH_MAX_WANS], sum = 0;

		if (n - (unsigned)__builtin_popcount(usable) != failed)
			continue;
		wh_buckets_count(&table, (uint8_t)usable, count);
		for (unsigned i = 0; i < n; i++) {
			sum += count[i];
			if (usable >> i & 1)
				most = fmax(most, fabs(count[i] - quota(n, weights, usable, i)));
			else
				assert_int_equal(count[i], 0);
		}
		assert_int_equal(sum, WH_BUCKETS); /* no bucket is without a WAN */
	}
	return most;
}

/* The bounds that buckets.c states: with one failure at most, nobody is a whole bucket off. */
static void check_bounds(unsigned n, const uint32_t *weights, double *most)
{
	fill(n, weights);
	for (unsigned failed = 0; failed < n; failed++) {
		double off = worst(n, weights, failed);

		assert_true(off < (failed < 2 ? 1 : failed == 2 ? 2.5 : 8));
		most[failed] = fmax(most[failed], off);
	}
}

static void shares_after_every_failure(void **state)
{
	(void)state;
	for (unsigned s = 0; s < N_SHAPES; s++) {
		double most[WH_MAX_WANS] = {0}, all = 0;

		check_bounds(shapes[s].n, shapes[s].weights, most);
		for (unsigned i = 0; i < shapes[s].n; i++)
			all = fmax(all, most[i]);
		print_message("  %-18s worst %.2f buckets, %.2f points\n", shapes[s].name, all, all / WH_BUCKETS * 100);
	}
}

static void shares_of_random_weights(void **state)
{
	double most[WH_MAX_WANS] = {0};

	(void)state;
	srandom(20240502);
	print_message("  seed 20240502, 100 sets of weights 1..1000, worst by number of failures:\n ");
	for (unsigned s = 0; s < 100; s++) {
		uint32_t weights[WH_MAX_WANS];
		unsigned n = 2 + s % 7;

		/* evenly on a scale, and evenly on a logarithmic one */
		for (unsigned i = 0; i < n; i++) {
			double u = (double)random() / RAND_MAX;

			weights[i] = (uint32_t)(s % 2 ? 1 + u * 999 : pow(1000, u));
		}
		check_bounds(n, weights, most);
	}
	for (unsigned i = 0; i < WH_MAX_WANS; i++)
		print_message(" %.2f", most[i]);
	print_message(" buckets\n");
}

/* First choices: the exact quota rounded down or up, the larger remainders up. */
static void primaries_by_largest_remainder(void **state)
{
	(void)state;
	for (unsigned s = 0; s < N_SHAPES; s++) {
		const struct shape *x = &shapes[s];
		unsigned count[WH_MAX_WANS];
		double least_up = 1, most_down = 0;

		fill(x->n, x->weights);
		wh_buckets_count(&table, 0xff, count);
		for (unsigned i = 0; i < x->n; i++) {
			double exact = quota(x->n, x->weights, 0xff, i), rest = exact - floor(exact);

			assert_true(count[i] == floor(exact) || count[i] == ceil(exact));
			if (count[i] > exact)
				least_up = fmin(least_up, rest);
			else if (rest > 0)
				most_down = fmax(most_down, rest);
		}
		assert_true(least_up >= most_down);
	}
	fill(2, shapes[2].weights);
	assert_int_equal(table.order[0] >> 8, 0); /* two WANs, and the list ends */
}

static void tiers_come_in_order(void **state)
{
	static const unsigned number_of[WH_MAX_WANS] = {7, 3, 0, 5};
	unsigned count[WH_MAX_WANS];

	(void)state;
	memset(&class, 0, sizeof(class));
	class.n_tiers = 3;
	class.tiers[0] = (struct wh_conf_tier){.members = {{2, 3}, {0, 1}}, .n_members = 2};
	class.tiers[1] = (struct wh_conf_tier){.members = {{1, 9}}, .n_members = 1};
	class.tiers[2] = (struct wh_conf_tier){.members = {{3, 1}}, .n_members = 1};
	wh_buckets_fill(&class, number_of, &table);
	for (unsigned b = 0; b < WH_BUCKETS; b++) {
		uint32_t order = table.order[b];

		assert_true((order & 0xff) == 0x18 || (order & 0xff) == 0x81); /* number 0 and 7 */
		assert_int_equal(order >> 8, 0x64);			       /* 3, then 5, then nothing */
	}
	wh_buckets_count(&table, 0xff, count);
	assert_int_equal(count[0], 768);
	assert_int_equal(count[7], 256);
	wh_buckets_count(&table, 1 << 3 | 1 << 5, count);
	assert_int_equal(count[3], WH_BUCKETS);
	wh_buckets_count(&table, 1 << 1, count); /* not in the class */
	assert_int_equal(count[1], 0);
	/* a later tier is shared by its weights too */
	class.tiers[1] = (struct wh_conf_tier){.members = {{1, 1}, {3, 1}}, .n_members = 2};
	class.n_tiers = 2;
	wh_buckets_fill(&class, number_of, &table);
	wh_buckets_count(&table, 1 << 3 | 1 << 5, count);
	assert_int_equal(count[3], 512);
	assert_int_equal(count[5], 512);
}

static void no_wans_no_choice(void **state)
{
	(void)state;
	memset(&class, 0, sizeof(class));
	memset(&table, 0xff, sizeof(table));
	wh_buckets_fill(&class, same_number, &table);
	for (unsigned b = 0; b < WH_BUCKETS; b++)
		assert_int_equal(table.order[b], 0);
}

static void the_same_on_each_run(void **state)
{
	static struct wh_bucket_table again;

	(void)state;
	fill(8, shapes[8].weights);
	again = table;
	fill(8, shapes[9].weights);
	assert_memory_not_equal(&again, &table, sizeof(table));
	fill(8, shapes[8].weights);
	assert_memory_equal(&again, &table, sizeof(table));
}

/* Another WAN, or another weight, moves about as many buckets as it must. */
static void a_change_moves_few(void **state)
{
	static const uint32_t before[] = {1, 1, 1}, another[] = {1, 1, 1, 1}, heavier[] = {2, 1, 1};
	struct wh_bucket_table old;
	unsigned moved_another = 0, moved_heavier = 0;

	(void)state;
	fill(3, before);
	old = table;
	fill(4, another);
	for (unsigned b = 0; b < WH_BUCKETS; b++)
		moved_another += (old.order[b] & WH_ORDER_MASK) != (table.order[b] & WH_ORDER_MASK);
	fill(3, heavier);
	for (unsigned b = 0; b < WH_BUCKETS; b++)
		moved_heavier += (old.order[b] & WH_ORDER_MASK) != (table.order[b] & WH_ORDER_MASK);
	print_message("  a fourth equal WAN moves %u buckets (256 must), a doubled weight %u (171 must)\n",
		      moved_another, moved_heavier);
	assert_in_range(moved_another, 256, 310);
	assert_in_range(moved_heavier, 170, 215);
}

/* As good as any hash of 32 bits that is not the table's own. */
static uint32_t hash_of_random_flow(void)
{
	uint32_t h = 2166136261U;

	for (unsigned i = 0; i < 12; i++)
		h = (h ^ (uint32_t)(random() >> 8 & 0xff)) * 16777619U;
	h ^= h >> 15;
	h *= 0x2c1b3c6dU;
	return h ^ h >> 13;
}

static double chi_square(const struct shape *x, unsigned usable, unsigned flows)
{
	unsigned got[WH_MAX_WANS] = {0};
	double sum = 0;

	for (unsigned f = 0; f < flows; f++) {
		uint32_t order = table.order[hash_of_random_flow() % WH_BUCKETS];

		while (!(usable >> ((order & WH_ORDER_MASK) - 1) & 1))
			order >>= WH_ORDER_BITS;
		got[(order & WH_ORDER_MASK) - 1]++;
	}
	for (unsigned i = 0; i < x->n; i++) {
		double expected = quota(x->n, x->weights, usable, i) / WH_BUCKETS * flows;

		if (usable >> i & 1)
			sum += (got[i] - expected) * (got[i] - expected) / expected;
	}
	return sum;
}

/* Weights that 1024 buckets can express: with all WANs, and with the first one failed. */
static void flows_follow_the_weights(void **state)
{
	static const unsigned usable_shapes[] = {1, 2, 3, 5, 7, 8};
	/* chi-square at p = 0.001 for 1…7 degrees of freedom */
	static const double limit[] = {0, 10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32};

	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++) {
		double most = 0;

		srandom(seed);
		for (unsigned s = 0; s < 6; s++) {
			const struct shape *x = &shapes[usable_shapes[s]];
			double all, rest = 0;

			fill(x->n, x->weights);
			all = chi_square(x, 0xff >> (8 - x->n), 100000);
			assert_true(all < limit[x->n - 1]);
			if (x->n > 2)
				rest = chi_square(x, 0xfe & 0xff >> (8 - x->n), 100000);
			assert_true(rest <= limit[x->n - 2]);
			most = fmax(most, fmax(all / limit[x->n - 1], x->n > 2 ? rest / limit[x->n - 2] : 0));
		}
		print_message("  seed %u: chi-square at most %.2f of its limit\n", seed, most);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_after_every_failure),
		cmocka_unit_test(shares_of_random_weights),
		cmocka_unit_test(primaries_by_largest_remainder),
		cmocka_unit_test(tiers_come_in_order),
		cmocka_unit_test(no_wans_no_choice),
		cmocka_unit_test(the_same_on_each_run),
		cmocka_unit_test(a_change_moves_few),
		cmocka_unit_test(flows_follow_the_weights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
