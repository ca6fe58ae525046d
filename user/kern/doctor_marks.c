/* SPDX-License-Identifier: GPL-2.0 */
/* doctor_marks.c: see doctor_private.h.  Who else uses our bits of the mark. */
#include "kern/doctor_private.h"

/*
 * Which of our bits are surely as they were in what a rule stores in the mark: all of the mark's own, and of the
 * connection's, which has a copy of ours as long as it is tracked.
 */
static uint32_t kept_bits(const struct wh_doctor *d, const json_t *value)
{
	static const char *const operations[] = {"&", "|", "^"};

	if (wh_nft_is(value, "meta", "mark"))
		return UINT32_MAX;
	if (wh_nft_is(value, "ct", "mark"))
		return d->facts->config->firewall == WH_CONF_FIREWALL_KERNEL ? UINT32_MAX : 0;
	for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		const json_t *operands = json_object_get(value, operations[i]);
		const json_t *right = json_array_get(operands, 1);
		uint32_t bits = (uint32_t)json_integer_value(right);

		if (operands)
			return json_is_integer(right)
				       ? kept_bits(d, json_array_get(operands, 0)) & (i == 0 ? bits : ~bits)
				       : 0;
	}
	return 0;
}

/* Whether a statement stores in the mark (`kind`: "meta" the packet's, "ct" the connection's) and does not keep our bits. */
static bool overwrites_mark(const struct wh_doctor *d, const json_t *statement, const char *kind)
{
	const json_t *mangle = json_object_get(statement, "mangle");
	uint32_t ours = d->facts->config->mark_mask;

	return wh_nft_is(json_object_get(mangle, "key"), kind, "mark") &&
	       (kept_bits(d, json_object_get(mangle, "value")) & ours) != ours;
}

/* Whether a match or a map looks at all bits of the mark at once; with a mask, ours or others, it may. */
static bool compares_whole_mark(const json_t *statement)
{
	const json_t *match = json_object_get(statement, "match");
	const json_t *map = json_object_get(statement, "vmap");

	if (match)
		return wh_nft_is(json_object_get(match, "left"), "meta", "mark") &&
		       !json_object_get(json_object_get(match, "right"), "prefix");
	return wh_nft_is(json_object_get(map, "key"), "meta", "mark");
}

/* How many rules of a chain do what with the mark. */
struct mark_use {
	unsigned overwrite, overwrite_ct, compare, unseen;
};

static struct mark_use mark_use_of(const struct wh_doctor *d, const json_t *chain)
{
	const json_t *rule, *statement;
	struct mark_use use = {0};
	size_t i, j;

	json_array_foreach(json_object_get(chain, "rules"), i, rule) {
		json_array_foreach(rule, j, statement) {
			use.overwrite += overwrites_mark(d, statement, "meta");
			use.overwrite_ct += overwrites_mark(d, statement, "ct");
			use.compare += compares_whole_mark(statement);
		}
		use.unseen += wh_nft_has_xt(rule, "MARK") || wh_nft_has_xt(rule, "CONNMARK");
	}
	return use;
}

static void look_at_marks_of(struct wh_doctor *d, const json_t *chain)
{
	struct mark_use use = mark_use_of(d, chain);
	uint32_t ours = d->facts->config->mark_mask;

	if (use.overwrite)
		wh_doctor_found(d, WH_PROBLEM,
				json_sprintf("rules in %s (%u) overwrite our bits of the mark, 0x%08x",
					     wh_nft_name(chain), use.overwrite, ours),
				json_sprintf("let them keep those: meta mark set meta mark & 0x%08x | VALUE; or choose "
					     "other bits under mark",
					     ours));
	if (use.overwrite_ct)
		wh_doctor_found(
			d, WH_WARNING,
			json_sprintf("rules in %s (%u) overwrite our bits of the connection's mark, 0x%08x; if it is "
				     "copied to the packet's, ours are lost",
				     wh_nft_name(chain), use.overwrite_ct, ours),
			json_sprintf("let them keep those: ct mark set ct mark & 0x%08x | VALUE", ours));
	if (use.compare)
		wh_doctor_found(d, WH_WARNING,
				json_sprintf("rules in %s (%u) compare the whole mark, in which steered packets have "
					     "bits of ours",
					     wh_nft_name(chain), use.compare),
				json_sprintf("let them look at their own bits only: meta mark & 0x%08x VALUE", ~ours));
	if (use.unseen)
		wh_doctor_found(
			d, WH_WARNING,
			json_sprintf("rules of iptables-nft in %s (%u) set the mark, to what cannot be seen here",
				     wh_nft_name(chain), use.unseen),
			json_sprintf("see that their masks leave 0x%08x alone: iptables-save shows them", ours));
}

void wh_doctor_marks(struct wh_doctor *d)
{
	uint32_t ours = d->facts->config->mark_mask;
	const json_t *chain;
	size_t i;

	json_array_foreach(d->nft, i, chain) {
		if (wh_nft_path_of(chain))
			look_at_marks_of(d, chain);
	}
	for (unsigned k = 0; k < d->facts->n_rules; k++) {
		const struct wh_fact_rule *own = &d->facts->rules[k];

		if (own->mask & ours && !own->inverted)
			wh_doctor_found(d, WH_WARNING,
					json_sprintf("routing rule %u (fwmark 0x%x/0x%x) looks at our bits of the mark "
						     "(0x%08x)",
						     own->priority, own->mark, own->mask, ours),
					json_sprintf("give it a mask without them: fwmark 0x%x/0x%x", own->mark & ~ours,
						     own->mask & ~ours));
	}
}
