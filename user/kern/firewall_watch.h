/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall_watch.h: hears of every change of this network namespace's nftables rulesets, made with nft, iptables-nft
 * or a library; the daemon asks then whether our table (firewall.h) is still there, and has accepted flows shown to
 * the chains once more.  The old iptables (iptables-legacy) announces nothing: a change made with it is not noticed.
 */
#ifndef WANHELM_KERN_FIREWALL_WATCH_H
#define WANHELM_KERN_FIREWALL_WATCH_H

#include <stdbool.h>

struct wh_firewall_watch;

/*
 * Listen.  `changed` is called from wh_firewall_watch_read() once for each transaction; `by_us`: this thread made it.
 * What was lost counts as a change by others.  Elements that chains add to sets, and those that expire, are no
 * transactions.  0 or -errno (-EPERM without CAP_NET_ADMIN).
 */
int wh_firewall_watch_open(struct wh_firewall_watch **out, void (*changed)(void *arg, bool by_us), void *arg);
/* Stop listening; NULL is fine. */
void wh_firewall_watch_close(struct wh_firewall_watch *watch);

/* The descriptor to wait on, readable when wh_firewall_watch_read() has work. */
int wh_firewall_watch_fd(const struct wh_firewall_watch *watch);

/* Take in what has come, at most a bounded number of messages. 0 or -errno. */
int wh_firewall_watch_read(struct wh_firewall_watch *watch);

#endif
