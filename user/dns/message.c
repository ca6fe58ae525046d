/* SPDX-License-Identifier: GPL-2.0 */
/*
 * message.c: see message.h.  No record's length is believed beyond what the C library checked; what is done
 * for hostile messages is bounded by RECORDS_MAX.
 */
#include "dns/message.h"

#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/mapped.h"

#define RECORDS_MAX 256 /* of the answer section; further ones are not looked at */
#define TTL_MAX 0x7fffffffU

struct record {
	char owner[WH_DNS_NAME_LEN];
	uint16_t type;
	uint16_t len; /* of data, which is part of the message */
	uint32_t ttl_s;
	const uint8_t *data;
};

/*
 * Lower case (RFC 4343), without a dot at its end.  -ENOENT for a name that nobody can ask for in a configuration: the
 * root, or one with a byte in it that is written with an escape, so that no dot in `out` is part of a label.
 */
static int take_name(const char *name, char out[WH_DNS_NAME_LEN])
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	if (!len || len >= WH_DNS_NAME_LEN || memchr(name, '\\', len))
		return -ENOENT;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[len] = '\0';
	return 0;
}

static bool is_in_chain(const struct wh_dns_answer *answer, const char *name)
{
	for (unsigned i = 0; i < answer->n_names; i++) {
		if (!strcmp(answer->names[i], name))
			return true;
	}
	return false;
}

static int take_question(ns_msg *message, struct wh_dns_answer *out)
{
	ns_rr question;

	if (ns_msg_getflag(*message, ns_f_qr) != 1 || ns_msg_getflag(*message, ns_f_opcode) != ns_o_query ||
	    ns_msg_getflag(*message, ns_f_rcode) != ns_r_noerror || ns_msg_count(*message, ns_s_qd) != 1)
		return -ENOENT;
	if (ns_parserr(message, ns_s_qd, 0, &question))
		return -EBADMSG;
	if (ns_rr_class(question) != ns_c_in || take_name(ns_rr_name(question), out->names[0]))
		return -ENOENT;
	out->n_names = 1;
	return 0;
}

/* One pass, because hostile compression makes each name dear.  How many of the section say anything; -EBADMSG. */
static int read_records(ns_msg *message, struct record records[RECORDS_MAX])
{
	int n = 0,
	    count = ns_msg_count(*message, ns_s_an) < RECORDS_MAX ? ns_msg_count(*message, ns_s_an) : RECORDS_MAX;
	ns_rr rr;

	for (int i = 0; i < count; i++) {
		if (ns_parserr(message, ns_s_an, i, &rr))
			return -EBADMSG;
		if (ns_rr_class(rr) != ns_c_in || take_name(ns_rr_name(rr), records[n].owner))
			continue;
		records[n].type = (uint16_t)ns_rr_type(rr);
		records[n].ttl_s = ns_rr_ttl(rr) > TTL_MAX ? 0 : (uint32_t)ns_rr_ttl(rr);
		records[n].data = ns_rr_rdata(rr);
		records[n].len = (uint16_t)ns_rr_rdlen(rr);
		n++;
	}
	return n;
}

/* Whether the record leads from the chain's last name to a further one, which is then part of it. */
static bool extends(const ns_msg *message, const struct record *record, struct wh_dns_answer *out)
{
	char target[NS_MAXDNAME], next[WH_DNS_NAME_LEN];

	if (record->type != ns_t_cname || strcmp(record->owner, out->names[out->n_names - 1]) != 0)
		return false;
	if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), record->data, target, sizeof(target)) < 0 ||
	    take_name(target, next) || is_in_chain(out, next))
		return false;
	memcpy(out->names[out->n_names++], next, sizeof(next));
	return true;
}

/* CNAMEs mostly stand in order; each further pass finds at least one more name, or is the last. */
static void follow_chain(const ns_msg *message, const struct record *records, int n, struct wh_dns_answer *out)
{
	bool grown = true;

	while (grown) {
		grown = false;
		for (int i = 0; i < n && out->n_names < WH_DNS_CHAIN_MAX; i++)
			grown |= extends(message, &records[i], out);
	}
}

static void take_address(const struct record *record, struct wh_dns_answer *out)
{
	struct wh_dns_address *address = &out->addresses[out->n_addresses];
	struct in_addr addr4;

	if (record->type == ns_t_a && record->len == sizeof(addr4)) {
		memcpy(&addr4, record->data, sizeof(addr4));
		address->addr = wh_mapped(addr4);
	} else if (record->type == ns_t_aaaa && record->len == sizeof(address->addr)) {
		memcpy(&address->addr, record->data, sizeof(address->addr));
	} else {
		return;
	}
	address->ttl_s = record->ttl_s;
	out->n_addresses++;
}

int wh_dns_parse(const void *message, size_t len, struct wh_dns_answer *out)
{
	struct record records[RECORDS_MAX];
	ns_msg read;
	int n, err;

	out->n_names = out->n_addresses = 0;
	if (len > NS_MAXMSG || ns_initparse(message, (int)len, &read))
		return -EBADMSG;
	err = take_question(&read, out);
	if (err)
		return err;
	n = read_records(&read, records);
	if (n < 0)
		return n;
	follow_chain(&read, records, n, out);
	for (int i = 0; i < n && out->n_addresses < WH_DNS_ADDRESSES_MAX; i++) {
		if (is_in_chain(out, records[i].owner))
			take_address(&records[i], out);
	}
	return out->n_addresses ? 0 : -ENOENT;
}
