/* SPDX-License-Identifier: GPL-2.0 */
/* dns_fixture.h: messages of the DNS written byte by byte (RFC 1035 §4), without the code that reads them. */
#ifndef WANHELM_TESTS_DNS_FIXTURE_H
#define WANHELM_TESTS_DNS_FIXTURE_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

enum { TYPE_A = 1, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_OPT = 41 };
enum { ANSWER_FLAGS = 0x8180, HEADER_LEN = 12 };

struct message {
	uint8_t bytes[65536];
	size_t len;
};

static inline void put8(struct message *m, unsigned value)
{
	m->bytes[m->len++] = (uint8_t)value;
}

static inline void put_16(struct message *m, unsigned value)
{
	put8(m, value >> 8);
	put8(m, value & 0xff);
}

static inline void put_bytes(struct message *m, const void *bytes, size_t len)
{
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

/* Labels of a text with dots. */
static inline void put_name(struct message *m, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		put8(m, (unsigned)len);
		put_bytes(m, name, len);
		name += len + (name[len] == '.');
	}
	put8(m, 0);
}

static inline void put_pointer(struct message *m, size_t to)
{
	put_16(m, 0xc000 | (unsigned)to);
}

/* Count one more in a section: 0 questions, 1 answers, 2 authority, 3 additional. */
static inline void count_one(struct message *m, unsigned section)
{
	uint8_t *at = m->bytes + 4 + (size_t)2 * section;
	unsigned count = ((unsigned)at[0] << 8 | at[1]) + 1;

	at[0] = (uint8_t)(count >> 8);
	at[1] = (uint8_t)count;
}

static inline void ask(struct message *m, unsigned flags, const char *name, unsigned type)
{
	memset(m, 0, HEADER_LEN);
	m->bytes[0] = 0x12;
	m->bytes[2] = (uint8_t)(flags >> 8);
	m->bytes[3] = (uint8_t)flags;
	m->len = HEADER_LEN;
	put_name(m, name);
	put_16(m, type);
	put_16(m, 1);
	count_one(m, 0);
}

/* What follows the owner's name in an answer. */
static inline void put_record(struct message *m, unsigned type, uint32_t ttl_s, const void *data, size_t len)
{
	put_16(m, type);
	put_16(m, 1);
	put_16(m, ttl_s >> 16);
	put_16(m, ttl_s & 0xffff);
	put_16(m, (unsigned)len);
	put_bytes(m, data, len);
	count_one(m, 1);
}

static inline void put_address(struct message *m, const char *owner, uint32_t ttl_s, const char *address)
{
	uint8_t data[16];
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;

	inet_pton(family, address, data);
	if (owner)
		put_name(m, owner);
	else
		put_pointer(m, HEADER_LEN); /* the question's */
	put_record(m, family == AF_INET ? TYPE_A : TYPE_AAAA, ttl_s, data, family == AF_INET ? 4 : 16);
}

static inline void put_cname(struct message *m, const char *owner, const char *target)
{
	struct message name = {.len = 0};

	put_name(&name, target);
	put_name(m, owner);
	put_record(m, TYPE_CNAME, 60, name.bytes, name.len);
}

#endif
