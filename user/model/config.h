/* SPDX-License-Identifier: GPL-2.0 */
/*
 * config.h: a configuration as plain data.  conf/ fills it from YAML, model/ and the daemon read it.
 * Everything is resolved: defaults are filled in, names are turned into indices, durations are in
 * nanoseconds.  It holds no pointers, so it is copied with `=`.
 */
#ifndef WANHELM_MODEL_CONFIG_H
#define WANHELM_MODEL_CONFIG_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <wanhelm/abi.h>
#include <wanhelm/policy.h>
#include <wanhelm/rules.h>

#define WH_MAX_PROFILES 8 /* written ones */
#define WH_MAX_TARGETS 16
#define WH_MAX_WINDOWS 8
/* Of all match lines together, and of the sets that they name. */
#define WH_MAX_PREFIXES 8192
#define WH_MAX_PORT_RANGES 4096
#define WH_MAX_DOMAINS 1024
#define WH_DOMAIN_TEXT 32768 /* bytes, the ends of names counted */
#define WH_MAX_VLANS 8	     /* of one line */
#define WH_MAX_FILES 64	     /* the configuration and what it includes */
#define WH_FILE_LEN 128

enum wh_firewall_choice { WH_CONF_FIREWALL_KERNEL, WH_CONF_FIREWALL_UNTRACKED, WH_CONF_FIREWALL_BYPASS };
/* Where packets of known flows are carried: in the driver where that is known to go well, there wherever it can be, never there. */
enum wh_accel { WH_ACCEL_AUTO, WH_ACCEL_XDP, WH_ACCEL_TC };
enum wh_nat { WH_NAT_MASQUERADE, WH_NAT_NONE };
enum wh_nat6 { WH_NAT6_AUTO, WH_NAT6_NPT, WH_NAT6_MASQUERADE, WH_NAT6_NONE };
enum wh_filtering { WH_FILTER_ADDRESS_AND_PORT, WH_FILTER_ENDPOINT_INDEPENDENT };
enum wh_probe_kind { WH_PROBE_ICMP, WH_PROBE_TCP, WH_PROBE_KINDS };
enum wh_failback_mode { WH_FAILBACK_DRAIN, WH_FAILBACK_MOVE, WH_FAILBACK_MANUAL, WH_FAILBACK_WINDOW };
enum wh_algorithm {
	WH_ALGORITHM_WEIGHTED,
	WH_ALGORITHM_OVERFLOW,
	WH_ALGORITHM_LEAST_USED,
	WH_ALGORITHM_LOWEST_LATENCY
};
enum wh_sla_action { WH_SLA_NEW, WH_SLA_MOVE };
enum wh_quota_action { WH_QUOTA_AVOID, WH_QUOTA_BLOCK };

