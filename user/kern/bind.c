/* SPDX-License-Identifier: GPL-2.0 */
/* bind.c: see bind.h. */
#include "kern/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bind4.skel.h"
#include "bind6.skel.h"
#include "kern/pins.h"
#include "lib/cleanup.h"

static const struct {
	const void *(*bytes)(size_t *len);
	enum bpf_attach_type type;
	const char *link;
} objects[WH_FAMILIES] = {{bind4_bpf__elf_bytes, BPF_CGROUP_INET4_BIND, "links/bind4"},
			  {bind6_bpf__elf_bytes, BPF_CGROUP_INET6_BIND, "links/bind6"}};

/* Where systemd and others mount it: alone, or beside version 1. */
static int open_root(void)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs fs;

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		_cleanup_close_ int root = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (root >= 0 && !fstatfs(root, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
			return wh_take_fd(&root);
	}
	return -ENOENT;
}

static int attach(int program, enum bpf_attach_type type, int root, const char *path)
{
	_cleanup_close_ int link = bpf_obj_get(path);

	if (link >= 0)
		return bpf_link_update(link, program, NULL) ? -errno : 0;
	link = bpf_link_create(program, root, type, NULL);
	if (link < 0)
		return -errno;
	return bpf_obj_pin(link, path) ? -errno : 0;
}

static int load_and_attach(struct bpf_object *object, const char *bpf_dir, enum wh_family family, int root)
{
	char path[WH_PIN_PATH_LEN];
	int err = wh_pin_path(path, bpf_dir, "wh_bound");

	if (!err)
		err = bpf_map__set_pin_path(bpf_object__find_map_by_name(object, "wh_bound"), path);
	if (!err)
		err = bpf_object__load(object);
	if (!err)
		err = wh_pin_path(path, bpf_dir, objects[family].link);
	if (err)
		return err;
	return attach(bpf_program__fd(bpf_object__next_program(object, NULL)), objects[family].type, root, path);
}

int wh_bind_attach(const char *bpf_dir)
{
	_cleanup_close_ int root = open_root();
	char folder[WH_PIN_PATH_LEN];
	int err = wh_pin_path(folder, bpf_dir, "links");

	if (root < 0 || err)
		return root < 0 ? root : err;
	if (mkdir(folder, 0700) && errno != EEXIST)
		return -errno;
	for (enum wh_family family = 0; family < WH_FAMILIES && !err; family++) {
		size_t len = 0;
		const void *bytes = objects[family].bytes(&len);
		struct bpf_object *object = bpf_object__open_mem(bytes, len, NULL);

		err = object ? load_and_attach(object, bpf_dir, family, root) : -errno;
		bpf_object__close(object);
	}
	return err;
}
