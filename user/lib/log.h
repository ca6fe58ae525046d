/* SPDX-License-Identifier: GPL-2.0 */
/*
 * log.h: one line a message, to standard error, with the journal's level prefix where standard error is the
 * journal.  Only the outer layers call it: the daemon, and main() of the command.
 */
#ifndef WANHELM_LIB_LOG_H
#define WANHELM_LIB_LOG_H

#include <stdbool.h>

enum wh_log_level { WH_LOG_ERROR, WH_LOG_WARNING, WH_LOG_INFO, WH_LOG_DEBUG };

/* Messages above `max` are dropped; WH_LOG_INFO at the start. */
void wh_log_set_level(enum wh_log_level max);

void wh_log(enum wh_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define wh_error(...) wh_log(WH_LOG_ERROR, __VA_ARGS__)
#define wh_warn(...) wh_log(WH_LOG_WARNING, __VA_ARGS__)
#define wh_info(...) wh_log(WH_LOG_INFO, __VA_ARGS__)
#define wh_debug(...) wh_log(WH_LOG_DEBUG, __VA_ARGS__)

#endif
