/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prober_private.h: what the parts of the prober share; nobody else includes it.
 *
 *	prober.c	the controller's side: start, orders, results, stop
 *	rtnl.c		one request to rtnetlink and its answer
 *	netns.c		the veth, made from the controller's side; addresses and routes, made from the process's
 *	child.c		the process: its set-up, and its loop
 *	privileges.c	how it loses everything that it does not need
 *	address.c	the addresses in there, and addresses as the kernel takes them
 *	probe_icmp.c	echo requests and replies
 *	probe_tcp.c	connection attempts
 */
#ifndef WANHELM_PROBER_PRIVATE_H
#define WANHELM_PROBER_PRIVATE_H

#include "prober/prober.h"

#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <sys/types.h>

/* --- the veth --------------------------------------------------------------------------------------------- */

#define WH_PROBER_PEER "probe0" /* the process's end of the veth */
#define WH_RTNL_REQUEST_MAX 1024

/* Send a request, wait for the answer: 0 or the kernel's -errno.  `take` gets the answer's message; may be NULL. */
int wh_rtnl_ask(struct nlmsghdr *request, int (*take)(const struct nlmsghdr *, void *arg), void *arg);

/* Start a request in `buf` (WH_RTNL_REQUEST_MAX, aligned). */
struct nlmsghdr *wh_rtnl_request(void *buf, uint16_t type, uint16_t flags);

/* Make the veth, its other end inside the network namespace of process `pid`; our end is up. 0 or -errno with `error`. */
int wh_netns_make_veth(pid_t pid, unsigned *ifindex, uint8_t mac[ETH_ALEN], char *error, size_t error_len);

/*
 * Remove our end, and so both: of any earlier controller, or the one of that ifindex only.  That there is none
 * is no failure; what is no veth stays: -EEXIST.
 */
#define WH_NETNS_ANY 0
int wh_netns_remove_veth(unsigned ifindex);

/* In the process's own namespace: addresses, and everything else through the router's end. */
int wh_netns_configure(const uint8_t router_mac[ETH_ALEN], char *error, size_t error_len);

/* --- addresses -------------------------------------------------------------------------------------------- */

/* What the kernel takes, of the family that `any` says; it does not mind the length of the longest. */
union wh_sockaddr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

union wh_sockaddr wh_prober_sockaddr(const struct wh_address *addr, uint16_t port);

/* AF_INET or AF_INET6. */
int wh_prober_af(enum wh_family family);

/* WAN number `wan`'s source address. */
struct wh_address wh_prober_source(enum wh_family family, unsigned wan);

/* The next hop in the process's namespace; made up: it stands for our end, and nobody has it. */
struct wh_address wh_prober_gateway(enum wh_family family);

/* --- the process ------------------------------------------------------------------------------------------ */

/* What the two sides say to each other while they start. */
struct wh_prober_hello {
	int err;	       /* 0: go on */
	uint8_t mac[ETH_ALEN]; /* of the router's end, where the router speaks */
	char error[120];
};

/* The process's whole life, in a fresh child; `sock` is its end of the socket pair. */
_Noreturn void wh_prober_child(int sock, pid_t parent);

/* Become nobody, without any way back. 0 or -errno. */
int wh_prober_drop_privileges(void);

/* Keep the standard descriptors, which become /dev/null but for stderr, and `keep`; close all others. */
void wh_prober_close_others(int keep);

/* Tell a result to the controller; waits when that is behind. */
void wh_prober_tell(int sock, const struct wh_prober_order *order, enum wh_probe_status status, uint64_t rtt_ns);

/* --- echo ------------------------------------------------------------------------------------------------- */

struct wh_icmp {
	int fd[WH_FAMILIES]; /* -1: the kernel knows nothing of this family */
	uint16_t id;	     /* of this process; the low bits name the WAN */
	uint64_t cookie;     /* of this process: what does not carry it is not our answer */
};

int wh_icmp_open(struct wh_icmp *icmp);
/* 0 or -errno: nothing was sent. */
int wh_icmp_send(const struct wh_icmp *icmp, const struct wh_prober_order *order);
/* Read what has come, and tell what answers a probe. */
void wh_icmp_read(const struct wh_icmp *icmp, int sock);

/* --- TCP -------------------------------------------------------------------------------------------------- */

#define WH_TCP_ATTEMPTS 256

struct wh_tcp_attempt {
	int fd; /* -1: free */
	struct wh_prober_order order;
	uint64_t start_ns;
	uint64_t end_ns;
};

struct wh_tcp {
	int epoll;	      /* where attempts are waited for, with &attempts[i] as data */
	unsigned n;	      /* attempts under way */
	uint64_t next_end_ns; /* no attempt ends before */
	struct wh_tcp_attempt attempts[WH_TCP_ATTEMPTS];
};

void wh_tcp_init(struct wh_tcp *tcp, int epoll);
/* 0 or -errno: nothing was sent. */
int wh_tcp_start(struct wh_tcp *tcp, const struct wh_prober_order *order);
/* An attempt came to something. */
void wh_tcp_finish(struct wh_tcp *tcp, struct wh_tcp_attempt *attempt, int sock);
/* Give up what took too long; milliseconds until the next one does, -1: none under way. */
int wh_tcp_expire(struct wh_tcp *tcp);

#endif
