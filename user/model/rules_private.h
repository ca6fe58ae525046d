/* SPDX-License-Identifier: GPL-2.0 */
/* rules_private.h: what the parts of the compiler of match lines share. */
#ifndef WANHELM_MODEL_RULES_PRIVATE_H
#define WANHELM_MODEL_RULES_PRIVATE_H

#include "model/rules.h"

static inline void wh_vector_set(struct wh_vector *vector, unsigned line)
{
	vector->word[line / 64] |= 1ULL << line % 64;
}

static inline void wh_vector_clear(struct wh_vector *vector, unsigned line)
{
	vector->word[line / 64] &= ~(1ULL << line % 64);
}

static inline void wh_vector_add(struct wh_vector *to, const struct wh_vector *lines)
{
	for (unsigned i = 0; i < WH_VECTOR_WORDS; i++)
		to->word[i] |= lines->word[i];
}

/* rules_prefix.c: both directions' prefixes and their vectors. 0 or -ENOMEM. */
int wh_rules_prefixes(const struct wh_config *config, struct wh_rule_set *out);

/* rules_port.c: both directions' ports. 0; -E2BIG with a line in `error`; -ENOMEM. */
int wh_rules_ports(const struct wh_config *config, struct wh_rules *out, char *error, size_t error_len);

#endif
