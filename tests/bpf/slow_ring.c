/* SPDX-License-Identifier: GPL-2.0 */
/* slow_ring.c: see slow_ring.h. */
#include "slow_ring.h"

#include <string.h>

#include <bpf/libbpf.h>
#include <wanhelm/slow.h>

#include "harness.h"

static int note(void *arg, void *data, size_t len)
{
	struct wh_slow *slow = data;
	struct record *record = arg;

	if (slow->len > PACKET_MAX || sizeof(*slow) + slow->len > len)
		return -1;
	*record = (struct record){.n = record->n + 1,
				  .task = slow->task,
				  .ifindex = slow->ifindex,
				  .mtu = slow->mtu,
				  .wan = slow->wan,
				  .frame = {.len = slow->len, .l2 = slow->l2_len}};
	memcpy(record->frame.bytes, slow->frame, slow->len);
	return 0;
}

struct record slow_records(void)
{
	static struct ring_buffer *ring;
	static struct record record;
	char path[128];
	int map;

	if (!ring) {
		snprintf(path, sizeof(path), "%s/wh_slow", lab.bpf_dir);
		map = bpf_obj_get(path);
		assert_true(map >= 0);
		ring = ring_buffer__new(map, note, &record, NULL);
		assert_non_null(ring);
	}
	record = (struct record){};
	assert_true(ring_buffer__consume(ring) >= 0);
	return record;
}
