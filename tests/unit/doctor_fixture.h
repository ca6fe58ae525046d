/* SPDX-License-Identifier: GPL-2.0 */
/* doctor_fixture.h: a configuration of two WANs and a LAN, and what the doctor says about a thing. */
#ifndef WANHELM_TESTS_DOCTOR_FIXTURE_H
#define WANHELM_TESTS_DOCTOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kern/doctor.h"

static struct wh_config config;

static inline void set_config(void)
{
	memset(&config, 0, sizeof(config));
	strcpy(config.lan[0], "lan0");
	config.n_lans = 1;
	config.n_wans = 2;
	for (unsigned i = 0; i < config.n_wans; i++) {
		struct wh_conf_wan *wan = &config.wans[i];

		snprintf(wan->device, sizeof(wan->device), "wan%u", i + 1);
		wan->enabled = true;
		wan->gateway_auto[WH_V4] = wan->gateway_auto[WH_V6] = true;
		wan->source_auto[WH_V4] = wan->source_auto[WH_V6] = true;
	}
	config.firewall = WH_CONF_FIREWALL_KERNEL;
	config.firewall_recheck = true;
	config.mark = 0x57000000;
	config.mark_mask = 0xff000000;
}

/*
 * What is found under an id: "problem", "warning" or "ok" where all findings are of that kind, "both" where there
 * are problems and warnings, "nothing" where it was not looked at.  `what` gets the text of the last one.
 */
static inline const char *found(const struct wh_facts *facts, const char *id, char what[512])
{
	json_t *findings = wh_doctor_judge(facts);
	const char *severity = "nothing";
	json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding) {
		const char *text = json_string_value(json_object_get(finding, "severity"));

		assert_non_null(text);
		assert_true(json_is_string(json_object_get(finding, "what")));
		assert_true(json_is_string(json_object_get(finding, "do")) == (strcmp(text, "ok") != 0));
		if (strcmp(json_string_value(json_object_get(finding, "id")), id) != 0)
			continue;
		snprintf(what, 512, "%s", json_string_value(json_object_get(finding, "what")));
		if (strcmp(severity, "nothing") != 0 && strcmp(severity, text) != 0)
			severity = "both";
		else
			severity = strcmp(text, "ok") == 0	  ? "ok"
				   : strcmp(text, "warning") == 0 ? "warning"
								  : "problem";
	}
	json_decref(findings);
	return severity;
}

#endif
