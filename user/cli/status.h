/* SPDX-License-Identifier: GPL-2.0 */
/* status.h: the texts of parts of the status object, for the verbs that show them. */
#ifndef WANHELM_CLI_STATUS_H
#define WANHELM_CLI_STATUS_H

#include "cli/cli.h"
#include "cli/print.h"

/* "wans" as a table. */
void cli_text_wans(const json_t *status);

/* Green, yellow or red. */
enum cli_colour cli_state_colour(const char *state);

#endif
