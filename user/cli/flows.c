/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flows.c: the verb flows.  Reads the maps itself, controller or not, a slice at a time, and prints as it
 * goes, so that half a million flows need no memory; only --top keeps its N.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/flow_json.h"
#include "cli/offline.h"
#include "cli/print.h"
#include "lib/clock.h"
#include "lib/text.h"

#define WALK_SLICE 1024
#define MAX_TOP 100000
#define ENDPOINT_LEN 56

struct listing {
	const struct cli *cli;
	const struct wh_tables *tables;
	struct cli_flow_names names;
	int wan;	 /* filters: number, or -1 */
	int class;	 /* number, or -1 */
	const char *src; /* as given, or NULL */
	enum wh_family src_family;
	uint8_t src_be[sizeof(struct in6_addr)];
	uint64_t now_ns;
	uint64_t count;
	struct cli_flow *top; /* a heap, the smallest first */
	unsigned n_top;
	unsigned max_top;
};

static uint64_t bytes_of(const struct cli_flow *view)
{
	return view->entry.flow.tx_bytes + view->reply.rx_bytes;
}

static void sink_first(struct listing *l)
{
	unsigned at = 0;

	for (;;) {
		unsigned least = at;

		for (unsigned child = 2 * at + 1; child <= 2 * at + 2 && child < l->n_top; child++) {
			if (bytes_of(&l->top[child]) < bytes_of(&l->top[least]))
				least = child;
		}
		if (least == at)
			return;
		struct cli_flow swap = l->top[at];

		l->top[at] = l->top[least];
		l->top[least] = swap;
		at = least;
	}
}

static void rise_last(struct listing *l)
{
	unsigned at = l->n_top - 1;

	while (at > 0 && bytes_of(&l->top[at]) < bytes_of(&l->top[(at - 1) / 2])) {
		struct cli_flow swap = l->top[at];

		l->top[at] = l->top[(at - 1) / 2];
		l->top[(at - 1) / 2] = swap;
		at = (at - 1) / 2;
	}
}

static void keep_if_large(struct listing *l, const struct cli_flow *view)
{
	if (l->n_top < l->max_top) {
		l->top[l->n_top++] = *view;
		rise_last(l);
	} else if (bytes_of(view) > bytes_of(&l->top[0])) {
		l->top[0] = *view;
		sink_first(l);
	}
}

/* "192.0.2.1:443", "[2001:db8::1]:443" */
static void format_endpoint(char out[ENDPOINT_LEN], const json_t *flow, const char *address, const char *port)
{
	const char *text = cli_text_of(flow, address);
	bool v6 = strchr(text, ':') != NULL;

	snprintf(out, ENDPOINT_LEN, "%s%s%s:%lld", v6 ? "[" : "", text, v6 ? "]" : "",
		 (long long)json_integer_value(json_object_get(flow, port)));
}

static void text_flow(const json_t *flow)
{
	char source[ENDPOINT_LEN], target[ENDPOINT_LEN], external[ENDPOINT_LEN], tx[24], rx[24];

	format_endpoint(source, flow, "src", "sport");
	format_endpoint(target, flow, "dst", "dport");
	format_endpoint(external, flow, "ext_address", "ext_port");
	cli_format_bytes(tx, sizeof(tx), json_number_value(json_object_get(flow, "tx_bytes")));
	cli_format_bytes(rx, sizeof(rx), json_number_value(json_object_get(flow, "rx_bytes")));
	printf("%-5s %-21s %-21s %-10s %-10s %-21s %7lld %7.1f %10s %10s %s\n", cli_text_of(flow, "proto"), source,
	       target, cli_text_of(flow, "wan"), cli_text_of(flow, "class"), external,
	       (long long)json_integer_value(json_object_get(flow, "age_s")),
	       json_number_value(json_object_get(flow, "idle_s")), tx, rx, cli_text_of(flow, "state"));
}

static void put_flow(struct listing *l, const struct cli_flow *view)
{
	json_t *flow = cli_flow_json(view, &l->names, l->now_ns);

	if (cli_has(l->cli, CLI_JSON)) {
		fputs(l->count++ ? ",\n" : "\n", stdout);
		json_dumpf(flow, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	} else {
		text_flow(flow);
	}
	json_decref(flow);
}

static void put_head(const struct listing *l)
{
	if (cli_has(l->cli, CLI_JSON))
		fputs("{\"flows\":[", stdout);
	else
		printf("%-5s %-21s %-21s %-10s %-10s %-21s %7s %7s %10s %10s %s\n", "PROTO", "FROM", "TO", "WAN",
		       "CLASS", "EXTERNAL", "AGE s", "IDLE s", "OUT", "IN", "STATE");
}

static bool is_from(const struct wh_flow_entry *entry, const struct listing *l)
{
	if (entry->family != l->src_family)
		return false;
	return entry->family == WH_V4 ? !memcmp(&entry->key4.src_be, l->src_be, sizeof(entry->key4.src_be))
				      : !memcmp(&entry->key6.src_be, l->src_be, sizeof(entry->key6.src_be));
}

static bool is_wanted(const struct listing *l, const struct wh_flow_entry *entry)
{
	const struct wh_flow *flow = &entry->flow;

	if (!wh_flow_is_users(flow) || flow->pin.state == WH_FLOW_DEAD)
		return false;
	if (l->wan >= 0 && flow->pin.wan != l->wan)
		return false;
	if (l->class >= 0 && flow->class != l->class)
		return false;
	return !l->src || is_from(entry, l);
}

static void take(void *arg, const struct wh_flow_entry *entry)
{
	struct listing *l = arg;
	struct cli_flow view = {.entry = *entry};

	if (!is_wanted(l, entry))
		return;
	if (cli_has(l->cli, CLI_COUNT)) {
		l->count++;
		return;
	}
	wh_tables_reply(l->tables, entry, &view.reply); /* or it is gone meanwhile */
	if (l->max_top)
		keep_if_large(l, &view);
	else
		put_flow(l, &view);
}

static int walk(struct listing *l)
{
	int err = 0;

	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		struct wh_flow_walk walk = {0};

		while (!walk.done && err == 0 && !ferror(stdout)) {
			l->now_ns = wh_now_ns();
			err = wh_tables_walk(l->tables, family, &walk, WALK_SLICE, take, l);
		}
	}
	return err;
}

