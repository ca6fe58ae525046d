/* SPDX-License-Identifier: GPL-2.0 */
/*
 * load.c: see load.h.  The two BPF objects (steer_tc, sweep) declare the same maps; whichever is loaded first
 * makes and pins them, the second finds them by their pins.
 */
#include "kern/load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <wanhelm/abi.h>

#include "kern/pins.h"
#include "lib/cleanup.h"
#include "steer_tc.skel.h"
#include "sweep.skel.h"

struct wh_programs {
	int lock; /* on the folder of the pins: one controller a folder */
	struct steer_tc_bpf *steer;
	struct sweep_bpf *sweep;
};

/* libbpf explains itself to a callback only; the last line it said is what people need when a load fails. */
static char last_words[200];

/* Of the verifier's long account, the line before its closing statistics says what is wrong. */
static void keep_verdict(char *text)
{
	char *end = strstr(text, "\nprocessed "), *start;

	if (!end)
		return;
	*end = '\0';
	start = strrchr(text, '\n');
	snprintf(last_words, sizeof(last_words), "%s", start ? start + 1 : text);
}

static int keep_last_words(enum libbpf_print_level level, const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (level != LIBBPF_WARN || vasprintf(&text, format, args) < 0)
		return 0;
	if (strstr(text, "BEGIN PROG LOAD LOG"))
		keep_verdict(text);
	else if (!last_words[0])
		snprintf(last_words, sizeof(last_words), "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

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
 * How many entries a map needs for max_flows flows; 0: the map's size does not depend on it.  While a flow
 * moves it stands under two replies for a moment, an endpoint that moved keeps its port on the WAN that it left
 * until it is idle, and its binding outlives its last flow by a walk of the collection.
 */
static __u32 wanted_size(const char *name, __u32 max_flows)
{
	if (!strcmp(name, "wh_flows4"))
		return max_flows;
	if (!strcmp(name, "wh_binds4"))
		return max_flows + max_flows / 4;
	if (!strcmp(name, "wh_replies4"))
		return max_flows + 1024;
	return strcmp(name, "wh_ports4") ? 0 : 2 * max_flows;
}

/* The size of the map that is pinned already, which wins over the configuration's until `wanhelm stop`; or 0. */
static __u32 pinned_size(const char *bpf_dir, const char *name)
{
	_cleanup_close_ int fd = wh_pin_open(bpf_dir, name);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.max_entries : 0;
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
		err = wh_pin_path(path, options->bpf_dir, name);
		if (!err)
			err = bpf_map__set_pin_path(map, path);
		wanted = wanted_size(name, options->max_flows);
		if (!err && wanted) {
			pinned = pinned_size(options->bpf_dir, name);
			err = bpf_map__set_max_entries(map, pinned ? pinned : wanted);
		}
		if (err)
			return err;
	}
	return 0;
}

/* --- when it fails ---------------------------------------------------------------------------------------- */

static const struct {
	enum bpf_prog_type prog;
	int helper; /* 0: the program type itself */
	const char *name;
	const char *since;
} needs[] = {
	{BPF_PROG_TYPE_SCHED_CLS, 0, "tc programs", "4.1"},
	{BPF_PROG_TYPE_SYSCALL, 0, "syscall programs", "5.14"},
	{BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_neigh, "bpf_redirect_neigh", "5.10"},
};

/* Say why the kernel refused: what we may not do, what it does not have, or else libbpf's last words. */
static void explain_failure(int err, char *error, size_t error_len)
{
	struct utsname kernel;

	uname(&kernel);
	if (err == -EPERM) { /* -EACCES is how the verifier refuses */
		snprintf(error, error_len,
			 "no privilege to load BPF programs: needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
		return;
	}
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		int has = needs[i].helper
				  ? libbpf_probe_bpf_helper(needs[i].prog, (enum bpf_func_id)needs[i].helper, NULL)
				  : libbpf_probe_bpf_prog_type(needs[i].prog, NULL);

		if (has == 0) {
			snprintf(error, error_len, "this kernel (%s) lacks %s, which Linux has from %s on",
				 kernel.release, needs[i].name, needs[i].since);
			return;
		}
	}
	snprintf(error, error_len, "the kernel (%s) refused the BPF programs: %s%s%s", kernel.release, strerror(-err),
		 last_words[0] ? ": " : "", last_words);
}

/* --- loading ---------------------------------------------------------------------------------------------- */

static int load_steer(struct wh_programs *p, const struct wh_load_options *options)
{
	int err;

	p->steer = steer_tc_bpf__open();
	if (!p->steer)
		return -errno;
	p->steer->rodata->wh_mark_done = options->mark;
	p->steer->rodata->wh_mark_mask = options->mark_mask;
	err = prepare_maps(p->steer->obj, options);
	return err ? err : steer_tc_bpf__load(p->steer);
}

static int load_sweep(struct wh_programs *p, const struct wh_load_options *options)
{
	int err;

	p->sweep = sweep_bpf__open();
	if (!p->sweep)
		return -errno;
	err = prepare_maps(p->sweep->obj, options);
	return err ? err : sweep_bpf__load(p->sweep);
}

static int write_meta(const struct wh_programs *p, const struct wh_load_options *options)
{
	struct wh_meta meta = {.schema = WH_SCHEMA_VERSION, .mark = options->mark, .mark_mask = options->mark_mask};
	__u32 zero = 0;

	snprintf(meta.owner, sizeof(meta.owner), "%s", options->owner);
	return bpf_map_update_elem(bpf_map__fd(p->steer->maps.wh_meta), &zero, &meta, BPF_ANY) ? -errno : 0;
}

static int load_all(struct wh_programs *p, const struct wh_load_options *options)
{
	int err;

	last_words[0] = '\0';
	err = load_steer(p, options);
	if (!err)
		err = load_sweep(p, options);
	return err ? err : write_meta(p, options);
}

int wh_programs_load(struct wh_programs **out, const struct wh_load_options *options, bool *adopted, char *error,
		     size_t error_len)
{
	_cleanup_close_ int lock = -1;
	struct wh_programs *p;
	int err;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(keep_last_words);
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
	err = load_all(p, options);
	if (err) {
		explain_failure(err, error, error_len);
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
	steer_tc_bpf__destroy(p->steer);
	sweep_bpf__destroy(p->sweep);
	close(p->lock);
	free(p);
}

int wh_programs_fd(const struct wh_programs *p, enum wh_hook hook)
{
	switch (hook) {
	case WH_HOOK_LAN_IN:
		return bpf_program__fd(p->steer->progs.wh_lan_in);
	case WH_HOOK_WAN_IN:
		return bpf_program__fd(p->steer->progs.wh_wan_in);
	case WH_HOOK_WAN_OUT:
		return bpf_program__fd(p->steer->progs.wh_wan_out);
	case WH_HOOK_PROBE_IN:
		return bpf_program__fd(p->steer->progs.wh_probe_in);
	default:
		return -EINVAL;
	}
}

int wh_programs_sweep(const struct wh_programs *p)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	return bpf_prog_test_run_opts(bpf_program__fd(p->sweep->progs.wh_sweep_run), &run) ? -errno : 0;
}
