/* SPDX-License-Identifier: GPL-2.0 */
/* wan.c: the verbs wan list and wan show.  The hand is wan_hand.c's. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/status.h"

#define NAME_WIDTH 9

static void text_targets(const json_t *targets)
{
	static const char *const heads[] = {"TARGET", "LAST RESULT", "RTT", "AGE", NULL};
	static const enum cli_colour colours[] = {CLI_GREEN, CLI_RED, CLI_YELLOW};
	struct cli_table table = {0};
	const json_t *target;
	size_t i;

	cli_heads(&table, heads);
	json_array_foreach(targets, i, target) {
		const char *state = cli_text_of(target, "state");
		char text[32];

		cli_cell(&table, CLI_PLAIN, "%s", cli_text_of(target, "target"));
		cli_cell(&table,
			 colours[strcmp(state, "good") == 0  ? 0
				 : strcmp(state, "bad") == 0 ? 1
							     : 2],
			 "%s", state);
		cli_format_real(text, sizeof(text), json_object_get(target, "rtt_ms"), 1, "ms");
		cli_cell(&table, CLI_PLAIN, "%s", text);
		cli_format_real(text, sizeof(text), json_object_get(target, "age_ms"), 1, "ms");
		cli_cell(&table, CLI_PLAIN, "%s", text);
	}
	cli_table_print(&table);
}

/* "rtt 12.3 ms, jitter 0.5 ms, loss 1.5 %": of a WAN or one of its families. */
static void format_quality(char *out, size_t len, const json_t *of)
{
	char rtt[32], jitter[32], loss[32];

	cli_format_real(rtt, sizeof(rtt), json_object_get(of, "rtt_ms"), 1, "ms");
	cli_format_real(jitter, sizeof(jitter), json_object_get(of, "jitter_ms"), 1, "ms");
	cli_format_real(loss, sizeof(loss), json_object_get(of, "loss_ratio"), 100, "%");
	snprintf(out, len, "rtt %s, jitter %s, loss %s", rtt, jitter, loss);
}

static void text_figures(const json_t *wan)
{
	char text[160], tx[32], rx[32];

	format_quality(text, sizeof(text), wan);
	cli_row(NAME_WIDTH, "quality", text);
	cli_format_rate(tx, sizeof(tx), json_object_get(wan, "tx_bps"));
	cli_format_rate(rx, sizeof(rx), json_object_get(wan, "rx_bps"));
	snprintf(text, sizeof(text), "out %s, in %s", tx, rx);
	cli_row(NAME_WIDTH, "rate", text);
	cli_format_bytes(tx, sizeof(tx), json_number_value(json_object_get(wan, "tx_bytes")));
	cli_format_bytes(rx, sizeof(rx), json_number_value(json_object_get(wan, "rx_bytes")));
	snprintf(text, sizeof(text), "out %s, in %s", tx, rx);
	cli_row(NAME_WIDTH, "bytes", text);
	snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(json_object_get(wan, "flows")));
	cli_row(NAME_WIDTH, "flows", text);
}

/* "12.3 GB of 50.0 GB", where it has one. */
static void text_quota(const json_t *quota)
{
	char used[32], limit[32], text[80];

	if (!json_is_object(quota))
		return;
	cli_format_bytes(used, sizeof(used), json_number_value(json_object_get(quota, "used_bytes")));
	cli_format_bytes(limit, sizeof(limit), json_number_value(json_object_get(quota, "limit_bytes")));
	snprintf(text, sizeof(text), "%s of %s", used, limit);
	cli_row(NAME_WIDTH, "quota", text);
}

/* "up: 198.18.1.2 by 198.18.1.1 (02:00:00:00:00:01), rtt 12.3 ms, jitter 0.5 ms, loss 1.5 %" */
static void text_family(const char *name, const json_t *part)
{
	char text[320], quality[112];

	format_quality(quality, sizeof(quality), part);
	snprintf(text, sizeof(text), "%s: %s by %s (%s), %s", cli_text_of(part, "state"), cli_text_of(part, "address"),
		 cli_text_of(part, "gateway"), cli_text_of(part, "gateway_mac"), quality);
	cli_row(NAME_WIDTH, name, text);
}

static void text_wan(const json_t *wan)
{
	cli_row(NAME_WIDTH, "name", cli_text_of(wan, "name"));
	cli_row(NAME_WIDTH, "device", cli_text_of(wan, "device"));
	cli_row(NAME_WIDTH, "state", cli_text_of(wan, "state"));
	cli_row(NAME_WIDTH, "since", cli_text_of(wan, "since"));
	cli_row(NAME_WIDTH, "why", cli_text_of(wan, "reason"));
	cli_row(NAME_WIDTH, "by hand", cli_text_of(wan, "forced"));
	text_family("IPv4", json_object_get(wan, "v4"));
	text_family("IPv6", json_object_get(wan, "v6"));
	text_figures(wan);
	text_quota(json_object_get(wan, "quota"));
	putchar('\n');
	text_targets(json_object_get(wan, "targets"));
}

int cli_wan_list(const struct cli *cli)
{
	json_t *answer, *wans;
	int exit = cli_ask_only(cli, json_pack("{s:s}", "verb", "status"), &answer);

	if (exit != CLI_OK)
		return exit;
	wans = json_pack("{s:O}", "wans", json_object_get(answer, "wans"));
	cli_print(cli, wans, cli_text_wans);
	json_decref(wans);
	json_decref(answer);
	return CLI_OK;
}

int cli_wan_show(const struct cli *cli)
{
	json_t *answer;
	int exit = cli_ask_only(cli, json_pack("{s:s,s:s}", "verb", "wan-show", "name", cli->operand[0]), &answer);

	if (exit != CLI_OK)
		return exit;
	cli_print(cli, json_object_get(answer, "wan"), text_wan);
	json_decref(answer);
	return CLI_OK;
}
