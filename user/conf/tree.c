/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tree.c: from libyaml's events to nodes with places.  Called by conf.c and include.c; see tree.h for what it takes
 * and what it refuses.
 */
#include "conf/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* So much of a long path is shown, its end. */
#define SHOWN_PATH_LEN 100

struct builder {
	const struct wh_conf_source *source;
	const struct wh_conf_text *text;
	struct wh_conf_tree *tree;
	struct wh_conf_node *open[WH_CONF_MAX_DEPTH]; /* the lists and maps that we are inside of */
	unsigned depth;
	struct wh_conf_node *key; /* read, its value not yet */
};

static struct wh_conf_place place_of(const struct builder *b, yaml_mark_t mark)
{
	return (struct wh_conf_place){(unsigned)mark.line + 1, (unsigned)mark.column + 1, b->text->file};
}

static struct wh_conf_node *new_node(struct wh_conf_tree *tree, enum wh_conf_kind kind, struct wh_conf_place at,
				     const char *text, size_t len)
{
	struct wh_conf_node *node = calloc(1, sizeof(*node) + len + 1);

	if (!node)
		return NULL;
	node->kind = kind;
	node->at = at;
	if (len)
		memcpy(node->text, text, len);
	node->older = tree->newest;
	tree->newest = node;
	return node;
}

void wh_conf_append(struct wh_conf_node *parent, struct wh_conf_node *node)
{
	node->next = NULL;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->n_entries++;
}

int wh_conf_check_key(const struct wh_conf_source *source, const struct wh_conf_node *map,
		      const struct wh_conf_node *key)
{
	const struct wh_conf_node *same = wh_conf_find(map, key->text);
	const struct wh_conf_place *first;

	if (map->n_entries >= WH_CONF_MAX_KEYS)
		return wh_conf_refuse(source, key->at, "more than %d keys in one map", WH_CONF_MAX_KEYS);
	if (!same)
		return 0;
	first = &same->key->at;
	if (first->file == key->at.file)
		return wh_conf_refuse(source, key->at, "duplicate key \"%s\": it stands in line %u already",
				      WH_CONF_SHOW(key->text), first->line);
	return wh_conf_refuse(source, key->at, "duplicate key \"%s\": it stands in %s:%u already",
			      WH_CONF_SHOW(key->text),
			      wh_conf_path_end(source->files[first->file].path, SHOWN_PATH_LEN), first->line);
}

static int take_key(struct builder *b, struct wh_conf_node *map, struct wh_conf_node *key)
{
	int err = 0;

	if (key->kind != WH_CONF_WORD)
		return wh_conf_refuse(b->source, key->at, "a key must be a word");
	err = wh_conf_check_key(b->source, map, key);
	if (!err)
		b->key = key;
	return err;
}

/* Put a node where it belongs: the root, a map's key or value, a list's entry. */
static int take_node(struct builder *b, struct wh_conf_node *node)
{
	struct wh_conf_node *parent = b->depth ? b->open[b->depth - 1] : NULL;

	if (!parent) {
		b->tree->root = node;
		return 0;
	}
	if (parent->kind == WH_CONF_MAP && !b->key)
		return take_key(b, parent, node);
	node->key = b->key;
	b->key = NULL;
	wh_conf_append(parent, node);
	return 0;
}

static int take_word(struct builder *b, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct wh_conf_place at = place_of(b, event->start_mark);
	struct wh_conf_node *node;

	if (memchr(text, '\0', len))
		return wh_conf_refuse(b->source, at, "a NUL character");
	node = new_node(b->tree, WH_CONF_WORD, at, text, len);
	if (!node)
		return -ENOMEM;
	node->nothing = !len && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return take_node(b, node);
}

static int take_start(struct builder *b, const yaml_event_t *event, enum wh_conf_kind kind)
{
	struct wh_conf_place at = place_of(b, event->start_mark);
	struct wh_conf_node *node;
	int err;

	if (b->depth >= WH_CONF_MAX_DEPTH)
		return wh_conf_refuse(b->source, at, "nested too deeply");
	node = new_node(b->tree, kind, at, NULL, 0);
	if (!node)
		return -ENOMEM;
	err = take_node(b, node);
	if (!err)
		b->open[b->depth++] = node;
	return err;
}

