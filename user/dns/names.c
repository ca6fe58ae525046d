/* SPDX-License-Identifier: GPL-2.0 */
/*
 * names.c: see names.h.  Pairs stand in an array, so that a slice of them can be looked at while they come and go, and
 * each in the list of its address and in the order of age.  Addresses and names are found by hash, and live as long as
 * a pair has them.
 */
#include "dns/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 16384 /* a power of two */

struct address {
	LIST_ENTRY(address) bucket;
	LIST_HEAD(, pair) pairs;
	struct in6_addr addr;
};

struct name {
	LIST_ENTRY(name) bucket;
	unsigned users; /* pairs */
	char text[];
};

/* Free: address is NULL, and it stands in `spare`. */
struct pair {
	LIST_ENTRY(pair) of_address;
	TAILQ_ENTRY(pair) age;
	struct address *address;
	struct name *name;
	uint64_t until_s;
};

struct wh_names {
	wh_names_forgotten *forgotten;
	void *arg;
	uint64_t seed;
	struct wh_names_counts count;
	size_t used;		   /* of pairs[]: no further one was ever taken */
	size_t looked;		   /* where wh_names_expire() goes on */
	TAILQ_HEAD(, pair) by_age; /* heard of longest ago first */
	LIST_HEAD(, pair) spare;
	LIST_HEAD(, address) addresses[BUCKETS];
	LIST_HEAD(, name) names[BUCKETS];
	struct pair pairs[WH_NAMES_PAIRS];
};

/* --- hash ------------------------------------------------------------------------------------------------- */

/* FNV-1a from a secret start. */
static size_t bucket_of(const struct wh_names *n, const void *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ n->seed;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ULL;
	return (hash ^ hash >> 32) & (BUCKETS - 1);
}

static struct address *find_address(const struct wh_names *n, const struct in6_addr *addr)
{
	struct address *a;

	LIST_FOREACH(a, &n->addresses[bucket_of(n, addr, sizeof(*addr))], bucket)
	{
		if (IN6_ARE_ADDR_EQUAL(&a->addr, addr))
			return a;
	}
	return NULL;
}

static struct name *find_name(const struct wh_names *n, const char *text)
{
	struct name *name;

	LIST_FOREACH(name, &n->names[bucket_of(n, text, strlen(text))], bucket)
	{
		if (!strcmp(name->text, text))
			return name;
	}
	return NULL;
}

static struct pair *find_pair(const struct address *a, const struct name *name)
{
	struct pair *p;

	LIST_FOREACH(p, &a->pairs, of_address)
	{
		if (p->name == name)
			return p;
	}
	return NULL;
}

/* --- forgetting ------------------------------------------------------------------------------------------- */

static void drop_address(struct wh_names *n, struct address *a)
{
	if (!LIST_EMPTY(&a->pairs))
		return;
	LIST_REMOVE(a, bucket);
	n->count.addresses--;
	free(a);
}

static void drop_name(struct wh_names *n, struct name *name)
{
	if (name->users)
		return;
	LIST_REMOVE(name, bucket);
	n->count.names--;
	free(name);
}

static void forget(struct wh_names *n, struct pair *p)
{
	struct address *a = p->address;
	struct name *name = p->name;

	LIST_REMOVE(p, of_address);
	TAILQ_REMOVE(&n->by_age, p, age);
	p->address = NULL;
	LIST_INSERT_HEAD(&n->spare, p, of_address);
	n->count.pairs--;
	name->users--;
	if (n->forgotten)
		n->forgotten(n->arg, &a->addr, name->text);
	drop_address(n, a);
	drop_name(n, name);
}

/* Room for one more of each, at the cost of the oldest. */
static void make_room(struct wh_names *n)
{
	while (n->count.pairs >= WH_NAMES_PAIRS || n->count.addresses >= WH_NAMES_ADDRESSES ||
	       n->count.names >= WH_NAMES_NAMES)
		forget(n, TAILQ_FIRST(&n->by_age));
}

void wh_names_expire(struct wh_names *n, size_t max, uint64_t now_s)
{
	for (; max && n->used; max--) {
		struct pair *p = &n->pairs[n->looked];

		n->looked = n->looked + 1 < n->used ? n->looked + 1 : 0;
		if (p->address && p->until_s <= now_s)
			forget(n, p);
		if (!n->looked)
			return; /* no pair twice in one call */
	}
}

/* --- learning --------------------------------------------------------------------------------------------- */

static struct address *add_address(struct wh_names *n, const struct in6_addr *addr)
{
	struct address *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->addr = *addr;
	LIST_INSERT_HEAD(&n->addresses[bucket_of(n, addr, sizeof(*addr))], a, bucket);
	n->count.addresses++;
	return a;
}

static struct name *add_name(struct wh_names *n, const char *text)
{
	size_t len = strlen(text);
	struct name *name = calloc(1, sizeof(*name) + len + 1);

