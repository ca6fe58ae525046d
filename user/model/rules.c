/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rules.c: see rules.h.  Each kind of field is taken in by a pass of its own over the lines, which sets a line's bit
 * in every vector whose packets content it.  Prefixes: rules_prefix.c; ports: rules_port.c.
 */
#include "model/rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/rules_private.h"

static void compile_in(const struct wh_config *config, const struct wh_rule_numbers *numbers, unsigned line,
		       struct wh_rules *out)
{
	const struct wh_conf_match *match = &config->matches[line];

	for (unsigned row = 0; row <= WH_IN_ROUTER && match->in_any; row++)
		wh_vector_set(&out->in[row], line);
	if (match->in_any)
		return;
	if (match->in_router)
		wh_vector_set(&out->in[WH_IN_ROUTER], line);
	for (unsigned i = 0; i < config->n_lans; i++) {
		bool named = match->in_lans >> i & 1;

		for (unsigned v = 0; v < match->n_in_vlans && numbers->vlan_of[i]; v++)
			named |= match->in_vlans[v] == numbers->vlan_of[i];
		if (named)
			wh_vector_set(&out->in[numbers->lan_of[i]], line);
	}
}

static void compile_small_fields(const struct wh_conf_match *match, unsigned line, struct wh_rules *out)
{
	for (unsigned proto = 0; proto < 256; proto++) {
		if (match->proto_any || (match->protos[proto / 32] >> proto % 32 & 1))
			wh_vector_set(&out->proto[proto], line);
	}
	for (unsigned dscp = 0; dscp < 64; dscp++) {
		if (!match->dscp || (match->dscp >> dscp & 1))
			wh_vector_set(&out->dscp[dscp], line);
	}
	if (!match->names.n)
		wh_vector_set(&out->domain_any, line);
	else
		out->has_domains = 1;
}

static int compile_mark(const struct wh_conf_match *match, unsigned line, struct wh_rules *out)
{
	uint32_t value = match->mark & match->mark_mask;
	unsigned i = 0;

	if (!match->mark_mask) {
		wh_vector_set(&out->mark_any, line);
		return 0;
	}
	while (i < out->n_marks && (out->marks[i].value != value || out->marks[i].mask != match->mark_mask))
		i++;
	if (i == WH_MARK_MATCHES)
		return -E2BIG;
	if (i == out->n_marks) {
		out->marks[i].value = value;
		out->marks[i].mask = match->mark_mask;
		out->n_marks++;
	}
	wh_vector_set(&out->marks[i].lines, line);
	return 0;
}

/* FNV-1a: rules that differ only in the names that they ask for are not the same ones. */
static void sum_names(const struct wh_config *config, struct wh_rules *out)
{
	uint32_t sum = 0x811c9dc5;

	for (unsigned line = 0; line < config->n_matches; line++) {
		const struct wh_conf_span *names = &config->matches[line].names;

		for (unsigned i = 0; i < names->n; i++) {
			const struct wh_conf_domain *domain = &config->domains[names->first + i];

			for (const char *c = config->domain_text + domain->text; *c; c++)
				sum = (sum ^ (uint8_t)*c) * 0x01000193;
			sum = (sum ^ (line << 1 | domain->below)) * 0x01000193;
		}
	}
	out->names_sum = sum;
}

int wh_rules_compile(const struct wh_config *config, const struct wh_rule_numbers *numbers, struct wh_rule_set *out,
		     char *error, size_t error_len)
{
	struct wh_rules *rules = &out->rules;
	int err = 0;

	memset(out, 0, sizeof(*out));
	rules->words = (config->n_matches + 63) / 64;
	sum_names(config, rules);
	rules->default_class = numbers->class_of[config->n_classes - 1];
	for (unsigned line = 0; line < config->n_matches && !err; line++) {
		rules->class_of[line] = numbers->class_of[config->matches[line].class];
		compile_in(config, numbers, line, rules);
		compile_small_fields(&config->matches[line], line, rules);
		err = compile_mark(&config->matches[line], line, rules);
	}
	if (err) {
		snprintf(error, error_len, "the match lines ask for more than %d different marks", WH_MARK_MATCHES);
		return err;
	}
	err = wh_rules_prefixes(config, out);
	if (!err)
		err = wh_rules_ports(config, rules, error, error_len);
	if (err == -ENOMEM)
		snprintf(error, error_len, "out of memory");
	return err;
}

static bool covers(const struct wh_config *config, const struct wh_conf_domain *domain, const char *name, size_t len)
{
	const char *text = config->domain_text + domain->text;
	size_t own = strlen(text);

	if (own > len || memcmp(name + len - own, text, own) != 0)
		return false;
	return own == len || (domain->below && name[len - own - 1] == '.');
}

bool wh_rules_add_name(const struct wh_config *config, const char *name, struct wh_vector *lines)
{
	size_t len = strlen(name);
	bool any = false;

	for (unsigned line = 0; line < config->n_matches; line++) {
		const struct wh_conf_span *names = &config->matches[line].names;

		for (unsigned i = 0; i < names->n; i++) {
			if (!covers(config, &config->domains[names->first + i], name, len))
				continue;
			wh_vector_set(lines, line);
			any = true;
			break;
		}
	}
	return any;
}
