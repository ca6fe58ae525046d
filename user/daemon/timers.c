/* SPDX-License-Identifier: GPL-2.0 */
/*
 * timers.c: after how long an entry of the data plane's tables is idle: one table, handed to the sweep with each of
 * its orders.  WANHELM_TIMER_SCALE=N in the environment divides all of them by N, so that tests need not wait.
 */
#include <stdlib.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/text.h"

#define SCALE_MAX 100000

static const uint64_t book_s[WH_TIMER_COUNT] = {
	[WH_TIMER_UDP] = 300,		   /* RFC 4787 REQ-5: at least 2 minutes, 5 recommended */
	[WH_TIMER_ICMP] = 60,		   /* RFC 5508 REQ-2: at least 60 s */
	[WH_TIMER_TCP_TRANSITORY] = 240,   /* RFC 5382 REQ-5: at least 4 minutes; after the end too, RFC 7857 §2 */
	[WH_TIMER_TCP_ESTABLISHED] = 7440, /* RFC 5382 REQ-5: at least 2 hours 4 minutes */
	[WH_TIMER_RESET] = 10,		   /* our own RST: long enough for what was on its way */
	[WH_TIMER_OTHER] = 600,		   /* GRE, ESP, SCTP: no RFC; twice UDP's, as their peers are often silent */
	[WH_TIMER_PORT] = 120,		   /* RFC 6888 REQ-8: a freed port is nobody's for at least 120 s */
};

static uint64_t read_scale(void)
{
	const char *text = getenv("WANHELM_TIMER_SCALE");
	uint64_t scale = 1;

	if (text && wh_parse_number(text, 1, SCALE_MAX, &scale))
		wh_warn("WANHELM_TIMER_SCALE: \"%s\" is no number from 1 to %d; idle times are as they should be", text,
			SCALE_MAX);
	else if (text)
		wh_warn("WANHELM_TIMER_SCALE: idle times are divided by %s: for tests only", text);
	return scale;
}

const uint64_t *wh_timers_ns(void)
{
	static uint64_t timers_ns[WH_TIMER_COUNT];

	if (!timers_ns[0]) {
		uint64_t scale = read_scale();

		for (unsigned i = 0; i < WH_TIMER_COUNT; i++)
			timers_ns[i] = book_s[i] * WH_NS_PER_S / scale;
	}
	return timers_ns;
}
