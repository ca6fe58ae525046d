/* SPDX-License-Identifier: GPL-2.0 */
/*
 * text.h: from words to values and back, as the configuration and the command line write them.
 * The parsers take the whole string or refuse it with -EINVAL (malformed) or -ERANGE (too large or too small),
 * and leave *out untouched then.
 */
#ifndef WANHELM_LIB_TEXT_H
#define WANHELM_LIB_TEXT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* "200ms", "30s", "5m", "2h", "1d"; a bare number is refused. */
int wh_parse_duration(const char *text, uint64_t *out_ns);

/* Decimal or 0x… within min and max, both included. */
int wh_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* "500kbit", "1.5mbit", "10gbit", in powers of 1000; what is no whole number of bits is malformed. */
int wh_parse_rate(const char *text, uint64_t *out_bps);

/* "64KB", "1.5MB", "50GB", "2TB", likewise. */
int wh_parse_size(const char *text, uint64_t *out_bytes);

/* "1%", "0.25%", in millionths; there is no upper end. */
int wh_parse_percent(const char *text, uint64_t *out_ppm);

/* "192.0.2.1" */
int wh_parse_addr4(const char *text, struct in_addr *out);

/* 1500000000 → "1.5s": in the largest unit of which there is at least one, cut off after two decimals; for people. */
void wh_format_duration(uint64_t ns, char *out, size_t len);

/* Take away the first part of a character that a copy into a buffer too small for it has left at the end. */
void wh_trim_utf8(char *text);

/* The best of `words` (a null-terminated array) within an edit distance that a slip of the hand makes, or NULL. */
const char *wh_nearest(const char *word, const char *const *words);

#endif
