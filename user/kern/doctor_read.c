/* SPDX-License-Identifier: GPL-2.0 */
/* doctor_read.c: see doctor_private.h.  What the machine says of itself; nothing is judged here. */
#include "kern/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <nftables/libnftables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kern/netlink.h"
#include "lib/cleanup.h"

/* Add to a list of names by ", ", each once; what finds no room is left out. */
static void add_name(char list[WH_FACT_NAMES], const char *name)
{
	size_t len = strlen(list);
	const char *at = strstr(list, name);

	if (at || len + strlen(name) + 3 > WH_FACT_NAMES)
		return;
	snprintf(list + len, WH_FACT_NAMES - len, "%s%s", len ? ", " : "", name);
}

/* The number in a file of /proc, or -1. */
static int read_number(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int read_number(const char *format, ...)
{
	char path[128];
	int number = -1;
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

/* --- devices ---------------------------------------------------------------------------------------------- */

static bool has_lro(const char *name)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&flags};

	memcpy(request.ifr_name, name, IFNAMSIZ);
	return fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 && flags.data & ETH_FLAG_LRO;
}

static void read_device(const struct wh_netlink *nl, const char *name, bool wan, struct wh_facts *out)
{
	struct wh_fact_device *device = &out->devices[out->n_devices++];
	const struct wh_link *link = wh_netlink_link(nl, name);
	int of_all, of_device;
	struct in6_addr addr6;
	struct in_addr addr4;

	*device = (struct wh_fact_device){.wan = wan, .there = link, .rp_filter = -1, .forwarding = {-1, -1}};
	memcpy(device->name, name, IFNAMSIZ);
	if (!link)
		return;
	memcpy(device->bridge, link->master, IFNAMSIZ);
	device->lro = has_lro(name);
	of_all = read_number("/proc/sys/net/ipv4/conf/all/rp_filter");
	of_device = read_number("/proc/sys/net/ipv4/conf/%s/rp_filter", name);
	device->rp_filter = of_all > of_device ? of_all : of_device;
	device->forwarding[WH_V4] = read_number("/proc/sys/net/ipv4/conf/%s/forwarding", name);
	device->forwarding[WH_V6] = read_number("/proc/sys/net/ipv6/conf/%s/forwarding", name);
	device->has_addr[WH_V4] = wh_netlink_addr4(nl, link->ifindex, &addr4) == 0;
	device->has_addr[WH_V6] = wh_netlink_addr6(nl, link->ifindex, &addr6) == 0;
}

static void read_default(const struct wh_netlink *nl, enum wh_family family, char out[IFNAMSIZ])
{
	struct in6_addr gateway;
	unsigned ifindex;

	if (wh_netlink_default(nl, family, &ifindex, &gateway) < 0 || !if_indextoname(ifindex, out))
		out[0] = '\0';
}

static void nobody(void *arg)
{
	(void)arg;
}

static int read_devices(struct wh_facts *out)
{
	const struct wh_config *config = out->config;
	struct wh_netlink *nl;
	int err;

	err = wh_netlink_open(&nl, nobody, NULL);
	if (err)
		return err;
	for (unsigned i = 0; i < config->n_lans; i++)
		read_device(nl, config->lan[i], false, out);
	for (unsigned i = 0; i < config->n_wans; i++) {
		if (config->wans[i].enabled)
			read_device(nl, config->wans[i].device, true, out);
	}
	read_default(nl, WH_V4, out->default_device[WH_V4]);
	read_default(nl, WH_V6, out->default_device[WH_V6]);
	wh_netlink_close(nl);
	return 0;
}

/* --- policy routing rules --------------------------------------------------------------------------------- */

#define RULES_MAX 32768 /* of a datagram of the dump */

static int take_attr(const struct nlattr *attr, void *arg)
{
	const struct nlattr **attrs = arg;

	if (mnl_attr_type_valid(attr, FRA_MAX) > 0)
		attrs[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static uint32_t value_of(const struct nlattr *attr, uint32_t otherwise)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(attr) : otherwise;
}

static int take_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attrs[FRA_MAX + 1] = {NULL};
	struct wh_facts *facts = arg;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*header))
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*header), take_attr, attrs);
	if (!attrs[FRA_FWMARK] || facts->n_rules == WH_FACT_RULES)
		return MNL_CB_OK;
	facts->rules[facts->n_rules++] = (struct wh_fact_rule){
		.family = header->family == AF_INET6 ? WH_V6 : WH_V4,
		.priority = value_of(attrs[FRA_PRIORITY], 0),
		.mark = value_of(attrs[FRA_FWMARK], 0),
		.mask = value_of(attrs[FRA_FWMASK], UINT32_MAX),
		.table = value_of(attrs[FRA_TABLE], header->table),
		.inverted = header->flags & FIB_RULE_INVERT,
	};
	return MNL_CB_OK;
}