static int compare_bytes(const void *a, const void *b)
{
	uint64_t bytes_a = bytes_of(a), bytes_b = bytes_of(b);

	return bytes_a < bytes_b ? 1 : bytes_a > bytes_b ? -1 : 0;
}

static void text_count(const json_t *object)
{
	printf("%lld\n", (long long)json_integer_value(json_object_get(object, "flows")));
}

static int count(struct listing *l)
{
	int err = walk(l);
	json_t *object;

	if (err < 0)
		return err;
	object = json_pack("{s:I}", "flows", (json_int_t)l->count);
	cli_print(l->cli, object, text_count);
	json_decref(object);
	return 0;
}

static int list(struct listing *l)
{
	int err;

	put_head(l);
	err = walk(l);
	if (l->n_top > 0)
		qsort(l->top, l->n_top, sizeof(*l->top), compare_bytes);
	for (unsigned i = 0; i < l->n_top; i++)
		put_flow(l, &l->top[i]);
	if (cli_has(l->cli, CLI_JSON))
		fputs("\n]}\n", stdout);
	return err;
}

static void read_names(struct listing *l)
{
	for (unsigned i = 0; i < WH_MAX_WANS; i++)
		wh_tables_wan(l->tables, i, &l->names.wans[i]);
	for (unsigned i = 0; i < WH_MAX_CLASSES; i++)
		wh_tables_class(l->tables, i, &l->names.classes[i]);
}

static int find_class(const struct listing *l, const char *name)
{
	const char *names[WH_MAX_CLASSES + 1] = {0};
	unsigned n = 0;

	for (int i = 0; i < WH_MAX_CLASSES; i++) {
		const char *known = l->names.classes[i].name;

		if (*known && strcmp(known, name) == 0)
			return i;
		if (*known)
			names[n++] = known;
	}
	cli_fail(CLI_FAILED, "flows: no class is called \"%s\"%s", name, cli_meant(name, names));
	return -1;
}

/* The options that can be wrong before the maps are asked. */
static int read_options(struct listing *l)
{
	const char *const *option = l->cli->option;
	uint64_t top = 0;

	l->src = option[CLI_SRC];
	l->src_family = l->src && strchr(l->src, ':') ? WH_V6 : WH_V4;
	if (l->src && inet_pton(l->src_family == WH_V4 ? AF_INET : AF_INET6, l->src, l->src_be) != 1)
		return cli_fail(CLI_USAGE, "flows: --src \"%s\" is no address", l->src);
	if (option[CLI_TOP] && wh_parse_number(option[CLI_TOP], 1, MAX_TOP, &top) < 0)
		return cli_fail(CLI_USAGE, "flows: --top \"%s\" is no number from 1 to %d", option[CLI_TOP], MAX_TOP);
	l->max_top = (unsigned)top;
	return CLI_OK;
}

static int find_names(struct listing *l)
{
	const char *const *option = l->cli->option;

	read_names(l);
	l->wan = option[CLI_WAN] ? cli_find_wan(l->cli, l->tables, option[CLI_WAN]) : -1;
	if (option[CLI_WAN] && l->wan < 0)
		return CLI_FAILED;
	l->class = option[CLI_CLASS] ? find_class(l, option[CLI_CLASS]) : -1;
	return option[CLI_CLASS] && l->class < 0 ? CLI_FAILED : CLI_OK;
}

static int run(struct listing *l)
{
	int err, exit = find_names(l);

	if (exit != CLI_OK)
		return exit;
	if (l->max_top) {
		l->top = calloc(l->max_top, sizeof(*l->top));
		if (!l->top)
			return cli_fail(CLI_FAILED, "flows: out of memory");
	}
	err = cli_has(l->cli, CLI_COUNT) ? count(l) : list(l);
	free(l->top);
	return err < 0 ? cli_fail(CLI_FAILED, "flows: %s: %s", cli_bpf_dir(l->cli), strerror(-err)) : CLI_OK;
}

int cli_flows(const struct cli *cli)
{
	struct listing l = {.cli = cli, .wan = -1, .class = -1};
	struct wh_tables tables;
	int exit = read_options(&l);

	if (exit == CLI_OK)
		exit = cli_open_tables(cli, &tables);
	if (exit != CLI_OK)
		return exit;
	l.tables = &tables;
	exit = run(&l);
	wh_tables_close(&tables);
	return exit;
}
