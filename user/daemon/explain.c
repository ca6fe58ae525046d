/* SPDX-License-Identifier: GPL-2.0 */
/*
 * explain.c: the verb explain: the data plane is asked what it would do with a flow (include/wanhelm/explain.h), and its
 * answer, all numbers, is put into the words of the configuration.  Why a WAN is not eligible the model knows.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "kern/words.h"
#include "lib/clock.h"
#include "model/standing.h"
#include <wanhelm/explain.h>

/* --- the question ----------------------------------------------------------------------------------------------- */

/* An address of either family as the form has it. */
static int take_address(const char *text, struct wh_addr6 *out, enum wh_family *family)
{
	memset(out, 0, sizeof(*out));
	*family = text && strchr(text, ':') ? WH_V6 : WH_V4;
	if (!text || inet_pton(*family == WH_V4 ? AF_INET : AF_INET6, text,
			       *family == WH_V4 ? (void *)&out->word_be[3] : (void *)out) != 1)
		return -1;
	return 0;
}

/* How many bits two addresses have in common from the left. */
static unsigned common_bits(const struct wh_addr6 *a, const struct wh_addr6 *b)
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t differ = ntohl(a->word_be[i] ^ b->word_be[i]);

		if (differ)
			return 32 * i + (unsigned)__builtin_clz(differ);
	}
	return 128;
}

/* Where nobody says by which LAN it comes: the one whose own address is nearest, or us, if the source is ours. */
static uint8_t guess_in(const struct wh_daemon *d, const struct wh_addr6 *src, enum wh_family family)
{
	unsigned best = WH_IN_ROUTER, most = 0;

	for (unsigned i = 0; i < d->config.n_lans; i++) {
		const struct wh_lan *lan = &d->lans[d->lan_number[i]];
		struct wh_addr6 own = lan->addr6_be;
		unsigned common;

		if (family == WH_V4)
			own = (struct wh_addr6){{0, 0, 0, lan->addr4_be}};
		common = common_bits(src, &own);
		if (common == 128)
			return WH_IN_ROUTER;
		if (best == WH_IN_ROUTER || common > most) {
			best = d->lan_number[i];
			most = common;
		}
	}
	return (uint8_t)best;
}

/* The LAN of that name, "router", or (NULL) a guess; -1: there is none such. */
static int take_in(const struct wh_daemon *d, const char *name, const struct wh_addr6 *src, enum wh_family family)
{
	if (!name)
		return guess_in(d, src, family);
	if (!strcmp(name, "router"))
		return WH_IN_ROUTER;
	for (unsigned i = 0; i < d->config.n_lans; i++) {
		if (!strcmp(d->config.lan[i], name))
			return d->lan_number[i];
	}
	return -1;
}

static json_int_t number_in(const json_t *request, const char *key)
{
	return json_integer_value(json_object_get(request, key));
}

/* NULL, or what is wrong with the question. */
static json_t *take_question(const struct wh_daemon *d, const json_t *request, struct wh_explain *form,
			     enum wh_family *family)
{
	const char *src = json_string_value(json_object_get(request, "src"));
	const char *dst = json_string_value(json_object_get(request, "dst"));
	const char *in = json_string_value(json_object_get(request, "in"));
	enum wh_family other;
	int number;