static void read_rules(struct mnl_socket *socket, int family, struct wh_facts *out)
{
	char buf[RULES_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *header;
	ssize_t len;

	nlh->nlmsg_type = RTM_GETRULE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
	header->family = (uint8_t)family;
	if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
		return;
	do {
		len = mnl_socket_recvfrom(socket, buf, sizeof(buf));
	} while (len > 0 && mnl_cb_run(buf, (size_t)len, 0, mnl_socket_get_portid(socket), take_rule, out) > 0);
}

static void read_all_rules(struct wh_facts *out)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!socket)
		return;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0) {
		read_rules(socket, AF_INET, out);
		read_rules(socket, AF_INET6, out);
	}
	mnl_socket_close(socket);
}

/* --- programs --------------------------------------------------------------------------------------------- */

static bool is_in_our_namespace(const char *pid, const char *ours)
{
	char path[64], theirs[64] = "";

	snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	return readlink(path, theirs, sizeof(theirs) - 1) > 0 && strcmp(theirs, ours) == 0;
}

static void read_programs(char list[WH_FACT_NAMES])
{
	static const char *const known[] = {"mwan3track", "mwan3rtmon", "omr-tracker",
					    "keepalived", "dpinger",	"foolsm"};
	char ours[64] = "", path[64], name[32];
	struct dirent *entry;
	DIR *proc;
	FILE *file;

	proc = opendir("/proc");
	if (!proc || readlink("/proc/self/ns/net", ours, sizeof(ours) - 1) < 0)
		ours[0] = '\0';
	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		file = fopen(path, "re");
		name[0] = '\0';
		if (file && fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = '\0';
		if (file)
			fclose(file);
		for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (strcmp(name, known[i]) == 0 && is_in_our_namespace(entry->d_name, ours))
				add_name(list, name);
		}
	}
	if (proc)
		closedir(proc);
}

/* --- the firewall ----------------------------------------------------------------------------------------- */

static void read_legacy_tables(const char *path, const char *of, char list[WH_FACT_NAMES])
{
	char line[32], name[64];
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(name, sizeof(name), "%s %s", of, line);
		add_name(list, name);
	}
	if (file)
		fclose(file);
}

static void read_ruleset(struct wh_facts *out)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	const char *said = "no netlink socket";
	json_t *whole;

	if (!nft || nft_ctx_buffer_output(nft) || nft_ctx_buffer_error(nft))
		goto out;
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON);
	said = nft_ctx_get_error_buffer(nft);
	if (nft_run_cmd_from_buffer(nft, "list ruleset\n"))
		goto out;
	said = "its JSON cannot be read";
	whole = json_loads(nft_ctx_get_output_buffer(nft), JSON_ALLOW_NUL, NULL);
	out->ruleset = json_incref(json_object_get(whole, "nftables"));
	json_decref(whole);
out:
	if (!out->ruleset)
		snprintf(out->ruleset_error, sizeof(out->ruleset_error), "%.*s", (int)strcspn(said, "\n"), said);
	if (nft)
		nft_ctx_free(nft);
}

int wh_facts_read(const struct wh_config *config, struct wh_facts *out)
{
	int err;

	memset(out, 0, sizeof(*out));
	out->config = config;
	err = read_devices(out);
	if (err)
		return err;
	out->tcp_loose = read_number("/proc/sys/net/netfilter/nf_conntrack_tcp_loose");
	read_all_rules(out);
	read_programs(out->programs);
	read_legacy_tables("/proc/net/ip_tables_names", "iptables", out->legacy_tables);
	read_legacy_tables("/proc/net/ip6_tables_names", "ip6tables", out->legacy_tables);
	read_ruleset(out);
	return 0;
}

void wh_facts_free(struct wh_facts *facts)
{
	json_decref(facts->ruleset);
	facts->ruleset = NULL;
}
