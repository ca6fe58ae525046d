/* SPDX-License-Identifier: GPL-2.0 */
/* slow_fixture.h: frames made and read without the code that is tested: IPv4 packets and fragments, IPv6 fragments. */
#ifndef WANHELM_TESTS_SLOW_FIXTURE_H
#define WANHELM_TESTS_SLOW_FIXTURE_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "kern/slow_packet.h"
#include "random.h"

#define MF 0x2000
#define DF 0x4000

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t sum(const uint8_t *bytes, uint32_t len, uint32_t start)
{
	for (uint32_t i = 0; i < len; i++)
		start += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (start > 0xffff)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static inline void seal(uint8_t *ip)
{
	uint32_t header = (ip[0] & 15U) * 4;

	put16(ip + 10, 0);
	put16(ip + 10, ~sum(ip, header, 0));
}

struct packet {
	uint8_t bytes[ETH_HLEN + WH_SLOW_FRAME_MAX];
	struct wh_frame frame;
	uint8_t *ip;
	uint32_t header;
	uint32_t payload;
};

static inline void begin(struct packet *p, uint32_t l2_len, uint8_t version)
{
	memset(p, 0, sizeof(*p));
	p->ip = p->bytes + l2_len;
	p->frame.bytes = p->bytes;
	p->frame.l2_len = l2_len;
	if (l2_len)
		memcpy(p->bytes, (uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, 12);
	if (l2_len)
		put16(p->bytes + 12, version == 4 ? 0x0800 : 0x86dd);
}

/* An IPv4 frame of UDP's number with random payload. */
static inline void make4(struct packet *p, uint32_t l2_len, uint32_t options, uint32_t payload, uint16_t fragment)
{
	begin(p, l2_len, 4);
	p->header = 20 + options;
	p->payload = payload;
	p->ip[0] = (uint8_t)(0x40 | p->header / 4);
	put16(p->ip + 2, p->header + payload);
	put16(p->ip + 4, 0xbeef);
	put16(p->ip + 6, fragment);
	p->ip[8] = 64;
	p->ip[9] = IPPROTO_UDP;
	memcpy(p->ip + 12, (uint8_t[]){192, 0, 2, 1, 198, 51, 100, 2}, 8);
	memset(p->ip + 20, 1, options); /* no-operation */
	fill(p->ip + p->header, payload);
	seal(p->ip);
	p->frame.len = l2_len + p->header + payload;
}

/* An IPv6 fragment behind `extensions` headers of 8 and 16 bytes. */
static inline void make6(struct packet *p, uint32_t l2_len, uint32_t extensions, uint32_t payload, uint32_t offset)
{
	static const uint8_t kinds[] = {0, 60, 43};
	uint8_t *next;

	begin(p, l2_len, 6);
	p->ip[0] = 0x60;
	p->ip[7] = 64;
	p->ip[8] = p->ip[24] = 0x20;
	p->ip[23] = 1;
	p->ip[39] = 2;
	next = p->ip + 6;
	p->header = 40;
	for (uint32_t i = 0; i < extensions; i++) {
		*next = kinds[i % 3];
		next = p->ip + p->header;
		next[1] = i % 2;
		p->header += 8 + 8 * (i % 2);
	}
	*next = 44;
	p->ip[p->header] = IPPROTO_UDP;
	put16(p->ip + p->header + 2, offset | 1);
	memcpy(p->ip + p->header + 4, "\xde\xad\xbe\xef", 4);
	p->header += 8;
	p->payload = payload;
	fill(p->ip + p->header, payload);
	put16(p->ip + 4, p->header - 40 + payload);
	p->frame.len = l2_len + p->header + payload;
}

#endif
