/* SPDX-License-Identifier: GPL-2.0 */
/*
 * main.c: the controller's options, its signals, and its one loop.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "conf/conf.h"
#include "ctl/ctl.h"
#include "daemon/daemon.h"
#include "lib/log.h"

#define DEFAULT_CONFIG "/etc/wanhelm/wanhelm.yaml"

#define NICE (-10)

enum { EXIT_USAGE = 2 };

static const char usage[] = "usage: wanhelmd [options]\n"
			    "  -c, --config FILE   configuration [" DEFAULT_CONFIG "]\n"
			    "      --run-dir DIR   control socket [" WH_DEFAULT_RUN_DIR "]\n"
			    "      --bpf-dir DIR   pinned maps and links [" WH_DEFAULT_BPF_DIR "]\n"
			    "      --check         read the configuration, say what is wrong with it, and end\n"
			    "      --boot          do what its \"boot\" says until the data plane is there, and end\n"
			    "      --foreground    stay in the foreground (it always does)\n"
			    "  -v, --verbose       say more\n"
			    "      --version\n"
			    "  -h, --help\n"
			    "The state directory is $STATE_DIRECTORY [" WH_DEFAULT_STATE_DIR
			    "]. WANHELM_TC=clsact in the environment uses\n"
			    "clsact filters also where the kernel has tcx.\n";

enum option_code { OPT_RUN_DIR = 256, OPT_BPF_DIR, OPT_CHECK, OPT_BOOT, OPT_FOREGROUND, OPT_VERSION };

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"run-dir", required_argument, NULL, OPT_RUN_DIR},
	{"bpf-dir", required_argument, NULL, OPT_BPF_DIR},
	{"check", no_argument, NULL, OPT_CHECK},
	{"boot", no_argument, NULL, OPT_BOOT},
	{"foreground", no_argument, NULL, OPT_FOREGROUND},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, 'h'},
	{},
};

static void on_end(evutil_socket_t signal, short what, void *arg)
{
	struct wh_daemon *d = arg;

	(void)what;
	wh_info("signal %d: ending; the data plane goes on", (int)signal);
	event_base_loopbreak(d->base);
}

static void on_reload(evutil_socket_t signal, short what, void *arg)
{
	char error[WH_CONF_ERROR_LEN + 64];

	(void)signal;
	(void)what;
	if (wh_daemon_reload(arg, error, sizeof(error)))
		wh_error("%s", error);
}

static void catch_signals(struct wh_daemon *d)
{
	static const int ends[] = {SIGTERM, SIGINT};

	for (unsigned i = 0; i < 2; i++)
		d->signals[i] = evsignal_new(d->base, ends[i], on_end, d);
	d->signals[2] = evsignal_new(d->base, SIGHUP, on_reload, d);
	for (unsigned i = 0; i < 3; i++) {
		if (d->signals[i])
			event_add(d->signals[i], NULL);
	}
}

static int run(struct wh_daemon *d, const struct wh_config *config)
{
	char error[WH_CONF_ERROR_LEN] = "";
	int err;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* while it starts, the file that it has just read is the newest */
	err = wh_daemon_start(d, config, error, sizeof(error));
	/*
	 * A busy box must not make a WAN look dead, nor a dead one wait; but loading the programs, which takes a second or
	 * two, takes no packets' time. Without the privilege it goes without.
	 */
	setpriority(PRIO_PROCESS, 0, NICE);

	if (err) {
		wh_error("%s", error);
	} else {
		catch_signals(d);
		wh_info("wanhelmd %s: %u WANs, %u LAN devices%s", WH_VERSION, d->config.n_wans, d->config.n_lans,
			d->adopted ? ", taken over from an earlier run" : "");
		event_base_dispatch(d->base);
	}
	wh_daemon_end(d);
	for (unsigned i = 0; i < 3; i++) {
		if (d->signals[i])
			event_free(d->signals[i]);
	}
	if (d->base)
		event_base_free(d->base);
	libevent_global_shutdown();
	return !err ? EXIT_SUCCESS : err == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}

/* What the command line asks for. */
struct asked {
	bool check, boot;
	enum wh_log_level level;
	int end_with; /* an exit status to end with at once; -1: go on */
};

static int take_option(int code, struct wh_daemon *d, struct asked *asked)
{
	switch (code) {
	case 'c':
		d->config_path = optarg;
		return -1;
	case OPT_RUN_DIR:
		d->run_dir = optarg;
		return -1;
	case OPT_BPF_DIR:
		d->bpf_dir = optarg;
		return -1;
	case OPT_CHECK:
		asked->check = true;
		return -1;
	case OPT_BOOT:
		asked->boot = true;
		return -1;
	case OPT_FOREGROUND:
		return -1;
	case 'v':
		asked->level = WH_LOG_DEBUG;
		return -1;
	case OPT_VERSION:
		puts("wanhelmd " WH_VERSION);
		return EXIT_SUCCESS;
	case 'h':
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	default:
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
}

static void take_options(int argc, char **argv, struct wh_daemon *d, struct asked *asked)
{
	int code;

	asked->end_with = -1;
	while (asked->end_with < 0 && (code = getopt_long(argc, argv, "c:vh", options, NULL)) != -1)
		asked->end_with = take_option(code, d, asked);
	if (asked->end_with < 0 && optind < argc) {
		fprintf(stderr, "wanhelmd: \"%s\" is not an option\n%s", argv[optind], usage);
		asked->end_with = EXIT_USAGE;
	}
}

int main(int argc, char **argv)
{
	static struct wh_daemon d = {
		.config_path = DEFAULT_CONFIG, .run_dir = WH_DEFAULT_RUN_DIR, .bpf_dir = WH_DEFAULT_BPF_DIR};
	static struct wh_config config; /* some 10 KiB */
	struct asked asked = {.level = WH_LOG_INFO};
	const char *state_dir = getenv("STATE_DIRECTORY");
	char error[WH_CONF_ERROR_LEN];

	d.state_dir = state_dir ? state_dir : WH_DEFAULT_STATE_DIR;
	take_options(argc, argv, &d, &asked);
	if (asked.end_with >= 0)
		return asked.end_with;
	wh_log_set_level(asked.level);
	if (wh_conf_read(d.config_path, &config, error)) {
		fprintf(stderr, "%s\n", error);
		return EXIT_USAGE;
	}
	if (!asked.check && !asked.boot)
		return run(&d, &config);
	if (asked.boot && wh_firewall_boot(&config, d.bpf_dir, error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	if (asked.check)
		printf("%s: ok\n", d.config_path);
	return EXIT_SUCCESS;
}
