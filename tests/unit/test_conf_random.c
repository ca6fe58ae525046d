/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_random.c: random damage to good files.  Whatever comes of it is taken or refused in good order;
 * under the sanitizers nothing else goes wrong.  The seed is printed; WH_SEED=N runs that one again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../fuzz/conf_check.h"

#define ROUNDS 8000
#define MAX_LEN 16384

static const char *const words[] = {
	"lan",
	"wans",
	"fiber",
	"lte",
	"device",
	"gateway",
	"auto",
	"prefer",
	"balance",
	"classes",
	"default",
	"probes",
	"probe",
	"targets",
	"interval",
	"1ms",
	"1000000000h",
	"quorum",
	"- ",
	"? ",
	"{",
	"}",
	"[",
	"]",
	": ",
	", ",
	"&a",
	"*a",
	"!",
	"---\n",
	"\t",
	"\n  ",
	"\"",
	"'",
	"|\n",
	"#",
	"0x",
	"-1",
	"4294967296",
	"::1",
	"fe80::1",
	"/56",
	"prefix6",
	"source",
	"mtu",
	"nat6",
	"\xff",
	"\xc3\xa9",
	"\\0",
	"include",
	"[::1]:1",
	"match",
	"dport",
	"$web",
	"$",
	"never",
	"from",
	"router",
	"domain",
	"*.x",
	"1%",
	"sat 02:00-04:00",
	"window",
	"sets",
	"metered",
	"1.5mbit",
	"0x1/0xf",
	"4094",
	"failback",
	"tests",
	"docs/examples/retail.yaml",
};

static uint64_t random_state;

/* xorshift64: the same rounds everywhere for the same seed. */
static size_t pick(size_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state % below);
}

/* Replace `cut` bytes at a place by `len` bytes. */
static size_t splice(char *text, size_t used, size_t at, size_t cut, const char *piece, size_t len)
{
	if (used - cut + len > MAX_LEN)
		return used;
	memmove(text + at + len, text + at + cut, used - at - cut);
	memcpy(text + at, piece, len);
	return used - cut + len;
}

static size_t damage(char *text, size_t used)
{
	size_t at = pick(used + 1), rest = used - at;
	size_t cut = pick((rest < 12 ? rest : 12) + 1);
	const char *word = words[pick(sizeof(words) / sizeof(words[0]))];
	char copy[64], byte = (char)pick(256);
	size_t from, len;

	switch (pick(5)) {
	case 0: /* a byte */
		return splice(text, used, at, rest ? 1 : 0, &byte, 1);
	case 1: /* left out */
		return splice(text, used, at, cut, "", 0);
	case 2: /* a word put in */
		return splice(text, used, at, 0, word, strlen(word));
	case 3: /* a word for another */
		return splice(text, used, at, cut, word, strlen(word));
	default: /* a piece from elsewhere */
		from = pick(used + 1);
		len = pick((used - from < sizeof(copy) ? used - from : sizeof(copy)) + 1);
		memcpy(copy, text + from, len);
		return splice(text, used, at, 0, copy, len);
	}
}

static size_t load(const char *path, char *text)
{
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		fail_msg("%s: %s (run from the top of the source tree)", path, strerror(errno));
	len = fread(text, 1, MAX_LEN, file);
	fclose(file);
	assert_in_range(len, 1, MAX_LEN - 1);
	return len;
}

#define N_FILES 5

static void test_random_damage(void **state)
{
	static const char *const files[N_FILES] = {"share/wanhelm.yaml.example", "docs/examples/ipv6.yaml",
						   "docs/examples/retail.yaml", "docs/examples/branch.yaml",
						   "docs/examples/home-office.yaml"};
	const char *given = getenv("WH_SEED");
	unsigned long seed = given ? strtoul(given, NULL, 0) : (unsigned long)time(NULL);
	unsigned accepted = 0, refused = 0;
	static char good[N_FILES][MAX_LEN], text[MAX_LEN];
	size_t len[N_FILES];

	(void)state;
	print_message("WH_SEED=%lu\n", seed);
	random_state = seed * 0x9e3779b97f4a7c15ULL | 1;
	for (unsigned f = 0; f < N_FILES; f++)
		len[f] = load(files[f], good[f]);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned f = round % N_FILES;
		size_t used = len[f];
		const char *wrong;

		memcpy(text, good[f], used);
		for (size_t n = 1 + pick(4); n; n--)
			used = damage(text, used);
		wrong = conf_check(text, used, &accepted, &refused);
		if (wrong)
			fail_msg("round %u: %s; the text:\n%.*s", round, wrong, (int)used, text);
	}
	print_message("%u accepted, %u refused\n", accepted, refused);
	assert_true(accepted > 0 && refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
