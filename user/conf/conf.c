/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conf.c: the configuration as a whole: reading it, the table of its top level, its small sections, what it may not
 * leave out.  The large sections stand in files of their own, see sections.h.
 */
#include "conf/conf.h"
#include "conf/files.h"
#include "conf/sections.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "model/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) .offset = offsetof(struct wh_config, field)

static int read_limits(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		       void *out)
{
	static const struct wh_conf_key keys[] = {
		{.name = "flows", .read = wh_conf_number, AT(max_flows), .min = 1024, .max = 16777216},
		{.name = "flows-per-client", .read = wh_conf_number, AT(flows_per_client), .min = 1, .max = 16777216},
		{.name = NULL},
	};

	return wh_conf_section(r, key->name, value, keys, out);
}

/* The values that are used, enum wh_mark, count upwards from the configured one in units of the mask's lowest bit. */
static int check_mark(struct wh_conf_reader *r, const struct wh_conf_node *section, uint32_t value, uint32_t mask)
{
	const struct wh_conf_node *value_at = wh_conf_either(section, "value", "mask");
	const struct wh_conf_node *mask_at = wh_conf_either(section, "mask", "value");
	const uint32_t unit = mask & -mask, highest = mask / unit, more = WH_MARK_VALUES - 1;

	if (highest & (highest + 1))
		return wh_conf_refuse(&r->source, mask_at->at, "mark: the mask 0x%x is not one run of bits", mask);
	if (value & ~mask)
		return wh_conf_refuse(&r->source, value_at->at, "mark: the value 0x%x has bits outside the mask 0x%x",
				      value, mask);
	if (highest <= more)
		return wh_conf_refuse(&r->source, mask_at->at, "mark: the mask 0x%x has less than 4 bits", mask);
	if (value / unit > highest - more)
		return wh_conf_refuse(&r->source, value_at->at,
				      "mark: above the value 0x%x the mask 0x%x has no room for %u more; at most 0x%x",
				      value, mask, more, (highest - more) * unit);
	return 0;
}

static int read_mark(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     void *out)
{
	static const struct wh_conf_key keys[] = {
		{.name = "value", .read = wh_conf_number, AT(mark), .min = 1, .max = UINT32_MAX},
		{.name = "mask", .read = wh_conf_number, AT(mark_mask), .min = 1, .max = UINT32_MAX},
		{.name = NULL},
	};
	const struct wh_config *config = out;
	int err = wh_conf_section(r, key->name, value, keys, out);

	return err ? err : check_mark(r, value, config->mark, config->mark_mask);
}

static const struct wh_conf_choice firewall_choices[] = {
	{"kernel", WH_CONF_FIREWALL_KERNEL},
	{"untracked", WH_CONF_FIREWALL_UNTRACKED},
	{"bypass", WH_CONF_FIREWALL_BYPASS},
	{NULL, 0},
};

static const struct wh_conf_choice recheck_choices[] = {{"auto", true}, {"off", false}, {NULL, 0}};

static const struct wh_conf_choice boot_choices[] = {{"closed", true}, {"open", false}, {NULL, 0}};

static const struct wh_conf_key top_keys[] = {
	{.name = "accel", .read = wh_conf_accel, AT(accel)},
	{.name = "lan", .read = wh_conf_lans},
	{.name = "firewall", .read = wh_conf_choose, AT(firewall), .choices = firewall_choices},
	{.name = "firewall-recheck", .read = wh_conf_bool, AT(firewall_recheck), .choices = recheck_choices},
	{.name = "boot", .read = wh_conf_bool, AT(boot_closed), .choices = boot_choices},
	{.name = "limits", .read = read_limits},
	{.name = "mark", .read = read_mark},
	{.name = "probes", .read = wh_conf_probes},
	{.name = "failback", .read = wh_conf_failback, AT(failback)},
	{.name = "wans", .read = wh_conf_wans},
	{.name = "sets", .read = wh_conf_sets},
	{.name = "classes", .read = wh_conf_classes},
	WH_CONF_LATER("all-down"),
	WH_CONF_LATER("damping"),
	WH_CONF_LATER("hooks"),
	WH_CONF_LATER("dashboard"),
	{.name = NULL},
};
#undef AT

static int check_complete(struct wh_conf_reader *r, const struct wh_conf_node *root)
{
	if (!wh_conf_find(root, "lan"))
		return wh_conf_refuse(&r->source, WH_CONF_START,
				      "lan: is missing; write the devices where clients arrive");
	if (!wh_conf_find(root, "wans"))
		return wh_conf_refuse(&r->source, WH_CONF_START, "wans: is missing; write the uplinks");
	return 0;
}

