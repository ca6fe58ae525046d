/* SPDX-License-Identifier: GPL-2.0 */
/* npt.c: see npt.h. */
#include "npt.h"

#define WORDS 8
#define SUBNET 3 /* the word that bits 48 to 63 are: adjusted where the prefixes leave it free */
#define ONES 0xffffU

static uint16_t word(address a, unsigned i)
{
	return (uint16_t)(a >> 16 * (WORDS - 1 - i));
}

static address with_word(address a, unsigned i, uint16_t value)
{
	unsigned shift = 16 * (WORDS - 1 - i);

	return (a & ~((address)ONES << shift)) | (address)value << shift;
}

static address mask(unsigned len)
{
	return len ? ~(address)0 << (128 - len) : 0;
}

bool prefix_holds(struct prefix prefix, address addr)
{
	return (addr & mask(prefix.len)) == prefix.addr;
}

/* One's complement: the sum of an address's words. */
static uint32_t sum_of(address a)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < WORDS; i++)
		sum += word(a, i);
	return sum % ONES;
}

/* §3.4: prefixes of at most 48 bits are adjusted for in the subnet; §3.5: longer ones in the interface identifier. */
static unsigned adjusted_word(address a, unsigned len)
{
	unsigned i = len <= 48 ? SUBNET : SUBNET + 1;

	while (len > 48 && i < WORDS && word(a, i) == ONES)
		i++;
	return i;
}

bool npt_map(struct prefix from, struct prefix to, address from_addr, address *to_addr)
{
	unsigned len = from.len > to.len ? from.len : to.len;
	address mapped = (from_addr & ~mask(len)) | to.addr;
	unsigned at = adjusted_word(from_addr, len);

	if (at == WORDS || word(from_addr, at) == ONES || !(uint64_t)from_addr)
		return false;
	/* Modulo 65535 a sum is what one's complement makes of it, and never all ones, which §3.1 forbids as a result. */
	mapped = with_word(mapped, at,
			   (uint16_t)((word(from_addr, at) + sum_of(from.addr) + ONES - sum_of(to.addr)) % ONES));
	*to_addr = mapped;
	return true;
}
