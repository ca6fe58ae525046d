/* SPDX-License-Identifier: GPL-2.0 */
/* client.h: how many flows a client may have. */
#ifndef WH_BPF_CLIENT_H
#define WH_BPF_CLIENT_H

#include "select.h"

static __always_inline struct wh_client_key client_key(const addr_t *client)
{
#if WH_FAMILY == 4
	struct wh_client_key key = {.high_be = 0, .low_be = *client};
#else
	struct wh_client_key key = {.high_be = client->word_be[0] ^ client->word_be[2],
				    .low_be = client->word_be[1] ^ client->word_be[3]};
#endif

	return key;
}

/* Flows that a client opened itself are counted. */
static __always_inline int is_counted(__u8 flow_flags)
{
	return !(flow_flags & (WH_FLOW_PROBE | WH_FLOW_KERNEL | WH_FLOW_INBOUND | WH_FLOW_FOREIGN));
}

/* Two CPUs may let a client have one flow too many. */
static __always_inline int client_enter(const addr_t *client, __u8 flow_flags)
{
	struct wh_client_key key = client_key(client);
	struct wh_steer *all = steer_global();
	struct wh_client *count, fresh = {};

	if (!is_counted(flow_flags) || !all)
		return 0;
	count = bpf_map_lookup_elem(&wh_clients, &key);
	if (!count) {
		bpf_map_update_elem(&wh_clients, &key, &fresh, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&wh_clients, &key);
		if (!count)
			return -WH_REASON_TABLE_FULL;
	}
	if (all->flows_per_client && count->flows >= all->flows_per_client && (__s32)count->flows >= 0)
		return -WH_REASON_CLIENT_LIMIT;
	__sync_fetch_and_add(&count->flows, 1);
	return 0;
}

static __always_inline void client_leave(const addr_t *client, __u8 flow_flags)
{
	struct wh_client_key key = client_key(client);
	struct wh_client *count = is_counted(flow_flags) ? bpf_map_lookup_elem(&wh_clients, &key) : NULL;

	if (count && (__s32)count->flows > 0)
		__sync_fetch_and_add(&count->flows, -1);
}

#endif
