/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz_dns.c: bytes as an answer of the DNS.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -std=gnu11 -Iinclude -Iuser -o fuzz_dns \
 *		tests/fuzz/fuzz_dns.c user/dns/message.c -lresolv
 *	mkdir -p corpus && ./fuzz_dns -max_len=512 -max_total_time=60 corpus
 *
 * Built with -DWH_FUZZ_MAIN instead of -fsanitize=fuzzer it runs over the files it is given, by any compiler.
 */
#include <stdio.h>

#include "dns_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *wrong = dns_check(data, len);

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}

#ifdef WH_FUZZ_MAIN
#define MAX_LEN 65536

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
