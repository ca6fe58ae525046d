/* SPDX-License-Identifier: GPL-2.0 */
/* slow_ring.h: what the data plane handed to the controller: the records of the ring buffer wh_slow. */
#ifndef WANHELM_TESTS_SLOW_RING_H
#define WANHELM_TESTS_SLOW_RING_H

#include <stdint.h>

#include "packet.h"

/* How many there were, and the last. */
struct record {
	unsigned n;
	uint32_t task, ifindex, mtu, wan;
	struct packet frame;
};

/* Since the last look. */
struct record slow_records(void);

#endif
