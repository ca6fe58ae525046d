/* SPDX-License-Identifier: GPL-2.0 */
/*
 * keys.h: a section of the file is a table of keys; this is what such a table says, and the readers that
 * several tables share.  The tables themselves stand in the files of the sections (sections.h); the readers in values.c,
 * of addresses in address.c, and of what sets may name in lists.c.
 *
 * A key without a reader is part of the language, but its feature is not built yet.
 */
#ifndef WANHELM_CONF_KEYS_H
#define WANHELM_CONF_KEYS_H

#include "conf/conf.h"
#include "conf/tree.h"
#include "model/config.h"

#include <stddef.h>
#include <stdint.h>

#define WH_CONF_MAX_SETS 64

/* A named list of prefixes, or of ports, in the configuration's pool of these. */
struct wh_conf_set {
	char name[WH_NAME_LEN];
	bool ports;
	struct wh_conf_span span;
};

struct wh_conf_reader {
	struct wh_conf_source source;
	struct wh_conf_ports local; /* the kernel's own ports */
	struct wh_config *config;   /* being filled */
	struct wh_conf_set sets[WH_CONF_MAX_SETS];
	unsigned n_sets;
	unsigned n_profiles; /* that are written, "default" included; others follow for metered WANs */
	unsigned intervals;  /* those whose icmp interval the file says, bit by index */
};

struct wh_conf_key;
/* Read `value` into `out`.  0 or -EINVAL, the message written. */
typedef int wh_conf_read_fn(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			    void *out);

/* A word that a value may be. */
struct wh_conf_choice {
	const char *word;
	int value;
};
/* In its place, where what the word asks for is not built yet. */
#define WH_CONF_NOT_BUILT (-1)

struct wh_conf_key {
	const char *name; /* NULL ends the table */
	wh_conf_read_fn *read;
	size_t offset; /* of what the key sets, in what the section sets */
	uint64_t min;
	uint64_t max;
	const struct wh_conf_choice *choices; /* ended by a NULL word */
};

#define WH_CONF_LATER(key_name)                                                                                        \
	{                                                                                                              \
		.name = (key_name)                                                                                     \
	}

/*
 * Read a map by its table into `base`.  Keys are read in the table's order, whatever their order in the file,
 * so that a table puts what names others behind these.
 */
int wh_conf_section(struct wh_conf_reader *r, const char *name, const struct wh_conf_node *map,
		    const struct wh_conf_key *keys, void *base);

/* Call `read` for each entry of a map whose keys are names that the user gives: WANs, profiles, classes. */
typedef int wh_conf_named_fn(struct wh_conf_reader *r, const struct wh_conf_node *entry);
int wh_conf_named(struct wh_conf_reader *r, const char *section, const struct wh_conf_node *map,
		  wh_conf_named_fn *read);

/* Call `read` for the value, or for each entry where it is a list that is not empty. */
int wh_conf_each(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		 wh_conf_read_fn *read, void *out);

wh_conf_read_fn wh_conf_number;	  /* min to max, into uint32_t */
wh_conf_read_fn wh_conf_duration; /* min to max nanoseconds, into uint64_t */
wh_conf_read_fn wh_conf_choose;	  /* one of `choices`, into an enum */
wh_conf_read_fn wh_conf_bool;	  /* one of `choices`, or where there are none true or false, into bool */
wh_conf_read_fn wh_conf_rate;	  /* bits a second, into uint64_t */
wh_conf_read_fn wh_conf_dscp;	  /* a code point's number or name, into uint8_t */
wh_conf_read_fn wh_conf_accel;	  /* into enum wh_accel */
wh_conf_read_fn wh_conf_device;	  /* into char[IFNAMSIZ] */

/* The word that stands for "find it out", and the choices of a key whose other values are no fixed words. */
extern const struct wh_conf_choice wh_conf_auto_choices[];
bool wh_conf_is_auto(const struct wh_conf_node *value);

/* `; did you mean "..."?` where one of the key's choices is near, or "". */
const char *wh_conf_hint_choice(const struct wh_conf_key *key, const struct wh_conf_node *value,
				char out[WH_CONF_HINT_LEN]);

/* "IPv4", "IPv6" */
extern const char *const wh_conf_family_names[WH_FAMILIES];

/* Prefixes and ports, each a word or a list, or sets of them; into struct wh_conf_span. */
wh_conf_read_fn wh_conf_prefixes;
wh_conf_read_fn wh_conf_port_ranges;

/* ADDRESS or ADDRESS/LENGTH of either family, into struct wh_conf_prefix; `expected` is what messages ask for. */
int wh_conf_prefix(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		   const char *expected, const char *hint, struct wh_conf_prefix *out);

/* {mode, hold, max-age, window}, into a struct wh_conf_failback that holds what is not said. */
wh_conf_read_fn wh_conf_failback;

/* Of a WAN, into struct wh_conf_wan; their keys have wh_conf_auto_choices. */
wh_conf_read_fn wh_conf_gateway;
wh_conf_read_fn wh_conf_source;
wh_conf_read_fn wh_conf_prefix6;

/*
 * The address of a host in `text`, which is the word `value` or a part of it: of either family, not unspecified,
 * loopback or multicast, without a zone.  0 or -EINVAL, the message written.
 */
int wh_conf_host(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		 const char *text, struct wh_address *out);

/* Refuse a link-local address, which wh_conf_host() takes. */
int wh_conf_check_routable(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			   const struct wh_address *addr);

/* "KEY: must be EXPECTED, not ..." at the value; an empty hint where there is none. */
int wh_conf_wrong(struct wh_conf_reader *r, const char *key, const struct wh_conf_node *value, const char *expected,
		  const char *hint);

/* "WHAT: not built yet" */
int wh_conf_later(struct wh_conf_reader *r, struct wh_conf_place at, const char *what);

/* A word that has content, as opposed to a list, a map or nothing. */
bool wh_conf_is_word(const struct wh_conf_node *value);

#endif
