/* SPDX-License-Identifier: GPL-2.0 */
/* timestamp.h: points in time as answers and records write them: RFC 3339, milliseconds, local time with its zone. */
#ifndef WANHELM_LIB_TIMESTAMP_H
#define WANHELM_LIB_TIMESTAMP_H

#include <stdint.h>

#define WH_TIMESTAMP_LEN 64

/* Nanoseconds of CLOCK_REALTIME → "2024-02-29T13:05:00.250+01:00". */
void wh_timestamp_format(uint64_t realtime_ns, char out[WH_TIMESTAMP_LEN]);

/* The other way, any zone or Z, any fraction; -EINVAL for what is no RFC 3339 time or before 1970. */
int wh_timestamp_parse(const char *text, uint64_t *out_ns);

#endif
