/* SPDX-License-Identifier: GPL-2.0 */
/*
 * message.h: what an answer of the DNS says of addresses.  Pure.  Names, records and compression are read by the C
 * library's own parser (ns_initparse(3) and its like), which every resolver on the machine uses; what is ours is the
 * chain from the question to the addresses.  The daemon calls it, with bytes from anywhere.
 */
#ifndef WANHELM_DNS_MESSAGE_H
#define WANHELM_DNS_MESSAGE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define WH_DNS_NAME_LEN 254 /* RFC 1035 §3.1 as text without the last dot, and a NUL */
#define WH_DNS_CHAIN_MAX 16
#define WH_DNS_ADDRESSES_MAX 64

struct wh_dns_address {
	struct in6_addr addr; /* IPv4: ::ffff:a.b.c.d */
	uint32_t ttl_s;	      /* RFC 2181 §8: 31 bits */
};

/* Every name of the chain has every one of the addresses. */
struct wh_dns_answer {
	char names[WH_DNS_CHAIN_MAX][WH_DNS_NAME_LEN]; /* the question's, then those that CNAMEs lead to; lower case */
	unsigned n_names;
	struct wh_dns_address addresses[WH_DNS_ADDRESSES_MAX];
	unsigned n_addresses;
};

/*
 * Read a message.  Only a response to one question of class IN without error (QR 1, opcode 0, rcode 0) says anything,
 * and of its answers only what the question leads to by CNAMEs (DNAMEs come with a CNAME, RFC 6672 §3.1).  What is
 * beyond the bounds above is left out.  0; -ENOENT where it says nothing of addresses; -EBADMSG where it is malformed;
 * `out` is undefined then.
 */
int wh_dns_parse(const void *message, size_t len, struct wh_dns_answer *out);

#endif
