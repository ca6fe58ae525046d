/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz_dns.c: bytes as an answer of the DNS.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -std=gnu11 -Iinclude -Iuser -o fuzz_dns \
 *		tests/fuzz/fuzz_dns.c user/dns/message.c -lresolv
 *	mkdir -p corpus && ./fuzz_dns -max_len=512 -max_total_time=60 corpus
 *
 * Without a fuzzer: fuzz_main.h.
 */
#include "dns_check.h"
#include "fuzz_main.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return fuzz_verdict(dns_check(data, len));
}
