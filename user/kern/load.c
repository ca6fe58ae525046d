/* SPDX-License-Identifier: GPL-2.0 */
/*
 * load.c: see load.h.  The BPF objects (steer and sweep, each once a family) declare maps that they share; whichever is
 * loaded first makes and pins them, the others find them by their pins.  Why the kernel refuses one, load_failure.c says.
 */
#include "kern/load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <wanhelm/abi.h>

#include "kern/load_private.h"
#include "kern/pins.h"
#include "lib/cleanup.h"
#include "explain4.skel.h"
#include "explain6.skel.h"
#include "steer4.skel.h"
#include "steer6.skel.h"
#include "sweep4.skel.h"
#include "sweep6.skel.h"
#include "xdp4.skel.h"
#include "xdp6.skel.h"

/* What the link-layer header of a device may be: one of Ethernet, or none. */
enum l2 { L2_ETHERNET, L2_NONE, L2_KINDS };

struct wh_programs {
	int lock; /* on the folder of the pins: one controller a folder */
	char bpf_dir[WH_PIN_PATH_LEN];
	struct wh_load_options options;
	struct bpf_object *steer[WH_FAMILIES][L2_KINDS];
	struct bpf_object *sweep[WH_FAMILIES];
	struct bpf_object *explain[WH_FAMILIES]; /* loaded when first asked for */
	struct bpf_object *xdp[WH_FAMILIES];	 /* the same */
};

/* The objects, as the compiler made them; the names of their programs and maps end in the family's digit. */
static const struct {
	const char *name;
	const void *(*bytes)(size_t *len);
} steer_objects[WH_FAMILIES] = {{"steer4", steer4_bpf__elf_bytes}, {"steer6", steer6_bpf__elf_bytes}},
  sweep_objects[WH_FAMILIES] = {{"sweep4", sweep4_bpf__elf_bytes}, {"sweep6", sweep6_bpf__elf_bytes}},
  explain_objects[WH_FAMILIES] = {{"explain4", explain4_bpf__elf_bytes}, {"explain6", explain6_bpf__elf_bytes}},
  xdp_objects[WH_FAMILIES] = {{"xdp4", xdp4_bpf__elf_bytes}, {"xdp6", xdp6_bpf__elf_bytes}};

static const char family_digit[WH_FAMILIES] = {'4', '6'};

/* What is set in a steer object before it is loaded: the same for both families. */
typedef struct steer4_bpf__rodata steer_constants;
_Static_assert(sizeof(steer_constants) == sizeof(struct steer6_bpf__rodata), "one layout");

/* --- before loading -------------------------------------------------------------------------------------- */

static int make_folder(const char *bpf_dir, char *error, size_t error_len)
{
	_cleanup_free_ char *parent = strdup(bpf_dir);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	struct statfs fs;

	if (!slash || slash == parent) {
		snprintf(error, error_len, "%s: not a folder on a bpf file system", bpf_dir);
		return -ENOTDIR;
	}
	*slash = '\0';
	if (statfs(parent, &fs) || fs.f_type != BPF_FS_MAGIC) {
		snprintf(error, error_len, "%s is not a bpf file system; mount one: mount -t bpf bpf %s", parent,
			 parent);
		return -ENODEV;
	}
	if (mkdir(bpf_dir, 0700) && errno != EEXIST) {
		int saved = errno;

		snprintf(error, error_len, "cannot make the folder %s: %s", bpf_dir, strerror(saved));
		return -saved;
	}
	return 0;
}

int wh_folder_lock(const char *bpf_dir)
{
	_cleanup_close_ int fd = open(bpf_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return -errno;
	return wh_take_fd(&fd);
}

/* What an earlier controller left must be of our schema: it is never recreated in silence. */
static int check_schema(const char *bpf_dir, bool *adopted, char *error, size_t error_len)
{
	_cleanup_close_ int fd = wh_pin_open(bpf_dir, "wh_meta");
	struct wh_meta meta;
	__u32 zero = 0;

	*adopted = false;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &meta)) {
		snprintf(error, error_len, "cannot read the pinned map %s/wh_meta: %s", bpf_dir,
			 strerror(fd < 0 ? -fd : errno));
		return fd < 0 ? fd : -errno;
	}
	*adopted = meta.schema != 0;
	if (meta.schema && meta.schema != WH_SCHEMA_VERSION) {
		snprintf(
			error, error_len,
			"the maps under %s are of schema %u, this program's are of schema %u: run `wanhelm stop` first",
			bpf_dir, meta.schema, WH_SCHEMA_VERSION);
		return -EPROTO;
	}
	return 0;
}

/*
 * A hash costs 16 bytes for each entry up to the next power of two, so one entry more may double that.  A flow has one
 * reply (where it moves in a full table, the old one goes first), and a binding does not outlive its flows: of each
 * there are as many as flows.  An endpoint that moved keeps its port on the WAN that it left, and a port that was freed
 * waits for a while.
 */
