/* SPDX-License-Identifier: GPL-2.0 */
/* words.c: see words.h. */
#include "kern/words.h"

#include <errno.h>
#include <string.h>

static const char *const hands[] = {
	[WH_HAND_AUTO] = "auto",
	[WH_HAND_DOWN] = "down",
	[WH_HAND_UP] = "up",
	[WH_HAND_DRAIN] = "drain",
};

#define HANDS (sizeof(hands) / sizeof(hands[0]))

const char *wh_word_of_state(unsigned state)
{
	static const char *const words[] = {
#define X(name, text) text,
		WH_WAN_STATES(X)
#undef X
	};

	return state < WH_WAN_STATE_COUNT ? words[state] : "unknown";
}

const char *wh_word_of_family(enum wh_family family)
{
	return family == WH_V4 ? "IPv4" : "IPv6";
}

const char *wh_word_of_hand(enum wh_hand_verb verb)
{
	return hands[verb];
}

int wh_hand_of_word(const char *word, enum wh_hand_verb *out)
{
	for (unsigned i = 0; word && i < HANDS; i++) {
		if (!strcmp(word, hands[i])) {
			*out = (enum wh_hand_verb)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *wh_word_of_reason(enum wh_reason reason)
{
	static const char *const words[] = {
#define X(name, id, text) id,
		WH_REASONS(X)
#undef X
	};

	return words[reason];
}

const char *wh_text_of_reason(enum wh_reason reason)
{
	static const char *const texts[] = {
#define X(name, id, text) text,
		WH_REASONS(X)
#undef X
	};

	return texts[reason];
}
