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

#define WH_MAX_PROFILES 8
#define WH_MAX_TARGETS 16

enum wh_firewall_choice { WH_CONF_FIREWALL_KERNEL, WH_CONF_FIREWALL_UNTRACKED, WH_CONF_FIREWALL_BYPASS };
enum wh_nat { WH_NAT_MASQUERADE, WH_NAT_NONE };
enum wh_nat6 { WH_NAT6_AUTO, WH_NAT6_NPT, WH_NAT6_MASQUERADE, WH_NAT6_NONE };
enum wh_filtering { WH_FILTER_ADDRESS_AND_PORT, WH_FILTER_ENDPOINT_INDEPENDENT };
enum wh_probe_kind { WH_PROBE_ICMP, WH_PROBE_TCP, WH_PROBE_KINDS };
enum wh_failback_mode { WH_FAILBACK_DRAIN };

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
	unsigned profile; /* index into profiles */
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

struct wh_conf_class {
	char name[WH_NAME_LEN];
	struct wh_conf_tier
		tiers[WH_MAX_WANS]; /* complete: WANs left out in the file stand in the last tier, unless `only` */
	unsigned n_tiers;
	enum wh_affinity affinity;
	enum wh_on_failover on_failover;
	enum wh_on_none on_none;
};

struct wh_config {
	char lan[WH_MAX_LANS - 1][IFNAMSIZ];
	unsigned n_lans;
	enum wh_firewall_choice firewall;
	bool firewall_recheck; /* show flows to the kernel once more when its ruleset changed */
	struct wh_conf_wan wans[WH_MAX_WANS];
	unsigned n_wans;
	struct wh_conf_profile profiles[WH_MAX_PROFILES]; /* [0] is "default" */
	unsigned n_profiles;
	enum wh_failback_mode failback;
	uint64_t failback_hold_ns;
	uint32_t max_flows;
	uint32_t flows_per_client;
	uint32_t mark;
	uint32_t mark_mask;
	struct wh_conf_class classes[WH_MAX_CLASSES]; /* the last is "default" */
	unsigned n_classes;
};

#endif