uint32_t wh_map_entries(const char *name, const struct wh_load_options *options)
{
	__u32 max_flows = options->max_flows;
	size_t len = strlen(name) - 1; /* without the family's digit */

	if (!strncmp(name, "wh_flows", len) || !strncmp(name, "wh_replies", len) || !strncmp(name, "wh_binds", len))
		return max_flows;
	if (strncmp(name, "wh_ports", len) != 0)
		return 0;
	return options->max_ports && options->max_ports < 2 * max_flows ? options->max_ports : 2 * max_flows;
}

/* The size of the map that is pinned already, which wins over the configuration's until `wanhelm stop`; or 0. */
static __u32 pinned_size(const char *bpf_dir, const char *name)
{
	_cleanup_close_ int fd = wh_pin_open(bpf_dir, name);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.max_entries : 0;
}

/*
 * A devmap gets a flag from the kernel that it takes from nobody, and so libbpf (before 1.7) finds the pinned one to be
 * another: then it is handed over by its descriptor.  Whether it was.
 */
static bool reuse_devmap(struct bpf_map *map, const char *bpf_dir)
{
	_cleanup_close_ int fd = -1;

	if (bpf_map__type(map) != BPF_MAP_TYPE_DEVMAP)
		return false;
	fd = wh_pin_open(bpf_dir, bpf_map__name(map));
	return fd >= 0 && !bpf_map__reuse_fd(map, fd);
}

static int prepare_maps(struct bpf_object *object, const struct wh_load_options *options)
{
	char path[WH_PIN_PATH_LEN];
	struct bpf_map *map;
	__u32 wanted, pinned;
	int err;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);

		if (strncmp(name, "wh_", 3) != 0)
			continue; /* the object's own .rodata */
		if (reuse_devmap(map, options->bpf_dir))
			continue;
		err = wh_pin_path(path, options->bpf_dir, name);
		if (!err)
			err = bpf_map__set_pin_path(map, path);
		wanted = wh_map_entries(name, options);
		if (!err && wanted) {
			pinned = pinned_size(options->bpf_dir, name);
			err = bpf_map__set_max_entries(map, pinned ? pinned : wanted);
		}
		if (err)
			return err;
	}
	return 0;
}

/* --- loading ---------------------------------------------------------------------------------------------- */

/* What the programs take for constants; others, the compiler's own, follow. */
static int set_constants(struct bpf_map *map, const struct wh_load_options *options, unsigned l2_len)
{
	steer_constants ours = {
		.wh_mark_value = options->mark, .wh_mark_mask = options->mark_mask, .wh_l2_len = l2_len};
	size_t size = 0;
	const void *initial = bpf_map__initial_value(map, &size);
	_cleanup_free_ char *value = NULL;

	if (!initial || size < sizeof(ours))
		return 0;
	value = malloc(size);
	if (!value)
		return -ENOMEM;
	memcpy(value, initial, size);
	memcpy(value, &ours, sizeof(ours));
	return bpf_map__set_initial_value(map, value, size);
}

static int load_object(struct bpf_object **out, const char *name, const void *bytes, size_t len,
		       const struct wh_load_options *options, unsigned l2_len)
{
	LIBBPF_OPTS(bpf_object_open_opts, open, .object_name = name);
	struct bpf_object *object = bpf_object__open_mem(bytes, len, &open);
	struct bpf_map *map;
	int err;

	if (!object)
		return -errno;
	bpf_object__for_each_map(map, object)
	{
		const char *section = strchr(bpf_map__name(map), '.');

		if (section && !strcmp(section, ".rodata") && set_constants(map, options, l2_len))
			return -EINVAL;
	}
	err = prepare_maps(object, options);
	if (!err)
		err = bpf_object__load(object);
	if (err) {
		bpf_object__close(object);
		return err;
	}
	*out = object;
	return 0;
}

static int load_steer(struct wh_programs *p, enum wh_family family, enum l2 l2)
{
	const void *bytes;
	size_t len = 0;

	bytes = steer_objects[family].bytes(&len);
	return load_object(&p->steer[family][l2], steer_objects[family].name, bytes, len, &p->options,
			   l2 == L2_ETHERNET ? ETH_HLEN : 0);
}

static int load_sweep(struct wh_programs *p, enum wh_family family)
{
	const void *bytes;
	size_t len = 0;

	bytes = sweep_objects[family].bytes(&len);
	return load_object(&p->sweep[family], sweep_objects[family].name, bytes, len, &p->options, ETH_HLEN);
}

static int write_meta(const struct wh_programs *p)
{
	struct wh_meta meta = {.schema = WH_SCHEMA_VERSION, .mark = p->options.mark, .mark_mask = p->options.mark_mask};
	_cleanup_close_ int fd = wh_pin_open(p->bpf_dir, "wh_meta");
	__u32 zero = 0;

	snprintf(meta.owner, sizeof(meta.owner), "%s", p->options.owner);
	if (fd < 0)
		return fd;
	return bpf_map_update_elem(fd, &zero, &meta, BPF_ANY) ? -errno : 0;
}

static int load_all(struct wh_programs *p)
{
	int err = 0;

	for (enum wh_family family = 0; family < WH_FAMILIES && !err; family++) {
		err = load_steer(p, family, L2_ETHERNET);
		if (!err)
			err = load_sweep(p, family);
	}
	return err ? err : write_meta(p);
}

