# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# parts.sh: the lab's namespaces as they are: which there are, entered, configured, shown, removed; and the small C
# programs that stand in for what the kernel lacks.  Sourced by scripts/lab, which sets PREFIX; topology.sh makes what
# is found here.

ns()
{
	echo "$PREFIX-$1"
}

exists()
{
	[[ -e /run/netns/$PREFIX-$1 ]]
}

# in NS COMMAND…: with its network only; `ip netns exec` would hide the bpffs.
in_ns()
{
	nsenter --net="/run/netns/$(ns "$1")" "${@:2}"
}

# All parts of this lab that are there.
parts()
{
	local name
	for name in client client2 client3 router isp{1..8} inet; do
		if exists "$name"; then echo "$name"; fi
	done
}

# The numbers of its WANs.
wans()
{
	parts | sed -n 's/^isp//p'
}

has_ipv6()
{
	[[ $(in_ns "$1" cat /proc/sys/net/ipv6/conf/default/disable_ipv6) == 0 ]]
}

# configure NS: lines for ip(8); those of IPv6 are left out where it is switched off.
configure()
{
	local leave_out=''
	has_ipv6 "$1" || leave_out='/::/d'
	sed "$leave_out" | ip -n "$(ns "$1")" -batch -
}

has_header()
{
	ip -n "$(ns router)" link show "$1" | grep -q link/ether
}

# The address of a device, whether it is up or not.
address_of()
{
	ip -n "$(ns "$1")" -4 -brief address show dev "$2" | awk '{ sub("/.*", "", $3); print $3 }'
}

# One of the programs here, built when it is first needed. WH_LAB_BUILD names another place for it.
program()
{
	local source=$HERE/lab.d/$1.c folder=${WH_LAB_BUILD:-$HERE/../build/lab}
	if [[ ! $folder/$1 -nt $source || ! $folder/$1 -nt $HERE/lab.d/tun.h ]]; then
		mkdir -p "$folder"
		"${CC:-cc}" -std=gnu11 -O2 -D_GNU_SOURCE "$source" -o "$folder/$1.$$" >&2
		mv "$folder/$1.$$" "$folder/$1"
	fi
	echo "$folder/$1"
}

# What runs in the lab.
processes()
{
	local name
	for name in $(parts); do
		ip netns pids "$(ns "$name")"
	done
}

# Ask it to end, and insist after two seconds.
end_processes()
{
	local tries
	processes | xargs -r kill 2>/dev/null || true
	for ((tries = 0; tries < 40; tries++)); do
		[[ -n $(processes) ]] || return 0
		sleep 0.05
	done
	processes | xargs -r kill -KILL 2>/dev/null || true
}

lab_down()
{
	local name
	end_processes
	for name in $(parts); do
		ip netns delete "$(ns "$name")"
	done
}

lab_exec()
{
	[[ $# -ge 2 ]] || die "exec: the name of a part and a command were expected" 2
	exists "$1" || die "exec: there is no part \"$1\" in lab \"$PREFIX\", only $(parts | xargs)" 2
	exec nsenter --net="/run/netns/$(ns "$1")" "${@:2}"
}

lab_status()
{
	local name i
	echo "lab $PREFIX:"
	for name in $(parts); do
		printf '  %-8s %s processes; ' "$name" "$(ip netns pids "$(ns "$name")" | wc -l)"
		ip -n "$(ns "$name")" -brief address show scope global | awk '{ $2 = ""; printf "%s  ", $0 } END { print "" }'
	done
	for i in $(wans); do
		printf '  %-8s %s\n' "wan$i" "$(faults "$i")"
	done
}
