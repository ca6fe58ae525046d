/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall.c: see firewall.h.  The table as text, and libnftables to run it.
 *
 * Whether a table is unchanged shows by two things: its comment, which holds a sum of the text and how many items
 * it was made of; and the handles, which the kernel gives out in ascending order inside a table and never twice,
 * so that what was taken away or added later leaves a gap or a larger number.  (A rule that somebody replaces in its
 * place by hand keeps its handle, and is not noticed.)
 */
#include "kern/firewall.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/nft.h"
#include "lib/cleanup.h"

/* What the fast path takes over has no second packet here: its entries need not stay any longer. */
#define FIRST_TIMEOUT_S 10

#define TABLE "table inet " WH_FIREWALL_TABLE
#define MARK "0x%08x"

/* --- the options ------------------------------------------------------------------------------------------ */

static uint32_t mark_value(const struct wh_firewall_options *o, unsigned which)
{
	return o->mark + which * (o->mark_mask & -o->mark_mask);
}

static int check_marks(const struct wh_firewall_options *o, char *error)
{
	for (unsigned i = WH_MARK_DONE; i < WH_MARK_VALUES; i++) {
		uint32_t value = mark_value(o, i);

		if (o->mark_mask && !(value & ~o->mark_mask) && value >= o->mark)
			continue;
		snprintf(error, WH_FIREWALL_ERROR_LEN, "mark: the mask 0x%x has no room for %u values from 0x%x on",
			 o->mark_mask, WH_MARK_VALUES, o->mark);
		return -EINVAL;
	}
	return 0;
}

static int check_names(const char (*names)[IFNAMSIZ], unsigned n, char *error)
{
	for (unsigned i = 0; i < n; i++) {
		int err = wh_nft_check_device(names[i], error);

		if (err)
			return err;
	}
	return 0;
}

static int check_options(const struct wh_firewall_options *o, char *error)
{
	int err = check_names(o->wans, o->n_wans, error);

	if (!err)
		err = check_names(o->lans, o->n_lans, error);
	return err ? err : check_marks(o, error);
}

/* --- the text --------------------------------------------------------------------------------------------- */

struct text {
	FILE *out;
	unsigned items; /* what the kernel gives a handle: chains, rules, sets, timeouts */
	const struct wh_firewall_options *options;
};

