/* SPDX-License-Identifier: GPL-2.0 */
/* shape.c: see shape.h. */
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TCP_OPTIONS_MAX 40
#define GARBAGE_REACH 70 /* bytes from the IP header on: where headers stand */

uint64_t chance_seed(void)
{
	const char *given = getenv("WANHELM_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

	printf("WANHELM_SEED=%llu\n", (unsigned long long)seed);
	return seed * 0x9e3779b97f4a7c15ULL + 1;
}

/* xorshift64 */
uint32_t below(uint64_t *chance, uint32_t n)
{
	*chance ^= *chance << 13;
	*chance ^= *chance >> 7;
	*chance ^= *chance << 17;
	return (uint32_t)((*chance >> 32) % n);
}

static uint8_t some_proto(uint64_t *chance)
{
	static const uint8_t protos[] = {PROTO_UDP,  PROTO_UDP, PROTO_TCP, PROTO_TCP, PROTO_TCP,
					 PROTO_ICMP, PROTO_GRE, PROTO_ESP, PROTO_SCTP};

	return protos[below(chance, sizeof(protos))];
}

static void some_extensions(uint64_t *chance, uint8_t out[EXTENSIONS_MAX])
{
	unsigned n = 0;

	if (below(chance, 3))
		return;
	if (below(chance, 2))
		out[n++] = EXTEND_HOP;
	if (below(chance, 2))
		out[n++] = (uint8_t)(EXTEND_OPTIONS | below(chance, 3));
	if (!below(chance, 4))
		out[n++] = (uint8_t)(EXTEND_ROUTING | 2 * below(chance, 2));
	if (!n || !below(chance, 4))
		out[n] = (uint8_t)(EXTEND_OPTIONS | below(chance, 5));
}

/* An MSS after any number of no-operations and before anything; or bytes that may mean anything. */
static uint8_t some_options(uint64_t *chance, uint8_t out[TCP_OPTIONS_MAX])
{
	uint8_t len = (uint8_t)(4 * below(chance, TCP_OPTIONS_MAX / 4 + 1));
	unsigned at = below(chance, 5);

	memset(out, 1, TCP_OPTIONS_MAX);
	if (below(chance, 4) && at + 4 <= len) {
		memcpy(out + at, (const uint8_t[]){2, 4, (uint8_t)below(chance, 7), (uint8_t)below(chance, 256)}, 4);
		return len;
	}
	for (unsigned i = 0; i < len; i++)
		out[i] = (uint8_t)below(chance, below(chance, 2) ? 6 : 256);
	return len;
}

struct packet shape_packet(uint64_t *chance, struct spec s)
{
	static const uint8_t flags[] = {TCP_SYN, TCP_SYN, TCP_ACK, TCP_PSH | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};
	bool v6 = s.t.src >> 32;
	uint8_t options[TCP_OPTIONS_MAX];

	s.t.proto = s.t.proto ? s.t.proto : some_proto(chance);
	s.seq = below(chance, UINT32_MAX);
	s.ack = below(chance, UINT32_MAX);
	s.id = 1 + below(chance, 0xffff);
	s.label = below(chance, 3) ? 0 : below(chance, 1U << 20);
	s.payload = (uint16_t)below(chance, below(chance, 5) ? 40 : 600);
	s.payload += s.t.proto == PROTO_SCTP ? 4 : 0; /* its header has 12 bytes */
	s.ttl = (uint8_t)(below(chance, 4) ? 64 : 2 + below(chance, 254));
	s.tos = (uint8_t)(below(chance, 2) ? 0 : below(chance, 256));
	s.ihl = (uint8_t)(below(chance, 3) ? 5 : 5 + below(chance, 11));
	s.fragment = !v6 && below(chance, 2) ? FRAGMENT_DF : 0;
	s.tcp_flags = s.tcp_flags ? s.tcp_flags : flags[below(chance, sizeof(flags))];
	s.no_checksum = !v6 && !below(chance, 5);
	if (v6)
		some_extensions(chance, s.extensions);
	if (s.t.proto == PROTO_TCP) {
		s.tcp_options = options;
		s.tcp_options_len = some_options(chance, options);
	}
	return packet_make(&s);
}

void shape_garbage(uint64_t *chance, struct packet *p)
{
	for (unsigned n = 1 + below(chance, 4); n; n--) {
		size_t at = p->l2 + below(chance, GARBAGE_REACH);

		p->bytes[at] = (uint8_t)below(chance, 256);
	}
	if (below(chance, 2))
		p->len -= below(chance, (uint32_t)(p->len - p->l2));
}