	memset(form, 0, sizeof(*form));
	if (take_address(src, &form->src_be, family) || take_address(dst, &form->dst_be, &other))
		return wh_control_error(WH_CONTROL_USAGE, "explain: SRC and DST must be addresses");
	if (*family != other)
		return wh_control_error(WH_CONTROL_USAGE, "explain: SRC and DST are of different families");
	number = take_in(d, in, &form->src_be, *family);
	if (number < 0)
		return wh_control_error(WH_CONTROL_FAILED, "explain: no LAN is called \"%s\"", in);
	form->in = (uint8_t)number;
	form->proto = (uint8_t)number_in(request, "proto");
	form->sport_be = htons((uint16_t)number_in(request, "sport"));
	form->dport_be = htons((uint16_t)number_in(request, "dport"));
	form->dscp = (uint8_t)number_in(request, "dscp") & 0x3f;
	return NULL;
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

/* The place of a match line in the file; null where none matched. */
static json_t *rule_of(const struct wh_daemon *d, unsigned line)
{
	const struct wh_conf_match *match = line < d->config.n_matches ? &d->config.matches[line] : NULL;

	if (!match)
		return json_null();
	return json_pack("{s:s,s:i}", "file", d->config.files[match->file], "line", (int)match->line);
}

/* Which place the WAN has in the bucket's order, from 1; 0: none. */
static unsigned place_of(uint32_t order, unsigned wan)
{
	for (unsigned place = 1; order & WH_ORDER_MASK; order >>= WH_ORDER_BITS, place++) {
		if ((order & WH_ORDER_MASK) == wan + 1)
			return place;
	}
	return 0;
}

static void why_of(const struct wh_daemon *d, unsigned class, unsigned wan, enum wh_family family,
		   const struct wh_explain *form, char *out, size_t len)
{
	const struct wh_conf_wan *conf = &d->config.wans[d->conf_of[wan]];
	const uint8_t bit = (uint8_t)(1U << wan);

	if (d->config.classes[class].never & (1U << d->conf_of[wan]))
		snprintf(out, len, "the class never uses it");
	else if (!(form->allowed & bit))
		snprintf(out, len, "%s",
			 conf->metered ? "metered, and the class does not name it" : "not among the class's WANs");
	else if ((form->fresh & bit) && !(form->able & bit))
		snprintf(out, len, "cannot carry this source");
	else
		wh_standing_text(&d->model, class, wan, family, wh_now_ns(), out, len);
}

static json_t *wans_of(const struct wh_daemon *d, unsigned class, enum wh_family family, const struct wh_explain *form)
{
	uint8_t willing = form->fresh ? form->fresh : form->resort;
	json_t *all = json_array();

	for (unsigned i = 0; i < d->config.n_wans; i++) {
		unsigned wan = d->number_of[i], place = place_of(form->order, wan);
		char why[160];

		why_of(d, class, wan, family, form, why, sizeof(why));
		json_array_append_new(all, json_pack("{s:s,s:o,s:b,s:s}", "name", d->config.wans[i].name, "order",
						     place ? json_integer(place) : json_null(), "eligible",
						     place && (willing & form->able & form->allowed & (1U << wan)),
						     "why", why));
	}
	return all;
}

static json_t *name_of(const struct wh_daemon *d, unsigned wan)
{
	return wan < WH_MAX_WANS && d->conf_of[wan] >= 0 ? json_string(d->config.wans[d->conf_of[wan]].name)
							 : json_null();
}

static const char *class_name(const struct wh_daemon *d, unsigned number)
{
	int class = number < WH_MAX_CLASSES ? d->class_conf_of[number] : -1;

	return class < 0 ? "" : d->config.classes[class].name;
}

static json_t *flow_of(const struct wh_daemon *d, const struct wh_explain *form)
{
	if (!form->found)
		return json_null();
	return json_pack("{s:o,s:s,s:o,s:b,s:b,s:b}", "wan", name_of(d, form->flow_wan), "class",
			 class_name(d, form->flow_class), "rule",
			 form->flow_current ? rule_of(d, form->flow_line) : json_null(), "reset",
			 form->flow_state == WH_FLOW_RESET, "from_outside", !!(form->flow_flags & WH_FLOW_INBOUND),
			 "by_kernel", !!(form->flow_flags & WH_FLOW_KERNEL));
}

/* Why it goes where it goes. */
static void summary(const struct wh_daemon *d, const struct wh_explain *form, char *out, size_t len)
{
	if (form->reason)
		snprintf(out, len, "%s", wh_text_of_reason((enum wh_reason)form->reason));
	else if (form->found)
		snprintf(out, len, "the flow is there and keeps its WAN while its class permits it");
	else if (form->home == form->wan && (form->keep & (1U << form->home)))
		snprintf(out, len, "the client's port is bound on %s already", d->wans[form->wan].name);
	else
		snprintf(out, len, "the first WAN of bucket %u that takes new flows", form->bucket);
}

json_t *wh_explain_flow(void *arg, const json_t *request)
{
	struct wh_daemon *d = arg;
	struct wh_explain form;
	enum wh_family family;
	json_t *error = take_question(d, request, &form, &family);
	char why[160];
	int err, class;

	if (error)
		return error;
	err = wh_programs_explain(d->programs, family, &form);
	if (err)
		return wh_control_error(WH_CONTROL_FAILED, "explain: the data plane cannot be asked: %s",
					strerror(-err));
	class = d->class_conf_of[form.class];
	if (class < 0)
		return wh_control_error(WH_CONTROL_FAILED, "explain: the classes are being changed");
	summary(d, &form, why, sizeof(why));
	return json_pack("{s:s,s:o,s:i,s:o,s:o,s:s,s:o,s:o}", "class", d->config.classes[class].name, "rule",
			 rule_of(d, form.line), "bucket", (int)form.bucket, "wans",
			 wans_of(d, (unsigned)class, family, &form), "wan",
			 name_of(d, form.reason	 ? WH_WAN_NONE
				    : form.found ? form.flow_wan
						 : form.wan),
			 "why", why, "reason",
			 form.reason ? json_string(wh_word_of_reason((enum wh_reason)form.reason)) : json_null(),
			 "flow", flow_of(d, &form));
}