/* For messages of later: of each file the end of its path. */
static void name_files(const struct wh_conf_source *source, struct wh_config *config)
{
	for (unsigned i = 0; i < source->n_files; i++)
		snprintf(config->files[i], WH_FILE_LEN, "%s", wh_conf_path_end(source->files[i].path, WH_FILE_LEN - 1));
	config->n_files = source->n_files;
}

/* What the data plane cannot hold is refused with the file.  Under which numbers it would stand does not matter. */
static int check_rules(struct wh_conf_reader *r, const struct wh_conf_node *root)
{
	static const struct wh_rule_numbers numbers;
	_cleanup_free_ struct wh_rule_set *set = r->config->n_matches ? malloc(sizeof(*set)) : NULL;
	char error[128];
	int err;

	if (!r->config->n_matches)
		return 0;
	err = set ? wh_rules_compile(r->config, &numbers, set, error, sizeof(error)) : -ENOMEM;
	if (err == -E2BIG)
		return wh_conf_refuse(&r->source, wh_conf_find(root, "classes")->key->at, "classes: %s", error);
	return err;
}

static int read_root(struct wh_conf_reader *r, const struct wh_conf_node *root)
{
	struct wh_config *config = r->config;
	int err;

	config->firewall_recheck = true;
	wh_conf_default_failback(&config->failback);
	config->max_flows = 262144;
	config->flows_per_client = 16384;
	config->mark = 0x57000000;
	config->mark_mask = 0xff000000;
	wh_conf_default_profile(&config->profiles[0]);
	config->n_profiles = 1;
	err = wh_conf_section(r, "", root, top_keys, config);
	if (err)
		return err;
	if (!config->n_classes)
		wh_conf_default_class(config);
	name_files(&r->source, config);
	err = check_complete(r, root);
	return err ? err : check_rules(r, root);
}

static int read_tree(struct wh_conf_reader *r, const struct wh_conf_text *text, struct wh_conf_tree *tree)
{
	int err = wh_conf_tree_build(&r->source, text, tree);

	if (err)
		return err;
	if (!tree->root->first)
		return wh_conf_refuse(&r->source, WH_CONF_START, "the file is empty");
	err = wh_conf_include(&r->source, tree);
	return err ? err : read_root(r, tree->root);
}

int wh_conf_parse(const char *name, const char *text, size_t len, struct wh_conf_ports local, struct wh_config *out,
		  char error[WH_CONF_ERROR_LEN])
{
	_cleanup_free_ struct wh_conf_reader *r = calloc(1, sizeof(*r));
	_cleanup_free_ struct wh_config *config = calloc(1, sizeof(*config));
	struct wh_conf_text whole = {.bytes = text, .len = len};
	struct wh_conf_tree tree = {0};
	int err = -ENOMEM;

	if (r && config) {
		r->source.error = error;
		r->local = local;
		r->config = config;
		err = wh_conf_files_add(&r->source, name, NULL, 0, &whole.file);
	}
	if (!err) {
		err = read_tree(r, &whole, &tree);
		wh_conf_tree_free(&tree);
		wh_conf_files_free(&r->source);
	}
	if (err == -ENOMEM)
		snprintf(error, WH_CONF_ERROR_LEN, "%s: out of memory", name);
	if (!err)
		*out = *config;
	return err;
}

/* Up to `size` bytes of the file; the number read or -errno. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : wh_conf_read_fd(fd, text, size);
}

static struct wh_conf_ports read_local_ports(void)
{
	struct wh_conf_ports ports = {0};
	char text[32] = "";
	ssize_t len = read_file("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text) - 1);
	char *rest;

	if (len > 0) {
		ports.first = (uint16_t)strtoul(text, &rest, 10);
		ports.last = (uint16_t)strtoul(rest, NULL, 10);
	}
	return ports;
}

int wh_conf_read(const char *path, struct wh_config *out, char error[WH_CONF_ERROR_LEN])
{
	const size_t size = WH_CONF_MAX_SIZE + 1; /* one more than is accepted, so that too much is noticed */
	char *text = malloc(size);
	ssize_t len = text ? read_file(path, text, size) : -ENOMEM;
	int err = (int)len;

	if (len >= 0)
		err = wh_conf_parse(path, text, (size_t)len, read_local_ports(), out, error);
	else
		snprintf(error, WH_CONF_ERROR_LEN, "%s: cannot be read: %s", path, strerror(-err));
	free(text);
	return err;
}