	if (!name)
		return NULL;
	memcpy(name->text, text, len + 1);
	LIST_INSERT_HEAD(&n->names[bucket_of(n, text, len)], name, bucket);
	n->count.names++;
	return name;
}

static struct pair *take_spare(struct wh_names *n)
{
	struct pair *p = LIST_FIRST(&n->spare);

	if (!p)
		return &n->pairs[n->used++];
	LIST_REMOVE(p, of_address);
	return p;
}

/* There is room. NULL: out of memory. */
static struct pair *add_pair(struct wh_names *n, const char *text, const struct in6_addr *addr)
{
	struct address *a = find_address(n, addr);
	struct name *name = find_name(n, text);
	struct pair *p;

	if (!a)
		a = add_address(n, addr);
	if (!name)
		name = add_name(n, text);
	if (!a || !name) {
		if (a)
			drop_address(n, a);
		if (name)
			drop_name(n, name);
		return NULL;
	}
	p = take_spare(n);
	p->address = a;
	p->name = name;
	p->until_s = 0;
	name->users++;
	LIST_INSERT_HEAD(&a->pairs, p, of_address);
	TAILQ_INSERT_TAIL(&n->by_age, p, age);
	n->count.pairs++;
	return p;
}

static int keep(struct wh_names *n, const char *text, const struct in6_addr *addr, uint64_t until_s)
{
	struct address *a = find_address(n, addr);
	struct name *name = find_name(n, text);
	struct pair *p = a && name ? find_pair(a, name) : NULL;

	if (p) {
		TAILQ_REMOVE(&n->by_age, p, age);
		TAILQ_INSERT_TAIL(&n->by_age, p, age);
	} else {
		make_room(n);
		p = add_pair(n, text, addr);
	}
	if (!p)
		return -ENOMEM;
	if (p->until_s < until_s) /* some clients keep what they heard earlier */
		p->until_s = until_s;
	return 0;
}

int wh_names_learn(struct wh_names *n, const char *name, const struct in6_addr *addr, uint32_t ttl_s, uint64_t now_s)
{
	if (ttl_s < WH_NAMES_TTL_MIN_S)
		ttl_s = WH_NAMES_TTL_MIN_S;
	if (ttl_s > WH_NAMES_TTL_MAX_S)
		ttl_s = WH_NAMES_TTL_MAX_S;
	return keep(n, name, addr, now_s + ttl_s);
}

int wh_names_restore(struct wh_names *n, const char *name, const struct in6_addr *addr, uint64_t until_s,
		     uint64_t now_s)
{
	return keep(n, name, addr, until_s > now_s + WH_NAMES_TTL_MAX_S ? now_s + WH_NAMES_TTL_MAX_S : until_s);
}

/* --- asking ----------------------------------------------------------------------------------------------- */

void wh_names_of(const struct wh_names *n, const struct in6_addr *addr, void (*each)(void *arg, const char *name),
		 void *arg)
{
	const struct address *a = find_address(n, addr);
	const struct pair *p;

	if (!a)
		return;
	LIST_FOREACH(p, &a->pairs, of_address)
	each(arg, p->name->text);
}

void wh_names_addresses(const struct wh_names *n, void (*each)(void *arg, const struct in6_addr *addr), void *arg)
{
	const struct address *a;

	for (size_t i = 0; i < BUCKETS; i++) {
		LIST_FOREACH(a, &n->addresses[i], bucket)
		each(arg, &a->addr);
	}
}

size_t wh_names_slice(const struct wh_names *n, size_t from, size_t max,
		      void (*each)(void *arg, const char *name, const struct in6_addr *addr, uint64_t until_s),
		      void *arg)
{
	size_t i = from;

	for (; i < n->used && i < from + max; i++) {
		const struct pair *p = &n->pairs[i];

		if (p->address)
			each(arg, p->name->text, &p->address->addr, p->until_s);
	}
	return i < n->used ? i : 0;
}

struct wh_names_counts wh_names_counts(const struct wh_names *n)
{
	return n->count;
}

/* --- life ------------------------------------------------------------------------------------------------- */

int wh_names_new(struct wh_names **out, uint64_t seed, wh_names_forgotten *forgotten, void *arg)
{
	struct wh_names *n = calloc(1, sizeof(*n)); /* megabytes, but only what is used of them is ever touched */

	if (!n)
		return -ENOMEM;
	n->seed = seed;
	n->forgotten = forgotten;
	n->arg = arg;
	TAILQ_INIT(&n->by_age);
	*out = n;
	return 0;
}

void wh_names_free(struct wh_names *n)
{
	if (!n)
		return;
	n->forgotten = NULL;
	while (n->count.pairs)
		forget(n, TAILQ_FIRST(&n->by_age));
	free(n);
}
