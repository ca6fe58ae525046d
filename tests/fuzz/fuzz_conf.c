/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz_conf.c: bytes as a configuration file.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -std=gnu11 -Iinclude -Iuser -o fuzz_conf \
 *		tests/fuzz/fuzz_conf.c $(find user/conf -name "*.c") user/lib/text.c \
 *		user/model/rules*.c -lyaml
 *	mkdir -p corpus && ./fuzz_conf -dict=tests/fuzz/conf.dict -max_total_time=60 corpus docs/examples share
 *
 * Without a fuzzer: fuzz_main.h.
 */
#include "conf_check.h"
#include "fuzz_main.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned accepted = 0, refused = 0;
	const char *wrong = conf_check((const char *)data, len, &accepted, &refused);

	return fuzz_verdict(wrong);
}
