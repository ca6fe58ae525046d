/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tree.h: YAML documents as nodes that know their place in their file.  tree.c builds them, include.c puts one into
 * the other, the readers of the sections walk the whole.  Which keys and values are meant is not known here.
 *
 * Of YAML it takes what a configuration needs: one document a file, of maps, lists and words, without anchors,
 * aliases and tags, no deeper than WH_CONF_MAX_DEPTH and no larger than WH_CONF_MAX_SIZE.
 */
#ifndef WANHELM_CONF_TREE_H
#define WANHELM_CONF_TREE_H

#include "conf/refuse.h"

#include <stdbool.h>

#define WH_CONF_MAX_SIZE (1024UL * 1024)
#define WH_CONF_MAX_DEPTH 16
/* A file that includes one that includes one … */
#define WH_CONF_MAX_INCLUDES 8
/* Duplicates are looked for key by key; this keeps a hostile file from making that slow. */
#define WH_CONF_MAX_KEYS 1024

enum wh_conf_kind { WH_CONF_WORD, WH_CONF_LIST, WH_CONF_MAP };

struct wh_conf_node {
	enum wh_conf_kind kind;
	struct wh_conf_place at;
	bool nothing;		    /* a word that is not there at all, as in "key:" */
	struct wh_conf_node *key;   /* of a map's entry: the word before the colon */
	struct wh_conf_node *first; /* of a list or map: its entries, in the file's order */
	struct wh_conf_node *last;
	struct wh_conf_node *next;  /* the next entry of the same list or map */
	struct wh_conf_node *older; /* every node of the tree, for freeing */
	unsigned n_entries;
	char text[]; /* of a word */
};

struct wh_conf_tree {
	struct wh_conf_node *root; /* a map */
	struct wh_conf_node *newest;
};

/* What is in a file: `file` is its index in the source. */
struct wh_conf_text {
	unsigned file;
	const char *bytes;
	size_t len;
};

/*
 * Put the file's document into an empty tree, or in the place of the root of one, whose nodes stay.  A file without
 * anything in it becomes an empty map.  0, -EINVAL (refused, the message is written) or -ENOMEM.  Free the tree in
 * each case.
 */
int wh_conf_tree_build(const struct wh_conf_source *source, const struct wh_conf_text *text, struct wh_conf_tree *tree);
void wh_conf_tree_free(struct wh_conf_tree *tree);

/*
 * In each map of the tree, put the entries of the files that its `include` names in the place of that.  Which files
 * is added to the source.  0, -EINVAL or -ENOMEM as above.
 */
int wh_conf_include(struct wh_conf_source *source, struct wh_conf_tree *tree);

/* Whether a key may be added to the map: 0, or -EINVAL where it is there already or there are too many. */
int wh_conf_check_key(const struct wh_conf_source *source, const struct wh_conf_node *map,
		      const struct wh_conf_node *key);

/* Put a node, which stands nowhere else, at the end of a list or map. */
void wh_conf_append(struct wh_conf_node *parent, struct wh_conf_node *node);

/* The map's entry under `name`, or NULL. */
const struct wh_conf_node *wh_conf_find(const struct wh_conf_node *map, const char *name);

/* What to point at where two keys do not fit each other: the entry under `first`, else under `second`, else the map. */
const struct wh_conf_node *wh_conf_either(const struct wh_conf_node *map, const char *first, const char *second);

#endif
