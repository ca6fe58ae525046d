/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz_conf.c: bytes as a configuration file.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -std=gnu11 -Iinclude -Iuser -o fuzz_conf \
 *		tests/fuzz/fuzz_conf.c $(find user/conf -name "*.c") user/lib/text.c \
 *		user/model/rules*.c -lyaml
 *	mkdir -p corpus && ./fuzz_conf -dict=tests/fuzz/conf.dict -max_total_time=60 corpus examples share
 *
 * Built with -DWH_FUZZ_MAIN instead of -fsanitize=fuzzer it runs over the files it is given, by any compiler.
 */
#include "conf_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned accepted = 0, refused = 0;
	const char *wrong = conf_check((const char *)data, len, &accepted, &refused);

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}

#ifdef WH_FUZZ_MAIN
#define MAX_LEN (2UL * 1024 * 1024)

int main(int argc, char **argv)
{
	static uint8_t data[MAX_LEN];

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
