/* SPDX-License-Identifier: GPL-2.0 */
/*
 * include.c: `include: FILE`, or a list of files, in any map: their entries stand in its place, as if they had been
 * written there.  Works on the tree, so that no reader of a section knows of it; called by conf.c.  How many files
 * there may be, how deep and how large, is bounded, and a file cannot include itself by any way.
 */
#include "conf/files.h"
#include "conf/tree.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct includer {
	struct wh_conf_source *source;
	struct wh_conf_tree *tree;
};

static const char include_key[] = "include";

static int expand(struct includer *in, struct wh_conf_node *node);

/* A relative path starts where the including file is. */
static char *join(const char *includer, const char *path)
{
	const char *slash = strrchr(includer, '/');
	int dir_len = slash && *path != '/' ? (int)(slash + 1 - includer) : 0;
	char *joined;

	return asprintf(&joined, "%.*s%s", dir_len, includer, path) < 0 ? NULL : joined;
}

static int cannot_read(const struct includer *in, const struct wh_conf_node *name, const char *why)
{
	return wh_conf_refuse(in->source, name->at, "include: \"%s\" cannot be read: %s", WH_CONF_SHOW(name->text),
			      why);
}

/* Nothing that could block, such as a pipe, is waited for. */
static int open_file(const struct includer *in, const struct wh_conf_node *name, const char *path, struct stat *st)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, st))
		return cannot_read(in, name, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return cannot_read(in, name, "Not a regular file");
	return wh_take_fd(&fd);
}

/* The files that lead to the one in which `name` stands, itself the first. */
static int check_chain(const struct includer *in, const struct wh_conf_node *name, const struct stat *st)
{
	unsigned file = name->at.file, depth = 1;

	for (;; depth++) {
		const struct wh_conf_file *f = &in->source->files[file];

		if (f->inode && f->inode == st->st_ino && f->device == st->st_dev)
			return wh_conf_refuse(in->source, name->at, "include: \"%s\" includes itself",
					      WH_CONF_SHOW(name->text));
		if (!file)
			break;
		file = f->parent;
	}
	if (depth > WH_CONF_MAX_INCLUDES)
		return wh_conf_refuse(in->source, name->at, "include: nested more than %d files deep",
				      WH_CONF_MAX_INCLUDES);
	return 0;
}

/* Parse the file into the tree; `root` is its map. */
static int build_file(struct includer *in, const struct wh_conf_text *text, struct wh_conf_node **root)
{
	struct wh_conf_node *whole = in->tree->root;
	int err = wh_conf_tree_build(in->source, text, in->tree);

	*root = in->tree->root;
	in->tree->root = whole;
	return err;
}

static int load(struct includer *in, const struct wh_conf_node *name, struct wh_conf_node **root)
{
	const size_t size = WH_CONF_MAX_SIZE + 1; /* one more than is accepted, so that too much is noticed */
	_cleanup_free_ char *path = join(in->source->files[name->at.file].path, name->text);
	_cleanup_free_ char *bytes = malloc(size);
	_cleanup_close_ int fd = -1;
	struct wh_conf_text text = {.bytes = bytes};
	struct stat st;
	ssize_t len;
	int err;

	if (!path || !bytes)
		return -ENOMEM;
	if (in->source->n_files == WH_MAX_FILES)
		return wh_conf_refuse(in->source, name->at, "include: more than %d files", WH_MAX_FILES - 1);
	fd = open_file(in, name, path, &st);
	if (fd < 0)
		return fd;
	err = check_chain(in, name, &st);
	if (err)
		return err;
	len = wh_conf_read_fd(fd, bytes, size);
	if (len < 0)
		return cannot_read(in, name, strerror((int)-len));
	text.len = (size_t)len;
	err = wh_conf_files_add(in->source, path, &st, name->at.file, &text.file);
	return err ? err : build_file(in, &text, root);
}

static int add(struct includer *in, struct wh_conf_node *map, struct wh_conf_node *entry)
{
	int err = wh_conf_check_key(in->source, map, entry->key);

	if (!err)
		wh_conf_append(map, entry);
	return err;
}

/* Put what is in the file at the end of the map. */
static int take_file(struct includer *in, struct wh_conf_node *map, const struct wh_conf_node *name)
{
	struct wh_conf_node *root = NULL, *next;
	int err;

	if (name->kind != WH_CONF_WORD || !name->text[0])
		return wh_conf_refuse(in->source, name->at, "include: must be a file, or a list of files");
	err = load(in, name, &root);
	if (err || !root)
		return err;
	err = expand(in, root);
	for (struct wh_conf_node *entry = root->first; entry && !err; entry = next) {
		next = entry->next;
		err = add(in, map, entry);
	}
	return err;
}

static int take_files(struct includer *in, struct wh_conf_node *map, const struct wh_conf_node *value)
{
	int err = 0;

	if (value->kind != WH_CONF_LIST || !value->first)
		return take_file(in, map, value);
	for (const struct wh_conf_node *name = value->first; name && !err; name = name->next)
		err = take_file(in, map, name);
	return err;
}

/* Build the map anew, in order: later entries may be such as a file has brought already. */
static int fill(struct includer *in, struct wh_conf_node *map)
{
	struct wh_conf_node *entry = map->first, *next;
	int err = 0;

	map->first = map->last = NULL;
	map->n_entries = 0;
	for (; entry && !err; entry = next) {
		next = entry->next;
		err = strcmp(entry->key->text, include_key) != 0 ? add(in, map, entry) : take_files(in, map, entry);
	}
	return err;
}

/* As deep as files are nested in each other and nodes in a file, both of which are bounded. */
static int expand(struct includer *in, struct wh_conf_node *node)
{
	int err = 0;

	for (struct wh_conf_node *entry = node->first; entry && !err; entry = entry->next)
		err = expand(in, entry);
	if (!err && node->kind == WH_CONF_MAP && wh_conf_find(node, include_key))
		err = fill(in, node);
	return err;
}

int wh_conf_include(struct wh_conf_source *source, struct wh_conf_tree *tree)
{
	return expand(&(struct includer){source, tree}, tree->root);
}