int wh_programs_load(struct wh_programs **out, const struct wh_load_options *options, bool *adopted, char *error,
		     size_t error_len)
{
	_cleanup_close_ int lock = -1;
	struct wh_programs *p;
	int err;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	wh_load_listen();
	err = make_folder(options->bpf_dir, error, error_len);
	if (err)
		return err;
	lock = wh_folder_lock(options->bpf_dir);
	if (lock < 0) {
		snprintf(error, error_len, "%s: %s", options->bpf_dir,
			 lock == -EWOULDBLOCK ? "another controller uses these maps" : strerror(-lock));
		return lock;
	}
	err = check_schema(options->bpf_dir, adopted, error, error_len);
	if (err)
		return err;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->lock = wh_take_fd(&lock);
	p->options = *options;
	snprintf(p->bpf_dir, sizeof(p->bpf_dir), "%s", options->bpf_dir);
	p->options.bpf_dir = p->bpf_dir;
	err = load_all(p);
	if (err) {
		wh_load_explain(err, error, error_len);
		wh_programs_close(p);
		if (!*adopted)
			wh_pins_remove(options->bpf_dir);
		return err == -EINVAL ? -EOPNOTSUPP : err;
	}
	*out = p;
	return 0;
}

void wh_programs_close(struct wh_programs *p)
{
	if (!p)
		return;
	for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
		for (enum l2 l2 = 0; l2 < L2_KINDS; l2++)
			bpf_object__close(p->steer[family][l2]);
		bpf_object__close(p->sweep[family]);
		bpf_object__close(p->explain[family]);
		bpf_object__close(p->xdp[family]);
	}
	close(p->lock);
	free(p);
}

int wh_programs_fd(struct wh_programs *p, enum wh_hook hook, enum wh_family family, unsigned l2_len)
{
	enum l2 l2 = l2_len ? L2_ETHERNET : L2_NONE;
	const struct bpf_program *program;
	char name[32];
	int err;

	if (hook >= WH_HOOKS || family >= WH_FAMILIES)
		return -EINVAL;
	if (!p->steer[family][l2]) {
		err = load_steer(p, family, l2);
		if (err)
			return err;
	}
	snprintf(name, sizeof(name), "wh_%s%c", wh_hook_name(hook), family_digit[family]);
	program = bpf_object__find_program_by_name(p->steer[family][l2], name);
	return program ? bpf_program__fd(program) : -ENOENT;
}

int wh_programs_sweep(const struct wh_programs *p, enum wh_family family)
{
	const struct bpf_program *sweep = bpf_object__next_program(p->sweep[family], NULL);
	LIBBPF_OPTS(bpf_test_run_opts, run);

	return bpf_prog_test_run_opts(bpf_program__fd(sweep), &run) ? -errno : 0;
}

/* --- XDP -------------------------------------------------------------------------------------------------- */

static int xdp_fd(const struct wh_programs *p, enum wh_family family)
{
	return bpf_program__fd(bpf_object__next_program(p->xdp[family], NULL));
}

static int load_xdp(struct wh_programs *p)
{
	__u32 zero = 0;
	int err = 0, other, fd;

	for (enum wh_family family = 0; family < WH_FAMILIES && !err; family++) {
		const void *bytes;
		size_t len = 0;

		if (p->xdp[family])
			continue;
		bytes = xdp_objects[family].bytes(&len);
		err = load_object(&p->xdp[family], xdp_objects[family].name, bytes, len, &p->options, ETH_HLEN);
	}
	if (err)
		return err;
	fd = xdp_fd(p, WH_V6);
	other = bpf_object__find_map_fd_by_name(p->xdp[WH_V4], "wh_xdp_other");
	return other < 0 ? other : bpf_map_update_elem(other, &zero, &fd, BPF_ANY) ? -errno : 0;
}

int wh_programs_xdp(struct wh_programs *p, enum wh_family family)
{
	int err = load_xdp(p);

	return err ? err : xdp_fd(p, family);
}

/* --- explaining ------------------------------------------------------------------------------------------- */

static int load_explain(struct wh_programs *p, enum wh_family family)
{
	const void *bytes;
	size_t len = 0;

	if (p->explain[family])
		return 0;
	bytes = explain_objects[family].bytes(&len);
	return load_object(&p->explain[family], explain_objects[family].name, bytes, len, &p->options, ETH_HLEN);
}

int wh_programs_explain(struct wh_programs *p, enum wh_family family, struct wh_explain *form)
{
	static const uint8_t frame[ETH_HLEN + 1]; /* any will do, but there must be one */
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame));
	int err = load_explain(p, family), map;
	__u32 zero = 0;

	if (err)
		return err;
	map = bpf_object__find_map_fd_by_name(p->explain[family], "wh_explain");
	if (map < 0 || bpf_map_update_elem(map, &zero, form, BPF_ANY) ||
	    bpf_prog_test_run_opts(bpf_program__fd(bpf_object__next_program(p->explain[family], NULL)), &run) ||
	    bpf_map_lookup_elem(map, &zero, form))
		return map < 0 ? map : -errno;
	return 0;
}
