/* SPDX-License-Identifier: GPL-2.0 */
/*
 * refuse_bpf.c: makes a kernel look as if it had not what REFUSE names: preloaded by test_errors.py, it answers
 * bpf(2) with EINVAL, as an older kernel would, for "prog:TYPE" (loading programs of that type) or "attach:TYPE"
 * (links of that attach type; a second one may follow after a comma).
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static bool is_refused(const char *kind, unsigned type)
{
	const char *refused = getenv("REFUSE");
	char word[32];
	int len = snprintf(word, sizeof(word), "%s:%u", kind, type);

	for (const char *at = refused; at && (at = strstr(at, word)); at += len) {
		if (at[len] == '\0' || at[len] == ',')
			return true;
	}
	return false;
}

long syscall(long number, ...)
{
	static long (*next)(long number, ...);
	const union bpf_attr *attr;
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	attr = (const union bpf_attr *)a[1];
	if (number == __NR_bpf && ((a[0] == BPF_PROG_LOAD && is_refused("prog", attr->prog_type)) ||
				   (a[0] == BPF_LINK_CREATE && is_refused("attach", attr->link_create.attach_type)))) {
		errno = EINVAL;
		return -1;
	}
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