/* An address of either family. */
struct wh_address {
	enum wh_family family;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

struct wh_conf_target {
	enum wh_probe_kind kind;
	struct wh_address addr;
	uint16_t port; /* TCP, host order */
	char text[64]; /* as written: "icmp:1.1.1.1" */
};

/* A probe profile. */
struct wh_conf_profile {
	char name[WH_NAME_LEN];
	struct wh_conf_target targets[WH_MAX_TARGETS];
	unsigned n_targets;
	unsigned quorum;
	unsigned down_after;
	unsigned up_after;
	uint64_t interval_ns[WH_PROBE_KINDS];
	uint64_t timeout_ns; /* 0: auto */
};

/* A span of local time, on some days of the week. */
struct wh_conf_window {
	uint8_t days;	       /* bit 0: Sunday, as in struct tm; those on which it begins */
	uint16_t first_minute; /* of the day */
	uint16_t end_minute;   /* not included; beyond 24 * 60 where it ends on the next day */
};

/* When a WAN that is better than the one in use may be used again. */
struct wh_conf_failback {
	enum wh_failback_mode mode;
	uint64_t hold_ns;	     /* it must have been usable for so long */
	uint64_t max_age_ns;	     /* older flows follow on-failover; 0: no age is too old */
	uint64_t max_age_metered_ns; /* the same of flows on a metered WAN */
	struct wh_conf_window windows[WH_MAX_WINDOWS];
	unsigned n_windows; /* at least one where the mode is WINDOW */
};

/* A month's traffic, both directions, counted in IP bytes. */
struct wh_conf_quota {
	uint64_t limit_bytes; /* 0: none */
	unsigned reset_day;   /* 1..31; a month without that day has its last */
	unsigned warn_percent;
	enum wh_quota_action action;
};

struct wh_conf_wan {
	char name[WH_NAME_LEN];
	char device[IFNAMSIZ];
	bool enabled;
	bool gateway_auto[WH_FAMILIES];
	struct in_addr gateway4; /* where !gateway_auto[WH_V4] */
	struct in6_addr gateway6;
	bool source_auto[WH_FAMILIES];
	struct in_addr source4; /* where !source_auto[WH_V4] */
	struct in6_addr source6;
	enum wh_nat nat;
	enum wh_nat6 nat6;
	bool prefix6_auto;
	struct in6_addr prefix6; /* where !prefix6_auto; host bits 0 */
	unsigned prefix6_len;
	enum wh_filtering filtering;
	uint32_t mtu;	 /* 0: the device's */
	uint32_t weight; /* 1..1000 */
	uint16_t port_first;
	uint16_t port_last;
	unsigned profile;    /* index into profiles */
	bool metered;	     /* used only by classes that name it */
	enum wh_accel accel; /* its own, or the global one */
	uint64_t up_bps;     /* its bandwidth, bits a second; 0: not known */
	uint64_t down_bps;
	struct wh_conf_quota quota;
	struct wh_conf_failback failback; /* its own, or the global one */
};

/* A class's WANs: tiers in order of preference, each with weighted members. */
struct wh_conf_member {
	unsigned wan; /* index into wans */
	uint32_t weight;
};

struct wh_conf_tier {
	struct wh_conf_member members[WH_MAX_WANS];
	unsigned n_members;
};

/* Limits of a class; a WAN outside one of them takes no new flows of it while another is inside. */
struct wh_conf_sla {
	uint64_t latency_ns; /* 0: no limit */
	uint64_t jitter_ns;  /* 0: no limit */
	uint32_t loss_ppm;   /* millionths; 0: no limit */
	enum wh_sla_action action;
};

#define WH_DSCP_KEEP 0xff

struct wh_conf_class {
	char name[WH_NAME_LEN];
	/*
	 * Complete: WANs that the class does not list stand in a last tier, unless `only`; where it lists none, each
	 * is a tier, the metered ones last.  What the class must never use stands nowhere, nor does a metered WAN
	 * that a list leaves out.
	 */
	struct wh_conf_tier tiers[WH_MAX_WANS];
	unsigned n_tiers;
	uint8_t never; /* WANs, bit by index */
	enum wh_algorithm algorithm;
	enum wh_affinity affinity;
	enum wh_on_failover on_failover;
	uint64_t hold_ns; /* on_failover waits so long for the WAN to come back */
	enum wh_on_none on_none;
	enum wh_class_action action;
	struct wh_conf_sla sla;
	uint64_t rate_bps;     /* each direction, a WAN; 0: no limit */
	uint64_t degraded_bps; /* the same off the first tier and on metered WANs; 0: as rate_bps */
	uint8_t mark_dscp;     /* what leaves is marked so; WH_DSCP_KEEP: as it came */
	bool own_failback;
	struct wh_conf_failback failback; /* where own_failback; see wh_conf_failback_of() */
};

/* Part of one of the pools of struct wh_config, shared by lines that name a set; n == 0: the field may be anything. */
struct wh_conf_span {
	uint32_t first;
	uint32_t n;
};

struct wh_conf_prefix {
	struct wh_address addr; /* host bits 0 */
	unsigned len;
};

/* Host order, both ends included. */
struct wh_conf_port_range {
	uint16_t first;
	uint16_t last;
};

/* A name, lower case, without a dot at its end: the one itself, or (*.x) it and whatever is below it. */
struct wh_conf_domain {
	uint32_t text; /* offset in domain_text */
	bool below;
};

/* One line of a class's `match`: all its fields must hold. */
struct wh_conf_match {
	unsigned class; /* index into classes */
	unsigned file;	/* index into files */
	unsigned line;	/* in that file, from 1 */
	bool in_any;
	bool in_router;			 /* the router's own traffic */
	uint64_t in_lans;		 /* bit by index into lan */
	uint16_t in_vlans[WH_MAX_VLANS]; /* the LAN devices that are VLANs of these numbers */
	unsigned n_in_vlans;
	struct wh_conf_span from;  /* into prefixes */
	struct wh_conf_span to;	   /* into prefixes */
	struct wh_conf_span sport; /* into port_ranges */
	struct wh_conf_span dport; /* into port_ranges */
	struct wh_conf_span names; /* into domains */
	bool proto_any;
	uint32_t protos[256 / 32]; /* bit by IP protocol; only those with ports where a port is asked for */
	uint64_t dscp;		   /* bit by code point; 0: any */
	uint32_t mark;
	uint32_t mark_mask; /* 0: any */
};

struct wh_config {
	char lan[WH_MAX_LANS - 1][IFNAMSIZ];
	enum wh_accel lan_accel[WH_MAX_LANS - 1]; /* its own, or the global one */
	unsigned n_lans;
	enum wh_accel accel; /* the global one */
	enum wh_firewall_choice firewall;
	bool firewall_recheck; /* show flows to the kernel once more when its ruleset changed */
	bool boot_closed;      /* nothing goes from a LAN to a WAN while the data plane is not there */
	struct wh_conf_wan wans[WH_MAX_WANS];
	unsigned n_wans;
	/* [0] is "default".  Behind the written ones those of metered WANs that differ from these in an interval. */
	struct wh_conf_profile profiles[2 * WH_MAX_PROFILES];
	unsigned n_profiles;
	struct wh_conf_failback failback; /* the global one */
	uint32_t max_flows;
	uint32_t flows_per_client;
	uint32_t mark;
	uint32_t mark_mask;
	struct wh_conf_class classes[WH_MAX_CLASSES]; /* the last is "default" */
	unsigned n_classes;
	struct wh_conf_match
		matches[WH_MAX_LINES]; /* in the order in which they are tried: those of a class together */
	unsigned n_matches;
	struct wh_conf_prefix prefixes[WH_MAX_PREFIXES];
	unsigned n_prefixes;
	struct wh_conf_port_range port_ranges[WH_MAX_PORT_RANGES];
	unsigned n_port_ranges;
	struct wh_conf_domain domains[WH_MAX_DOMAINS];
	unsigned n_domains;
	char domain_text[WH_DOMAIN_TEXT];
	unsigned domain_text_len;
	char files[WH_MAX_FILES][WH_FILE_LEN]; /* [0] is the configuration itself; of a long path its end */
	unsigned n_files;
};

/* The WANs of a tier, and of all tiers of a class, bit by number; `number_of` is by index. */
static inline uint8_t wh_conf_tier_wans(const struct wh_conf_tier *tier, const unsigned number_of[WH_MAX_WANS])
{
	uint8_t wans = 0;

	for (unsigned i = 0; i < tier->n_members; i++)
		wans |= (uint8_t)(1U << number_of[tier->members[i].wan]);
	return wans;
}

static inline uint8_t wh_conf_class_wans(const struct wh_conf_class *class, const unsigned number_of[WH_MAX_WANS])
{
	uint8_t wans = 0;

	for (unsigned t = 0; t < class->n_tiers; t++)
		wans |= wh_conf_tier_wans(&class->tiers[t], number_of);
	return wans;
}

/* What holds for flows of a class that could go back to a WAN, both by index: the class's own, else the WAN's. */
static inline const struct wh_conf_failback *wh_conf_failback_of(const struct wh_config *config, unsigned class,
								 unsigned wan)
{
	return config->classes[class].own_failback ? &config->classes[class].failback : &config->wans[wan].failback;
}

#endif
