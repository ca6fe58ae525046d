/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow_path_fixture.h: a slow path that reads a real ring buffer, records for it, and a made-up world that it asks
 * for first fragments and clients.
 */
#ifndef WANHELM_TESTS_SLOW_PATH_FIXTURE_H
#define WANHELM_TESTS_SLOW_PATH_FIXTURE_H

#include "veth_fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "kern/slow.h"
#include "slow_fixture.h"

#define PORT 9000
#define NOW_NS 1000000000ULL
#define WAN 3

static struct wh_slow_path *path;
static const struct wh_slow_counters *count;
static int ring; /* the ring buffer */
static int desk; /* an array of one record, for the program that puts it into the ring */
static struct packet packet;

static _Alignas(struct wh_slow) uint8_t record_bytes[sizeof(struct wh_slow) + WH_SLOW_OUT_MAX];
static struct wh_slow *const record = (struct wh_slow *)record_bytes;

/* --- what the path asks for ------------------------------------------------------------------------------- */

static struct {
	bool first_came;
	struct wh_fragment first;
	int client_err;
	struct wh_delivery client;
	struct wh_reply4_key asked4;
	struct wh_reply6_key asked6;
	unsigned learnt, learnt_late;
	uint32_t frame_len; /* of what was learnt last */
	uint8_t frame[WH_SLOW_OUT_MAX];
	void (*on_learn)(void);
} world;

static inline int find_first(void *arg, enum wh_family family, const void *key, struct wh_fragment *out)
{
	uint32_t ifindex = family == WH_V4 ? ((const struct wh_fragment4_key *)key)->ifindex
					   : ((const struct wh_fragment6_key *)key)->ifindex;

	assert_ptr_equal(arg, &world);
	if (!world.first_came || ifindex != 77)
		return -ENOENT;
	*out = world.first;
	return 0;
}

static inline int find_client(void *arg, enum wh_family family, const void *key, struct wh_delivery *out)
{
	assert_ptr_equal(arg, &world);
	if (family == WH_V4)
		memcpy(&world.asked4, key, sizeof(world.asked4));
	else
		memcpy(&world.asked6, key, sizeof(world.asked6));
	if (!world.client_err)
		*out = world.client;
	return world.client_err;
}

static inline void learn(void *arg, const struct wh_frame *frame, bool late)
{
	assert_ptr_equal(arg, &world);
	world.learnt++;
	world.learnt_late += late;
	world.frame_len = frame->len;
	memcpy(world.frame, frame->bytes, frame->len);
	if (world.on_learn)
		world.on_learn();
}

static const struct wh_slow_ops ops = {.first = find_first, .client = find_client, .answer = learn};

static inline int open_path(void **state)
{
	set_up(state);
	memset(&world, 0, sizeof(world));
	world.first = (struct wh_fragment){.sport_be = htons(53), .dport_be = htons(PORT), .proto = IPPROTO_UDP};
	world.client = (struct wh_delivery){.ifindex = near_index, .mtu = 1500, .l2_len = ETH_HLEN};
	memcpy(world.client.src_mac, near_mac, ETH_ALEN);
	memcpy(world.client.dst_mac, far_mac, ETH_ALEN);
	ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "slow", 0, 0, WH_SLOW_RING, NULL);
	desk = bpf_map_create(BPF_MAP_TYPE_ARRAY, "desk", sizeof(uint32_t), sizeof(record_bytes), 1, NULL);
	assert_true(ring >= 0 && desk >= 0);
	assert_int_equal(wh_slow_open(&path, ring, &ops, &world), 0);
	count = wh_slow_counters(path);
	return 0;
}

static inline int close_path(void **state)
{
	wh_slow_close(path);
	close(ring);
	close(desk);
	return tear_down(state);
}

/* --- records ---------------------------------------------------------------------------------------------- */

static inline size_t make_record(uint32_t task, uint32_t ifindex, uint32_t mtu)
{
	*record = (struct wh_slow){.task = task,
				   .ifindex = ifindex,
				   .mtu = mtu,
				   .l2_len = packet.frame.l2_len,
				   .len = packet.frame.len,
				   .wan = WAN};
	memcpy(record->frame, packet.bytes, packet.frame.len);
	return sizeof(*record) + packet.frame.len;
}

/* Have a BPF program put the record into the ring, as the data plane does. Whether there was room. */
static inline bool put(size_t size)
{
	const struct bpf_insn code[] = {
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = ring},
		{},
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_2, .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = desk},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = (int)size},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ringbuf_output},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_test_run_opts, test_run, .data_in = record_bytes, .data_size_in = 64);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "put", "GPL", code, sizeof(code) / sizeof(code[0]), NULL);
	uint32_t zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(desk, &zero, record_bytes, BPF_ANY), 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &test_run), 0);
	close(fd);
	return !test_run.retval;
}

static inline void take(size_t size, uint64_t now_ns)
{
	wh_slow_take(path, record, size, now_ns);
}

/* A later fragment of IPv4 from another network, which came in by device 77. */
static inline size_t make_orphan(uint32_t payload, uint16_t id)
{
	make4(&packet, ETH_HLEN, 0, payload, 185);
	put16(packet.ip + 4, id);
	seal(packet.ip);
	return make_record(WH_SLOW_ORPHAN, 77, 0);
}

#define PATH_TEST(function) cmocka_unit_test_setup_teardown(function, open_path, close_path)

#endif
