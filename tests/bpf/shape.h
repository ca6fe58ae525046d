/* SPDX-License-Identifier: GPL-2.0 */
/* shape.h: chance: packets of every shape that a good host, or a bad one, may send.  WANHELM_SEED repeats a run. */
#ifndef WANHELM_TESTS_SHAPE_H
#define WANHELM_TESTS_SHAPE_H

#include "make.h"

/* The state of one thread's chance; the first one prints the seed. */
uint64_t chance_seed(void);
uint32_t below(uint64_t *chance, uint32_t n);

/*
 * A packet of `s`, of which only addresses, MACs, ports and link layer count: a random protocol where it has none, the
 * rest (header lengths, options, extension headers, payload, checksums left out) as chance has it.
 */
struct packet shape_packet(uint64_t *chance, struct spec s);
/* A few of its bytes overwritten, its end perhaps cut off: whatever may come of that. */
void shape_garbage(uint64_t *chance, struct packet *p);

#endif
