/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bind.bpf.c: each bind() of a socket that names an address, noted with the socket; compiled once a family.  Attached to
 * the root of the control groups by user/kern/bind.c, so that it sees every program's; it refuses nobody.  That the
 * bind() may fail afterwards is no matter: who asks compares the address with the one that the packet has.
 */
#include "bound.h"

#if WH_FAMILY == 4
#define BIND_SECTION "cgroup/bind4"
#else
#define BIND_SECTION "cgroup/bind6"
#endif

SEC(BIND_SECTION)
int wh_note_bind(struct bpf_sock_addr *ctx)
{
#if WH_FAMILY == 4
	struct wh_addr6 asked = {{0, 0, bpf_htonl(0xffff), ctx->user_ip4}};
	int is_named = ctx->user_ip4 != 0;
#else
	struct wh_addr6 asked = {{ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]}};
	int is_named = asked.word_be[0] || asked.word_be[1] || asked.word_be[3];
#endif
	struct wh_addr6 *noted = NULL;

	if (is_named && ctx->sk)
		noted = bpf_sk_storage_get(&wh_bound, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (noted)
		*noted = asked;
	return 1;
}

char _license[] SEC("license") = "GPL";
