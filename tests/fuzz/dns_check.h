/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dns_check.h: what must hold of any bytes that are read as an answer of the DNS: refused, or names and addresses
 * within their bounds.  For fuzz_dns.c and the test of random damage.
 */
#ifndef WANHELM_TESTS_DNS_CHECK_H
#define WANHELM_TESTS_DNS_CHECK_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/message.h"

static inline bool dns_is_name(const char *name)
{
	size_t len = strnlen(name, WH_DNS_NAME_LEN);

	for (size_t i = 0; i < len; i++) {
		if (!isprint((unsigned char)name[i]) || isupper((unsigned char)name[i]) || name[i] == '\\')
			return false;
	}
	return len && len < WH_DNS_NAME_LEN && name[len - 1] != '.';
}

/* NULL, or what is wrong. */
static inline const char *dns_check(const uint8_t *data, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1); /* so that a byte too far is found */
	struct wh_dns_answer answer;
	int err;

	if (!bytes)
		return "out of memory";
	memcpy(bytes, data, len);
	memset(&answer, 0xff, sizeof(answer));
	err = wh_dns_parse(bytes, len, &answer);
	free(bytes);
	if (err)
		return err == -ENOENT || err == -EBADMSG ? NULL : "an error of another kind";
	if (!answer.n_names || answer.n_names > WH_DNS_CHAIN_MAX)
		return "names";
	if (!answer.n_addresses || answer.n_addresses > WH_DNS_ADDRESSES_MAX)
		return "addresses";
	for (unsigned i = 0; i < answer.n_names; i++) {
		if (!dns_is_name(answer.names[i]))
			return "a name";
	}
	for (unsigned i = 0; i < answer.n_addresses; i++) {
		if (answer.addresses[i].ttl_s > 0x7fffffff)
			return "a TTL";
	}
	return NULL;
}

#endif
