/* SPDX-License-Identifier: GPL-2.0 */
/*
 * buckets.c: which WANs a bucket prefers, in which order.
 *
 * Tier by tier.  Inside a tier, for depth d = 0…n-1, the buckets whose first d choices are the same *set* form
 * a pool, and the pool is apportioned among the other WANs.  A pool's quotas are not the pool's size times
 * the weights: they are what the WANs still lack so that, with exactly this set failed, all buckets together
 * are shared by weight.  So the roundings of the shallower pools are made good instead of adding up: each
 * survivor has its exact share rounded down or up, except where shallower pools already gave it more than that.
 * Then the pool comes as near as it can.  The worst distance from an exact share that was seen, over all subsets
 * of the WANs, in 5,600 sets of 2 to 8 random weights of 1..1000 (tests/unit/test_buckets.c asserts the limits):
 *
 *	none or one failed	0.9 buckets	limit 1
 *	two failed		2.1 buckets	limit 2.5, a quarter of a point
 *	more			6.9 buckets	limit 8, and only with very unlike weights; four WANs: 1.5
 *
 * Which bucket of a pool gets which WAN is settled by rendezvous: (bucket, WAN) pairs in ascending order of
 * -ln(u)/weight with u a fixed hash of the pair.  So a change of weights or WANs moves few buckets.
 */
#include "model/buckets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_BIT(i) (1U << (i))
#define SETS (1U << WH_MAX_WANS)

/* A tier at work.  Members are counted within the tier; sets have one bit a member. */
struct tier {
	const struct wh_conf_tier *conf;
	const unsigned *number_of;
	uint8_t chosen[WH_BUCKETS];	  /* the set of members that a bucket holds already */
	int32_t given[SETS][WH_MAX_WANS]; /* by pool: how many of its buckets each member got */
};

/* How well a member suits a bucket: the smaller, the better. */
struct bid {
	double cost;
	uint16_t bucket;
	uint8_t member;
};

/* The finaliser of splitmix64. */
static uint64_t mix64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static double cost_of(unsigned bucket, unsigned number, uint32_t weight)
{
	double u = ((double)(mix64((uint64_t)number << 32 | bucket) >> 11) + 0.5) * 0x1p-53;

	return -log(u) / weight;
}

/* In the order of preference; pairs are never equal, so the table does not depend on the sort. */
static int compare_bids(const void *a, const void *b)
{
	const struct bid *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return (x->member > y->member) - (x->member < y->member);
}

/*
 * What `member` lacks when exactly the members of `set` have failed, times the survivors' weight (so that it
 * is a whole number): its share of all buckets less what the shallower pools fail over to it.
 */
static int64_t lack(const struct tier *t, unsigned set, unsigned member, int64_t survivors)
{
	int64_t has = 0;

	for (unsigned sub = 0; sub < set; sub++)
		if ((sub & set) == sub)
			has += t->given[sub][member];
	return (int64_t)WH_BUCKETS * t->conf->members[member].weight - has * survivors;
}

/* The member that is furthest below what it lacks (step 1), or furthest above it and has something (step -1). */
static unsigned furthest(const int64_t *lacks, const int32_t *given, unsigned members, unsigned set, int64_t survivors,
			 int step)
{
	unsigned best = WH_MAX_WANS;
	int64_t best_gap = 0;

	for (unsigned i = 0; i < members; i++) {
		int64_t gap = step * (lacks[i] - given[i] * survivors);

		if (set & MEMBER_BIT(i) || (step < 0 && !given[i]))
			continue;
		if (best == WH_MAX_WANS || gap > best_gap) {
			best = i;
			best_gap = gap;
		}
	}
	return best;
}

