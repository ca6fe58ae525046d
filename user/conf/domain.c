/* SPDX-License-Identifier: GPL-2.0 */
/*
 * domain.c: the names of a match line's `domain`: as DNS has them, in lower case, or *.NAME for a name and whatever is
 * below it.  See class.h.
 */
#include "conf/class.h"
#include "lib/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define NAME_LEN 253 /* RFC 1035 §2.3.4, without the last dot and lengths */
#define LABEL_LEN 63

#define A_NAME "a host name, as in example.com or \"*.example.com\""

/* Letters, digits, "-" not at the ends, and "_", which names that are no hosts' have. */
static bool is_label(const char *label, size_t len)
{
	if (!len || len > LABEL_LEN || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
			return false;
	return true;
}

/* `len` bytes of labels with dots between them. */
static bool is_name(const char *name, size_t len)
{
	if (len > NAME_LEN)
		return false;
	for (;;) {
		const char *dot = memchr(name, '.', len);
		size_t label_len = dot ? (size_t)(dot - name) : len;

		if (!is_label(name, label_len))
			return false;
		if (!dot)
			return true;
		name += label_len + 1;
		len -= label_len + 1;
	}
}

static bool is_ascii(const char *text)
{
	while (*text && !((unsigned char)*text & 0x80))
		text++;
	return !*text;
}

static bool is_address(const char *text)
{
	struct in6_addr addr6;
	struct in_addr addr4;

	return !wh_parse_addr4(text, &addr4) || inet_pton(AF_INET6, text, &addr6) == 1;
}

static int keep(struct wh_conf_reader *r, const struct wh_conf_node *value, const char *name, size_t len, bool below)
{
	struct wh_config *config = r->config;
	char *text = config->domain_text + config->domain_text_len;

	if (config->n_domains == WH_MAX_DOMAINS)
		return wh_conf_refuse(&r->source, value->at, "domain: more than %d names in all matches",
				      WH_MAX_DOMAINS);
	if (len + 1 > WH_DOMAIN_TEXT - config->domain_text_len)
		return wh_conf_refuse(&r->source, value->at,
				      "domain: the names of all matches have more than %d characters", WH_DOMAIN_TEXT);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)tolower((unsigned char)name[i]);
	text[len] = '\0';
	config->domains[config->n_domains++] = (struct wh_conf_domain){config->domain_text_len, below};
	config->domain_text_len += (unsigned)len + 1;
	return 0;
}

static int read_domain(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		       void *out)
{
	const bool below = wh_conf_is_word(value) && !strncmp(value->text, "*.", 2);
	const char *name = value->text + (below ? 2 : 0);
	size_t len = strlen(name);

	(void)out;
	if (!wh_conf_is_word(value))
		return wh_conf_wrong(r, key->name, value, A_NAME, "");
	if (!is_ascii(value->text))
		return wh_conf_wrong(r, key->name, value, A_NAME, ": write its ASCII form, which begins with xn--");
	if (is_address(name))
		return wh_conf_wrong(r, key->name, value, A_NAME, "; addresses stand in to");
	if (len && name[len - 1] == '.')
		len--;
	if (!is_name(name, len))
		return wh_conf_wrong(r, key->name, value, A_NAME, "");
	return keep(r, value, name, len, below);
}

int wh_conf_domains(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	const unsigned first = r->config->n_domains;
	int err = wh_conf_each(r, key, value, read_domain, NULL);

	if (!err)
		*(struct wh_conf_span *)out = (struct wh_conf_span){first, r->config->n_domains - first};
	return err;
}
