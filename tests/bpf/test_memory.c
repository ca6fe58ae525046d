/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_memory.c: what a flow and a binding cost in kernel memory, buckets and all, at the default and at a million
 * flows: README.md says so.  Reckoned from the sizes of the pinned maps, and asked of the kernel for maps like them.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern/load.h"
#include "kern/pins.h"
#include "lib/cleanup.h"

#define ROUND_UP(n) (((n) + 7ULL) / 8 * 8)
#define ELEMENT_HEAD 48
#define BUCKET 16

static const uint32_t sizes[] = {262144, 1000000};

static struct bpf_map_info info_of(int map)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(map, &info, &len), 0);
	return info;
}

/* A hash that has its elements from the beginning. */
static uint64_t reckoned(const struct bpf_map_info *info)
{
	uint64_t buckets = 1;

	while (buckets < info->max_entries)
		buckets *= 2;
	return info->max_entries * (ELEMENT_HEAD + ROUND_UP(info->key_size) + ROUND_UP(info->value_size)) +
	       buckets * BUCKET;
}

/* As the kernel says. */
static uint64_t locked(int map)
{
	char path[64], text[1024] = "";
	FILE *file;
	char *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	at = strstr(text, "memlock:");
	assert_non_null(at);
	return strtoull(at + strlen("memlock:"), NULL, 10);
}

/* Before Linux 6.4 it counts keys and values only. */
static uint64_t bare(const struct bpf_map_info *info)
{
	return info->max_entries * ROUND_UP(info->key_size + ROUND_UP(info->value_size)) + 4096;
}

/* Bytes of one entry of the map that the lab has under that name, in a table for so many flows. */
static double bytes_of_entry(const char *name, uint32_t max_flows)
{
	const struct wh_load_options options = {.max_flows = max_flows};
	_cleanup_close_ int pinned = wh_pin_open(lab.bpf_dir, name), like = -1;
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	struct bpf_map_info info;
	uint64_t kernels;

	assert_true(pinned >= 0);
	info = info_of(pinned);
	opts.map_flags = info.map_flags;
	assert_int_equal(info.max_entries, wh_map_entries(name, &(struct wh_load_options){.max_flows = lab.max_flows}));
	info.max_entries = wh_map_entries(name, &options);
	like = bpf_map_create((enum bpf_map_type)info.type, "measured", info.key_size, info.value_size,
			      info.max_entries, &opts);
	assert_true(like >= 0);
	kernels = locked(like);
	if (kernels > bare(&info))
		assert_in_range(kernels, reckoned(&info), reckoned(&info) + reckoned(&info) / 50);
	print_message("%s for %u flows: %.1f bytes an entry\n", name, max_flows,
		      (double)reckoned(&info) / info.max_entries);
	return (double)reckoned(&info) / info.max_entries;
}

static void expect_at_most(const char *one, const char *other, double bytes)
{
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_true(bytes_of_entry(one, sizes[i]) + bytes_of_entry(other, sizes[i]) <= bytes);
}

static void test_flow(void **state)
{
	(void)state;
	expect_at_most("wh_flows4", "wh_replies4", 260);
	expect_at_most("wh_flows6", "wh_replies6", 350);
}

static void test_binding_and_its_port(void **state)
{
	(void)state;
	expect_at_most("wh_binds4", "wh_ports4", 200);
	expect_at_most("wh_binds6", "wh_ports6", 230);
}

/* Of an IPv4 flow's element, the kernel's head with it, a packet touches two cache lines and never a third. */
static void test_element_of_a_flow(void **state)
{
	(void)state;
	assert_int_equal(ELEMENT_HEAD + sizeof(struct wh_flow4_key) + sizeof(struct wh_flow4), 2 * 64);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_flow),
	LAB_TEST(test_binding_and_its_port),
	LAB_TEST(test_element_of_a_flow),
};

LAB_MAIN(tests, 1024)
