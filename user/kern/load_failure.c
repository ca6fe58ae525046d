/* SPDX-License-Identifier: GPL-2.0 */
/* load_failure.c: why the kernel refused our programs, in one line for people.  Called by load.c. */
#include "kern/load_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <bpf/libbpf.h>

#include "lib/cleanup.h"

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

void wh_load_listen(void)
{
	last_words[0] = '\0';
	libbpf_set_print(keep_last_words);
}

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

void wh_load_explain(int err, char *error, size_t error_len)
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