/* Anchors and tags have no use here, and aliases can blow a small file up without bound. */
static int check_plain(const struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
		       const yaml_char_t *tag)
{
	if (anchor)
		return wh_conf_refuse(b->source, place_of(b, event->start_mark), "YAML anchors (&%s) are not accepted",
				      WH_CONF_SHOW((const char *)anchor));
	if (tag)
		return wh_conf_refuse(b->source, place_of(b, event->start_mark), "YAML tags (%s) are not accepted",
				      WH_CONF_SHOW((const char *)tag));
	return 0;
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
	int err;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return b->tree->root ? wh_conf_refuse(b->source, place_of(b, event->start_mark),
						      "a second YAML document; the file must hold one")
				     : 0;
	case YAML_ALIAS_EVENT:
		return wh_conf_refuse(b->source, place_of(b, event->start_mark), "YAML aliases (*%s) are not accepted",
				      WH_CONF_SHOW((const char *)event->data.alias.anchor));
	case YAML_SCALAR_EVENT:
		err = check_plain(b, event, event->data.scalar.anchor, event->data.scalar.tag);
		return err ? err : take_word(b, event);
	case YAML_SEQUENCE_START_EVENT:
		err = check_plain(b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return err ? err : take_start(b, event, WH_CONF_LIST);
	case YAML_MAPPING_START_EVENT:
		err = check_plain(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return err ? err : take_start(b, event, WH_CONF_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

static bool same_place(struct wh_conf_place a, struct wh_conf_place b)
{
	return a.line == b.line && a.column == b.column;
}

/* Walk to an offset or to a place, whichever comes first; returns the offset and tells the place there. */
static size_t walk(const struct wh_conf_text *text, size_t end, struct wh_conf_place until, struct wh_conf_place *at)
{
	size_t i = 0;

	*at = (struct wh_conf_place){1, 1, text->file};
	for (; i < end && !same_place(*at, until); i++) {
		if (text->bytes[i] == '\n') {
			at->line++;
			at->column = 1;
		} else if (i + 1 == end || ((unsigned char)text->bytes[i + 1] & 0xc0) != 0x80) {
			at->column++;
		}
	}
	return i;
}

/* libyaml gives bytes that it cannot read by their offset alone. */
static int refuse_bytes(const struct builder *b, const yaml_parser_t *parser)
{
	const size_t len = b->text->len;
	struct wh_conf_place at;

	walk(b->text, parser->problem_offset < len ? parser->problem_offset : len, (struct wh_conf_place){0}, &at);
	return wh_conf_refuse(b->source, at, "not YAML: %s", parser->problem);
}

static int refuse_syntax(const struct builder *b, const yaml_parser_t *parser)
{
	struct wh_conf_place at = place_of(b, parser->problem_mark);
	const struct wh_conf_text *text = b->text;
	struct wh_conf_place reached;
	size_t offset;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		return refuse_bytes(b, parser);
	offset = walk(text, text->len, at, &reached);
	if (offset < text->len && text->bytes[offset] == '\t')
		return wh_conf_refuse(b->source, at, "not YAML: a tab; indent with spaces");
	if (offset + 1 < text->len && text->bytes[offset] == ':' && text->bytes[offset + 1] == '[')
		return wh_conf_refuse(b->source, at, "not YAML: brackets within a word; put the word in quotes");
	if (!parser->context || parser->context_mark.line == parser->problem_mark.line)
		return wh_conf_refuse(b->source, at, "not YAML: %s", parser->problem);
	return wh_conf_refuse(b->source, at, "not YAML: %s %s that begins in line %u", parser->problem, parser->context,
			      (unsigned)parser->context_mark.line + 1);
}

static int build(struct builder *b, yaml_parser_t *parser)
{
	bool ended = false;

	while (!ended) {
		yaml_event_t event;
		int err;

		if (!yaml_parser_parse(parser, &event))
			return refuse_syntax(b, parser);
		err = take_event(b, &event);
		ended = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		if (err)
			return err;
	}
	return 0;
}

static int check_root(struct builder *b)
{
	struct wh_conf_tree *tree = b->tree;

	if (!tree->root || tree->root->nothing) {
		tree->root = new_node(tree, WH_CONF_MAP, (struct wh_conf_place){1, 1, b->text->file}, NULL, 0);
		return tree->root ? 0 : -ENOMEM;
	}
	if (tree->root->kind != WH_CONF_MAP)
		return wh_conf_refuse(b->source, tree->root->at,
				      "the file must hold keys with values, as in \"lan: [lan0]\"");
	return 0;
}

int wh_conf_tree_build(const struct wh_conf_source *source, const struct wh_conf_text *text, struct wh_conf_tree *tree)
{
	struct wh_conf_text plain = *text;
	struct builder b = {.source = source, .text = &plain, .tree = tree};
	yaml_parser_t parser;
	int err;

	tree->root = NULL;
	if (plain.len > WH_CONF_MAX_SIZE)
		return wh_conf_refuse(source, (struct wh_conf_place){1, 1, plain.file},
				      "the file is larger than 1 MiB");
	if (plain.len >= 3 && !memcmp(plain.bytes, "\xef\xbb\xbf", 3)) {
		plain.bytes += 3; /* a byte order mark would shift the first line's columns */
		plain.len -= 3;
	}
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)plain.bytes, plain.len);
	err = build(&b, &parser);
	yaml_parser_delete(&parser);
	return err ? err : check_root(&b);
}

void wh_conf_tree_free(struct wh_conf_tree *tree)
{
	struct wh_conf_node *older;

	for (struct wh_conf_node *node = tree->newest; node; node = older) {
		older = node->older;
		free(node);
	}
	*tree = (struct wh_conf_tree){0};
}

const struct wh_conf_node *wh_conf_find(const struct wh_conf_node *map, const char *name)
{
	for (const struct wh_conf_node *entry = map->first; entry; entry = entry->next)
		if (entry->key && !strcmp(entry->key->text, name))
			return entry;
	return NULL;
}

const struct wh_conf_node *wh_conf_either(const struct wh_conf_node *map, const char *first, const char *second)
{
	const struct wh_conf_node *entry = wh_conf_find(map, first);

	if (!entry)
		entry = wh_conf_find(map, second);
	return entry ? entry : map;
}
