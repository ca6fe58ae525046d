/* SPDX-License-Identifier: GPL-2.0 */
/*
 * checksum.h: the Internet checksum (RFC 1071) for packets that user space writes or checks itself.
 *
 *	wh_checksum_be(wh_sum(header, len, 0))		what goes into a field that is 0
 *	wh_sum_fold(wh_sum(header, len, 0)) == 0xffff	a header with its field is right
 */
#ifndef WANHELM_LIB_CHECKSUM_H
#define WANHELM_LIB_CHECKSUM_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

/* Add bytes, taken as big-endian 16-bit words, to a sum that is not folded yet; good for 64 KiB in all. */
static inline uint32_t wh_sum(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return len % 2 ? sum + ((uint32_t)bytes[len - 1] << 8) : sum;
}

static inline uint16_t wh_sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint16_t wh_checksum_be(uint32_t sum)
{
	return htons((uint16_t)~wh_sum_fold(sum));
}

#endif
