/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz_main.h: what every fuzz_*.c ends with.  Built with -DWH_FUZZ_MAIN instead of -fsanitize=fuzzer it runs over the
 * files it is given, by any compiler.
 */
#ifndef WANHELM_TESTS_FUZZ_MAIN_H
#define WANHELM_TESTS_FUZZ_MAIN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What was found ends the run; NULL is nothing. */
static inline int fuzz_verdict(const char *wrong)
{
	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}

#ifdef WH_FUZZ_MAIN
#define FUZZ_MAX_LEN (2UL * 1024 * 1024)

int main(int argc, char **argv)
{
	static uint8_t data[FUZZ_MAX_LEN];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "r");

		if (!file) {
			perror(argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), file));
		fclose(file);
	}
	printf("%d files\n", argc - 1);
	return 0;
}
#endif

#endif
