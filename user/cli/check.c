/* SPDX-License-Identifier: GPL-2.0 */
/* check.c: the verb check: reads a configuration as the controller would, and touches nothing. */
#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "conf/conf.h"

#define DEFAULT_FILE "/etc/wanhelm/wanhelm.yaml"

static void text_check(const json_t *object)
{
	const char *error = json_string_value(json_object_get(object, "error"));

	if (error)
		fprintf(stderr, "%s\n", error);
	else
		printf("%s: ok\n", cli_text_of(object, "file"));
}

int cli_check(const struct cli *cli)
{
	static struct wh_config config; /* large */
	const char *file = cli->n_operands ? cli->operand[0] : DEFAULT_FILE;
	char error[WH_CONF_ERROR_LEN];
	int err = wh_conf_read(file, &config, error);
	json_t *object = json_pack("{s:s,s:b}", "file", file, "ok", err == 0);

	if (err < 0)
		json_object_set_new(object, "error", json_string(error));
	cli_print(cli, object, text_check);
	json_decref(object);
	return err == 0 ? CLI_OK : CLI_USAGE;
}
