/* SPDX-License-Identifier: GPL-2.0 */
/*
 * learn.c: names of addresses, for classes that ask for them.  Answers of the DNS come by the slow path (slow.c) before
 * their clients get them: each is parsed and remembered (dns/), and its addresses stand in wh_domains (learn_table.c)
 * when its client has it.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/daemon.h"
#include "dns/message.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mapped.h"

#define SLICE 512 /* pairs looked at, or written, in a step */
#define SAVE_EVERY_S 600

static struct wh_names_time time_now(void)
{
	return (struct wh_names_time){.now_s = wh_clock_ns(CLOCK_BOOTTIME) / WH_NS_PER_S,
				      .wall_s = (uint64_t)time(NULL)};
}

/* --- answers ---------------------------------------------------------------------------------------------- */

/* A message that waits for us: what cannot be learnt from it is lost.  A late one was counted by the data plane. */
struct reading {
	struct wh_daemon *d;
	bool late;
};

static void remember(struct wh_daemon *d, const struct wh_dns_answer *answer, const struct wh_dns_address *address,
		     uint64_t now_s)
{
	for (unsigned i = 0; i < answer->n_names; i++) {
		if (wh_names_learn(d->learning.names, answer->names[i], &address->addr, address->ttl_s, now_s))
			d->learning.lost++;
	}
}

static void read_message(void *arg, const uint8_t *message, size_t len)
{
	const struct reading *r = arg;
	struct wh_daemon *d = r->d;
	struct wh_vector lines = {};
	uint64_t now_s = time_now().now_s;
	struct wh_dns_answer answer;
	bool asked = false;
	int err = wh_dns_parse(message, len, &answer);

	if (err) {
		d->learning.lost += err == -EBADMSG && !r->late;
		return;
	}
	d->learning.answers++;
	for (unsigned i = 0; i < answer.n_names; i++)
		asked |= wh_learn_lines(d, answer.names[i], &lines);
	for (unsigned i = 0; i < answer.n_addresses; i++) {
		remember(d, &answer, &answer.addresses[i], now_s);
		if (asked)
			wh_learn_add(d, &answer.addresses[i].addr, &lines);
	}
}

static void read_segment(struct reading *r, const struct wh_frame *frame, const struct wh_datagram *datagram)
{
	const uint8_t *addresses = frame->bytes + datagram->addresses;
	struct wh_dns_segment segment = {};
	unsigned lost;
	struct tcphdr tcp;

	memcpy(&tcp, frame->bytes + datagram->at, sizeof(tcp));
	if (tcp.doff * 4U < sizeof(tcp) || tcp.doff * 4U > datagram->len)
		return;
	if (datagram->family == WH_V6) {
		memcpy(&segment.at.src, addresses, sizeof(segment.at.src));
		memcpy(&segment.at.dst, addresses + sizeof(segment.at.src), sizeof(segment.at.dst));
	} else {
		struct in_addr of[2];

		memcpy(of, addresses, sizeof(of));
		segment.at.src = wh_mapped(of[0]);
		segment.at.dst = wh_mapped(of[1]);
	}
	segment.at.sport_be = tcp.source;
	segment.at.dport_be = tcp.dest;
	segment.seq = ntohl(tcp.seq) + tcp.syn;
	segment.first = tcp.syn;
	segment.last = tcp.fin || tcp.rst;
	segment.payload = frame->bytes + datagram->at + tcp.doff * 4U;
	segment.len = datagram->len - tcp.doff * 4U;
	lost = wh_dns_streams_take(r->d->learning.streams, &segment, read_message, r);
	if (!r->late)
		r->d->learning.lost += lost;
}

void wh_learn_answer(void *arg, const struct wh_frame *frame, bool late)
{
	struct reading r = {.d = arg, .late = late};
	struct wh_datagram datagram;

	if (wh_frame_datagram(frame, &datagram))
		r.d->learning.lost += !late;
	else if (datagram.proto == IPPROTO_TCP)
		read_segment(&r, frame, &datagram);
	else
		read_message(&r, frame->bytes + datagram.at + sizeof(struct udphdr),
			     datagram.len - sizeof(struct udphdr));
}

/* --- over time -------------------------------------------------------------------------------------------- */

static void tell_unsaved(struct wh_daemon *d, int err)
{
	wh_warn("%s/%s: cannot keep the names of addresses for the next start: %s", d->state_dir, WH_NAMES_FILE,
		strerror(-err));
}

static void save_slice(struct wh_daemon *d, struct wh_names_time at)
{
	struct wh_learning *l = &d->learning;
	int err = 0;

	if (!l->save.out && at.now_s >= l->saved_s + SAVE_EVERY_S && l->answers != l->answers_saved) {
		l->saved_s = at.now_s;
		l->answers_saved = l->answers;
		err = wh_names_save_begin(&l->save, d->state_dir);
	}
	if (l->save.out)
		err = wh_names_save_step(&l->save, l->names, d->state_dir, SLICE, at);
	if (err < 0)
		tell_unsaved(d, err);
}

void wh_learn_step(struct wh_daemon *d)
{
	struct wh_names_time at = time_now();

	wh_names_expire(d->learning.names, SLICE, at.now_s);
	if (d->learning.strays_s && at.now_s >= d->learning.strays_s) {
		d->learning.strays_s = 0;
		wh_learn_forget_strays(d);
	}
	save_slice(d, at);
}

json_t *wh_learn_status(const struct wh_daemon *d)
{
	const struct wh_learning *l = &d->learning;
	struct wh_names_counts count = wh_names_counts(l->names);
	uint64_t reasons[WH_REASON_COUNT] = {}, missed;

	wh_tables_reasons(&d->tables, reasons);
	missed = l->lost + reasons[WH_REASON_DNS_UNLEARNT];
	return json_pack("{s:b,s:I,s:I,s:I,s:I}", "learning", d->tables.steer_rows[WH_STEER_GLOBAL].learn_names != 0,
			 "answers", (json_int_t)l->answers, "names", (json_int_t)count.names, "addresses",
			 (json_int_t)count.addresses, "missed", (json_int_t)missed);
}

/* --- life ------------------------------------------------------------------------------------------------- */

int wh_learn_start(struct wh_daemon *d)
{
	struct wh_learning *l = &d->learning;
	uint64_t seed = 0;
	size_t bad = 0;
	int err;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		return -errno;
	err = wh_names_new(&l->names, seed, wh_learn_forgotten, d);
	if (!err)
		err = wh_dns_streams_new(&l->streams);
	if (err)
		return err;
	err = wh_names_load(l->names, d->state_dir, time_now(), &bad);
	if (err || bad)
		wh_warn("%s/%s: %s", d->state_dir, WH_NAMES_FILE,
			err ? strerror(-err) : "some lines are none of ours and are passed over");
	l->saved_s = time_now().now_s;
	l->strays_s = l->saved_s + WH_NAMES_TTL_MIN_S;
	return 0;
}

void wh_learn_end(struct wh_daemon *d)
{
	struct wh_learning *l = &d->learning;
	int err = 0;

	if (l->names && l->answers) {
		err = wh_names_save_begin(&l->save, d->state_dir);
		if (!err)
			err = wh_names_save_step(&l->save, l->names, d->state_dir, WH_NAMES_PAIRS, time_now());
	}
	if (err)
		tell_unsaved(d, err);
	wh_names_save_abort(&l->save);
	wh_closep(&l->domains);
	wh_dns_streams_free(l->streams);
	wh_names_free(l->names);
}