/* Share the `size` buckets of the pool `set` out, in whole buckets and by largest remainder. */
static void apportion(struct tier *t, unsigned set, int32_t size)
{
	int32_t *given = t->given[set];
	int64_t lacks[WH_MAX_WANS] = {0};
	int64_t survivors = 0;
	int32_t sum = 0;

	for (unsigned i = 0; i < t->conf->n_members; i++)
		if (!(set & MEMBER_BIT(i)))
			survivors += t->conf->members[i].weight;
	for (unsigned i = 0; i < t->conf->n_members; i++) {
		if (set & MEMBER_BIT(i))
			continue;
		lacks[i] = lack(t, set, i, survivors);
		given[i] = lacks[i] > 0 ? (int32_t)(lacks[i] / survivors) : 0;
		sum += given[i];
	}
	for (; sum < size; sum++)
		given[furthest(lacks, given, t->conf->n_members, set, survivors, 1)]++;
	for (; sum > size; sum--)
		given[furthest(lacks, given, t->conf->n_members, set, survivors, -1)]--;
}

static void append(struct wh_bucket_table *out, unsigned bucket, unsigned number)
{
	unsigned shift = 0;

	while (out->order[bucket] >> shift & WH_ORDER_MASK)
		shift += WH_ORDER_BITS;
	out->order[bucket] |= (number + 1) << shift;
}

/* Give each bucket of the pool its next WAN. */
static void fill_pool(struct tier *t, unsigned set, struct wh_bucket_table *out)
{
	struct bid bids[WH_BUCKETS * WH_MAX_WANS];
	int32_t quota[WH_MAX_WANS];
	int32_t size = 0;
	size_t n = 0;

	for (unsigned b = 0; b < WH_BUCKETS; b++) {
		if (t->chosen[b] != set)
			continue;
		size++;
		for (unsigned i = 0; i < t->conf->n_members; i++) {
			const struct wh_conf_member *member = &t->conf->members[i];

			if (!(set & MEMBER_BIT(i)))
				bids[n++] = (struct bid){.cost = cost_of(b, t->number_of[member->wan], member->weight),
							 .bucket = (uint16_t)b,
							 .member = (uint8_t)i};
		}
	}
	if (!size)
		return;
	apportion(t, set, size);
	memcpy(quota, t->given[set], sizeof(quota));
	qsort(bids, n, sizeof(bids[0]), compare_bids);
	for (size_t k = 0; k < n; k++) {
		const struct bid *bid = &bids[k];

		if (t->chosen[bid->bucket] != set || !quota[bid->member])
			continue;
		quota[bid->member]--;
		t->chosen[bid->bucket] |= (uint8_t)MEMBER_BIT(bid->member);
		append(out, bid->bucket, t->number_of[t->conf->members[bid->member].wan]);
	}
}

static void fill_tier(const struct wh_conf_tier *conf, const unsigned number_of[WH_MAX_WANS],
		      struct wh_bucket_table *out)
{
	struct tier t = {.conf = conf, .number_of = number_of};
	unsigned full = MEMBER_BIT(conf->n_members) - 1;

	for (unsigned depth = 0; depth < conf->n_members; depth++)
		for (unsigned set = 0; set < full; set++)
			if ((unsigned)__builtin_popcount(set) == depth)
				fill_pool(&t, set, out);
}

void wh_buckets_fill(const struct wh_conf_class *class, const unsigned number_of[WH_MAX_WANS],
		     struct wh_bucket_table *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < class->n_tiers; i++)
		fill_tier(&class->tiers[i], number_of, out);
}

void wh_buckets_count(const struct wh_bucket_table *table, uint8_t usable, unsigned count[WH_MAX_WANS])
{
	memset(count, 0, WH_MAX_WANS * sizeof(count[0]));
	for (unsigned b = 0; b < WH_BUCKETS; b++) {
		for (uint32_t order = table->order[b]; order & WH_ORDER_MASK; order >>= WH_ORDER_BITS) {
			unsigned number = (order & WH_ORDER_MASK) - 1;

			if (usable & 1U << number) {
				count[number]++;
				break;
			}
		}
	}
}
