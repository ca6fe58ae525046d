/* SPDX-License-Identifier: GPL-2.0 */
/*
 * words.h: the words for what crosses the kernel boundary as numbers: states, families, overrides, reasons.  The lists
 * themselves stand in include/wanhelm/.
 */
#ifndef WANHELM_KERN_WORDS_H
#define WANHELM_KERN_WORDS_H

#include <wanhelm/reason.h>
#include <wanhelm/steer.h>
#include <wanhelm/wan.h>

/* "up", "forced-down", …; "unknown" for a number that is none (of a newer controller's, say). */
const char *wh_word_of_state(unsigned state);

/* "IPv4", "IPv6" */
const char *wh_word_of_family(enum wh_family family);

/* "auto", "down", "up", "drain" */
const char *wh_word_of_hand(enum wh_hand_verb verb);

/* The other way; -EINVAL for any other word, and for NULL. */
int wh_hand_of_word(const char *word, enum wh_hand_verb *out);

/* "no-port", "kernel-route", …; `reason` is below WH_REASON_COUNT. */
const char *wh_word_of_reason(enum wh_reason reason);

/* The sentence for people. */
const char *wh_text_of_reason(enum wh_reason reason);

#endif
