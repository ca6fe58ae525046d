/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rules_port.c: the vectors of ports.  A sweep from port 0 up: at the ends of ranges lines begin and end, and between
 * two such ends all ports have the same vector, of which one copy is kept.
 */
#include "model/rules_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define PORTS 65536
#define SLOTS 4096 /* of the table by which equal vectors are found: twice as many as there are vectors */

/* From this port on, one range of the line more, or one less. */
struct edge {
	uint32_t port;
	uint16_t line;
	int16_t step;
};

/* One direction at work. */
struct sweep {
	struct wh_vector now;
	uint16_t open[WH_MAX_LINES]; /* how many ranges of each line hold the port */
	struct wh_vector *vectors;
	unsigned n;
	uint16_t slots[SLOTS]; /* index of vectors + 1; 0: free */
};

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->port > y->port) - (x->port < y->port);
}

static uint32_t hash_of(const struct wh_vector *vector)
{
	uint64_t hash = 0;

	for (unsigned i = 0; i < WH_VECTOR_WORDS; i++)
		hash = (hash ^ vector->word[i]) * 0x9e3779b97f4a7c15ULL ^ hash >> 29;
	return (uint32_t)(hash >> 40) % SLOTS;
}

/* The index of the vector's one copy; -E2BIG. */
static int intern(struct sweep *s)
{
	uint32_t slot = hash_of(&s->now);

	for (; s->slots[slot]; slot = (slot + 1) % SLOTS) {
		if (!memcmp(&s->vectors[s->slots[slot] - 1], &s->now, sizeof(s->now)))
			return s->slots[slot] - 1;
	}
	if (s->n == WH_PORT_VECTORS)
		return -E2BIG;
	s->vectors[s->n] = s->now;
	s->slots[slot] = (uint16_t)++s->n;
	return (int)s->n - 1;
}

static void step(struct sweep *s, const struct edge *edge)
{
	s->open[edge->line] = (uint16_t)(s->open[edge->line] + edge->step);
	if (s->open[edge->line])
		wh_vector_set(&s->now, edge->line);
	else
		wh_vector_clear(&s->now, edge->line);
}

static const struct wh_conf_span *span_at(const struct wh_config *config, unsigned line, size_t span)
{
	return (const struct wh_conf_span *)((const char *)&config->matches[line] + span);
}

static size_t count_edges(const struct wh_config *config, size_t span)
{
	size_t n = 0;

	for (unsigned line = 0; line < config->n_matches; line++)
		n += 2 * (size_t)span_at(config, line, span)->n;
	return n;
}

/* All edges in order; lines without any are in the vector from the start. */
static void find_edges(const struct wh_config *config, size_t span, struct wh_vector *start, struct edge *edges)
{
	size_t n = 0;

	for (unsigned line = 0; line < config->n_matches; line++) {
		const struct wh_conf_span *ranges = span_at(config, line, span);

		if (!ranges->n)
			wh_vector_set(start, line);
		for (unsigned i = 0; i < ranges->n; i++) {
			const struct wh_conf_port_range *range = &config->port_ranges[ranges->first + i];

			edges[n++] = (struct edge){range->first, (uint16_t)line, 1};
			edges[n++] = (struct edge){range->last + 1U, (uint16_t)line, -1};
		}
	}
	qsort(edges, n, sizeof(*edges), compare_edges);
}

static int compile_direction(const struct wh_config *config, size_t span, uint16_t *by_port, struct wh_vector *vectors)
{
	size_t n = count_edges(config, span), next = 0;
	_cleanup_free_ struct edge *edges = calloc(n + 1, sizeof(*edges));
	_cleanup_free_ struct sweep *s = calloc(1, sizeof(*s));
	uint32_t port = 0;

	if (!edges || !s)
		return -ENOMEM;
	s->vectors = vectors;
	find_edges(config, span, &s->now, edges);
	while (port < PORTS) {
		uint32_t end;
		int index;

		for (; next < n && edges[next].port == port; next++)
			step(s, &edges[next]);
		index = intern(s);
		if (index < 0)
			return index;
		end = next < n && edges[next].port < PORTS ? edges[next].port : PORTS;
		while (port < end)
			by_port[port++] = (uint16_t)index;
	}
	return 0;
}

int wh_rules_ports(const struct wh_config *config, struct wh_rules *out, char *error, size_t error_len)
{
	const char *whose = "source";
	int err = compile_direction(config, offsetof(struct wh_conf_match, sport), out->sport, out->sport_lines);

	if (!err) {
		whose = "destination";
		err = compile_direction(config, offsetof(struct wh_conf_match, dport), out->dport, out->dport_lines);
	}
	if (err == -E2BIG)
		snprintf(error, error_len, "the match lines' %s ports differ in more than %d ways", whose,
			 WH_PORT_VECTORS);
	return err;
}