/* An item, or the beginning of one that put_end() ends. */
static void put_item(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put_item(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(t->out, format, args);
	va_end(args);
	fputc('\n', t->out);
	t->items++;
}

static void put_end(struct text *t)
{
	fputs("}\n", t->out);
}

/* A rule for packets that carry our mark. */
static void put_rule(struct text *t, const char *rule)
{
	put_item(t, "meta mark & " MARK " @shown %s", t->options->mark_mask, rule);
}

/* The same where packets arrive: what comes in by a WAN with our mark is no client's. */
static void put_clients_rule(struct text *t, const char *rule)
{
	put_item(t, "%smeta mark & " MARK " @shown %s", t->options->n_wans ? "iifname != @wans " : "",
		 t->options->mark_mask, rule);
}

/* Its own source, for the packets that carry our mark, or did before a rule of the user's wrote another one. */
static void put_identity(struct text *t, const char *source)
{
	const char *to_wans = t->options->n_wans ? "oifname @wans " : "";

	put_item(t, "meta mark & " MARK " @shown %ssnat %s", t->options->mark_mask, to_wans, source);
	put_item(t, "ct mark & " MARK " @shown %ssnat %s", t->options->mark_mask, to_wans, source);
}

static void put_devices(struct text *t, const char *set, const char (*names)[IFNAMSIZ], unsigned n)
{
	if (!n)
		return;
	put_item(t, "set %s {\ntype ifname\nflags constant\nelements = {", set);
	for (unsigned i = 0; i < n; i++)
		fprintf(t->out, "\"%s\", ", names[i]);
	fputs("}\n}\n", t->out);
}

static void put_sets(struct text *t)
{
	const struct wh_firewall_options *o = t->options;

	put_item(t, "set shown {\ntype mark\nflags constant\nelements = {");
	for (unsigned i = WH_MARK_SHOWN; i <= WH_MARK_UP; i++)
		fprintf(t->out, MARK ", ", mark_value(o, i));
	fputs("}\n}\n", t->out);
	put_devices(t, "wans", o->wans, o->n_wans);
	put_devices(t, "lans", o->lans, o->n_lans);
}

/*
 * Our bits of the packet's mark go into those of its connection's.  A chain for each value, found by one look, because
 * kernels before 6.13 cannot put two registers together.  What only goes up again does not take away the number of
 * the WAN.
 */
static void put_keep_mark(struct text *t)
{
	const struct wh_firewall_options *o = t->options;

	for (unsigned i = WH_MARK_SHOWN; i <= WH_MARK_UP; i++) {
		put_item(t, "chain keep_%u {", i);
		if (i == WH_MARK_UP)
			put_item(t, "ct mark & " MARK " @shown return", o->mark_mask);
		put_item(t, "ct mark set ct mark & " MARK " | " MARK, ~o->mark_mask, mark_value(o, i));
		put_end(t);
	}
	put_item(t, "map keep {\ntype mark : verdict\nflags constant\nelements = {");
	for (unsigned i = WH_MARK_SHOWN; i <= WH_MARK_UP; i++)
		fprintf(t->out, MARK " : jump keep_%u, ", mark_value(o, i), i);
	fputs("}\n}\n", t->out);
}

/* Of what is not tracked there is nothing to keep. */
static void put_untracked(struct text *t)
{
	if (t->options->untracked)
		put_item(t, "ct state untracked accept");
}

/* What is not sent on by a rule of the user's: its entry need not stay. */
static void put_first_timeouts(struct text *t)
{
	put_item(t, "chain first {");
	put_item(t, "meta l4proto tcp ct timeout set \"first_tcp\"");
	put_item(t, "meta l4proto udp ct timeout set \"first_udp\"");
	put_end(t);
}

static void put_chains(struct text *t)
{
	if (t->options->untracked) {
		put_item(t, "chain untracked {\ntype filter hook prerouting priority -300");
		put_clients_rule(t, "notrack");
		put_end(t);
	}
	put_item(t, "chain arriving {\ntype filter hook prerouting priority -199");
	put_untracked(t);
	put_item(t, "%smeta mark & " MARK " vmap @keep", t->options->n_wans ? "iifname != @wans " : "",
		 t->options->mark_mask);
	put_end(t);
	/* To a port that a client uses, from where it does not go, and no rule of the user's forwards it: no answer. */
	if (t->options->n_wans) {
		put_item(t, "chain unasked {\ntype filter hook input priority -199");
		put_item(t,
			 "iifname @wans meta mark & " MARK " == " MARK " ct state & (established | related) == 0 drop",
			 t->options->mark_mask, mark_value(t->options, WH_MARK_UP));
		put_end(t);
	}
	/*
	 * Where bridges hand their packets to iptables, prerouting is over before there is a mark.  And only here it is
	 * known which connections the user's own rules have redirected: those stay with the kernel, and so do their
	 * entries for as long as the user wishes.
	 */
	put_first_timeouts(t);
	put_item(t, "chain passing {\ntype filter hook forward priority -300");
	put_untracked(t);
	put_item(t, "meta mark & " MARK " vmap @keep", t->options->mark_mask);
	put_rule(t, "ct status & dnat == 0 goto first");
	put_end(t);
	/* The first chain that binds a connection is the last that is asked: the user's masquerade is not. */
	put_item(t, "chain leaving {\ntype nat hook postrouting priority %d", WH_FIREWALL_NAT_PRIORITY);
	put_identity(t, "ip to ip saddr");
	put_identity(t, "ip6 to ip6 saddr");
	/* One client's packet for another's external end; to a LAN goes also what the user's rules have redirected. */
	if (t->options->n_lans) {
		put_rule(t, "oifname @lans ct status & dnat == 0 snat ip to ip saddr");
		put_rule(t, "oifname @lans ct status & dnat == 0 snat ip6 to ip6 saddr");
	}
	put_end(t);
}

/* A state's timeout as the user has set it: libnftables would put its own defaults in. */
static void put_state(struct text *t, const char *state, const char *sysctl)
{
	char path[96];
	unsigned seconds;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/nf_conntrack_%s", sysctl);
	file = fopen(path, "re");
	if (!file)
		return; /* connection tracking is not loaded yet, so nobody has set anything */
	if (fscanf(file, "%u", &seconds) == 1)
		fprintf(t->out, ", %s : %u", state, seconds);
	fclose(file);
}

/*
 * A connection's first packet takes the first state's timeout, whatever its state is: also one that is picked up in
 * its middle, which would stay for five minutes.
 */
static void put_timeouts(struct text *t)
{
	static const char *const tcp[][2] = {
		{"syn_recv", "tcp_timeout_syn_recv"},	 {"established", "tcp_timeout_established"},
		{"fin_wait", "tcp_timeout_fin_wait"},	 {"close_wait", "tcp_timeout_close_wait"},
		{"last_ack", "tcp_timeout_last_ack"},	 {"time_wait", "tcp_timeout_time_wait"},
		{"close", "tcp_timeout_close"},		 {"retrans", "tcp_timeout_max_retrans"},
		{"unack", "tcp_timeout_unacknowledged"},
	};

	put_item(t, "ct timeout first_tcp {\nprotocol tcp");
	fprintf(t->out, "policy = { syn_sent : %d", FIRST_TIMEOUT_S);
	for (unsigned i = 0; i < sizeof(tcp) / sizeof(tcp[0]); i++)
		put_state(t, tcp[i][0], tcp[i][1]);
	fputs(" }\n}\n", t->out);
	put_item(t, "ct timeout first_udp {\nprotocol udp");
	fprintf(t->out, "policy = { unreplied : %d", FIRST_TIMEOUT_S);
	put_state(t, "replied", "udp_timeout_stream");
	fputs(" }\n}\n", t->out);
}

static uint32_t sum_of(const char *text)
{
	uint32_t sum = 2166136261U; /* FNV-1a */

	for (; *text; text++)
		sum = (sum ^ (uint8_t)*text) * 16777619U;
	return sum;
}

struct table {
	char *body;
	char comment[32]; /* says what it is, but not the user's timeouts */
	unsigned items;
};

static void free_table(struct table *table)
{
	free(table->body);
}
#define _cleanup_table_ __attribute__((cleanup(free_table)))

static int make_table(const struct wh_firewall_options *options, struct table *out)
{
	struct text t = {.options = options};
	size_t len;

	t.out = open_memstream(&out->body, &len);
	if (!t.out)
		return -ENOMEM;
	put_sets(&t);
	put_keep_mark(&t);
	put_chains(&t);
	if (fflush(t.out) == 0)
		snprintf(out->comment, sizeof(out->comment), "%08x", sum_of(out->body));
	put_timeouts(&t);
	out->items = t.items;
	return fclose(t.out) == 0 ? 0 : -ENOMEM;
}

/* --- libnftables ------------------------------------------------------------------------------------------ */

/* Deleting what is not there would be an error: so it is added first. */
#define REMOVE "add " TABLE "\ndelete " TABLE "\n"

int wh_firewall_put(const struct wh_firewall_options *options, char error[WH_FIREWALL_ERROR_LEN])
{
	_cleanup_nft_ struct nft_ctx *nft = NULL;
	_cleanup_free_ char *commands = NULL;
	_cleanup_table_ struct table table = {};
	int err;

	err = check_options(options, error);
	if (err)
		return err;
	err = make_table(options, &table);
	if (err)
		return err;
	if (asprintf(&commands, REMOVE TABLE " {\ncomment \"%s\"\n%s}\n", table.comment, table.body) < 0) {
		commands = NULL;
		return -ENOMEM;
	}
	nft = wh_nft_new();
	return wh_nft_run(nft, commands, error);
}

int wh_firewall_remove(char error[WH_FIREWALL_ERROR_LEN])
{
	_cleanup_nft_ struct nft_ctx *nft = wh_nft_new();

	return wh_nft_run(nft, REMOVE, error);
}

/* Whether a listing of tables names ours, and not only one whose name begins like it. */
static bool has_table(const char *listing)
{
	const char *at = listing;

	while ((at = strstr(at, TABLE))) {
		at += strlen(TABLE);
		if (*at == '\n' || *at == ' ')
			return true;
	}
	return false;
}

/* Whether a listing of our table shows just what was put. */
static bool is_unchanged(const char *listing, const struct table *table)
{
	char comment[64];
	unsigned items = 0, last = 0, handle;

	snprintf(comment, sizeof(comment), "comment \"%s\"", table->comment);
	if (!strstr(listing, comment))
		return false;
	/* the table's own handle stands on the first line, and is no item's */
	for (const char *at = strchr(listing, '\n'); at && (at = strstr(at, "# handle ")); at++, items++) {
		handle = (unsigned)strtoul(at + strlen("# handle "), NULL, 10);
		last = handle > last ? handle : last;
	}
	return items == table->items && last == items;
}

int wh_firewall_present(const struct wh_firewall_options *options)
{
	_cleanup_nft_ struct nft_ctx *nft = wh_nft_new();
	_cleanup_table_ struct table table = {};
	char error[WH_FIREWALL_ERROR_LEN];
	int err;

	err = check_options(options, error);
	if (err)
		return err;
	err = wh_nft_run(nft, "list tables inet\n", error);
	if (err)
		return err;
	if (!has_table(nft_ctx_get_output_buffer(nft)))
		return 0;
	err = make_table(options, &table);
	if (err)
		return err;
	err = wh_nft_run(nft, "list " TABLE "\n", error);
	return err ? err : is_unchanged(nft_ctx_get_output_buffer(nft), &table);
}
