/* SPDX-License-Identifier: GPL-2.0 */
/* devices.c: see traffic.h: the lab's namespaces and devices, and figures that the kernel keeps. */
#include "traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIGURES_MAX 256
#define FORWARDERS_MAX 16

struct lab_devices lab;

static int netns_fd[PARTS];
static int forwarder[FORWARDERS_MAX];
static unsigned forwarders;

void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

void enter(enum part part)
{
	check(!setns(netns_fd[part], CLONE_NEWNET), "setns");
}

int socket_in(enum part part, int family, int type)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	check(own >= 0, "own namespace");
	enter(part);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	check(fd >= 0 && !setns(own, CLONE_NEWNET), "socket");
	close(own);
	return fd;
}

void pin_to(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

static struct device find(int fd, const char *name)
{
	struct device device;
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	check(!ioctl(fd, SIOCGIFHWADDR, &request), name);
	memcpy(device.mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	check(!ioctl(fd, SIOCGIFINDEX, &request), name);
	device.ifindex = (unsigned)request.ifr_ifindex;
	return device;
}

static void find_all(void)
{
	int fd[PARTS];
	char name[IFNAMSIZ];

	for (unsigned part = 0; part < PARTS; part++)
		fd[part] = socket_in(part, AF_INET, SOCK_DGRAM);
	lab.lan = find(fd[PART_CLIENTS], "lan");
	lab.lan0 = find(fd[PART_ROUTER], "lan0");
	for (unsigned i = 0; i < lab.wans; i++) {
		snprintf(name, sizeof(name), "wan%u", i + 1);
		lab.wan[i] = find(fd[PART_ROUTER], name);
		snprintf(name, sizeof(name), "isp%u", i + 1);
		lab.isp[i] = find(fd[PART_INTERNET], name);
	}
	for (unsigned part = 0; part < PARTS; part++)
		close(fd[part]);
}

void devices_open(char **netns, unsigned wans)
{
	for (unsigned part = 0; part < PARTS; part++) {
		netns_fd[part] = open(netns[part], O_RDONLY | O_CLOEXEC);
		check(netns_fd[part] >= 0, netns[part]);
	}
	lab.wans = wans;
	if (wans)
		find_all();
}

/* --- figures ----------------------------------------------------------------------------------------------- */

uint64_t device_figure(enum part part, const char *device, const char *figure)
{
	static struct {
		struct ethtool_gstrings head;
		char name[FIGURES_MAX][ETH_GSTRING_LEN];
	} names;
	static struct {
		struct ethtool_stats head;
		__u64 value[FIGURES_MAX];
	} values;
	struct ifreq request = {.ifr_data = (char *)&names};
	int fd = socket_in(part, AF_INET, SOCK_DGRAM);
	uint64_t found = UINT64_MAX;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	names.head = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS};
	values.head = (struct ethtool_stats){.cmd = ETHTOOL_GSTATS};
	check(!ioctl(fd, SIOCETHTOOL, &request) && names.head.len <= FIGURES_MAX, device);
	request.ifr_data = (char *)&values;
	check(!ioctl(fd, SIOCETHTOOL, &request), device);
	close(fd);
	for (unsigned i = 0; i < names.head.len; i++)
		if (!strcmp(names.name[i], figure))
			found = values.value[i];
	check(found != UINT64_MAX, figure);
	return found;
}

void forwarders_set(const char *pids)
{
	forwarders = 0;
	for (char *end; *pids && forwarders < FORWARDERS_MAX; pids = end) {
		long pid = strtol(pids, &end, 10);

		if (end == pids)
			break;
		forwarder[forwarders++] = (int)pid;
	}
}

uint64_t forwarders_ns(void)
{
	unsigned long long ns, sum = 0;
	char path[64];

	for (unsigned i = 0; i < forwarders; i++) {
		FILE *stat;

		snprintf(path, sizeof(path), "/proc/%d/schedstat", forwarder[i]);
		stat = fopen(path, "re");
		check(stat && fscanf(stat, "%llu", &ns) == 1, path);
		fclose(stat);
		sum += ns;
	}
	return sum;
}

void processor(uint64_t *all, uint64_t *idle)
{
	FILE *stat = fopen("/proc/stat", "re");
	unsigned long long part[8];
	char line[512];

	check(stat != NULL, "/proc/stat");
	*all = *idle = 0;
	while (fgets(line, sizeof(line), stat)) {
		unsigned cpu;

		if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &part[0], &part[1], &part[2],
			   &part[3], &part[4], &part[5], &part[6], &part[7]) != 9 ||
		    cpu != ROUTER_CPU)
			continue;
		for (unsigned i = 0; i < 8; i++)
			*all += part[i];
		*idle = part[3] + part[4];
	}
	fclose(stat);
}
