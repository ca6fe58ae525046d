# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# topology.sh: the lab's namespaces, links and routes: made, removed, shown, entered.  Sourced by scripts/lab,
# which sets PREFIX; faults.sh breaks what is made here.
#
#   client  lan 10.77.0.2/24 ─┐
#   client2 lan 10.77.0.3/24 ─┴─ lan0 10.77.0.1  router  wanI 198.18.I.2/30 ── cust0 198.18.I.1  ispI
#                                                        ispI  core0 198.19.I.1/30 ── ispI 198.19.I.2  inet

SERVERS=10 # addresses of servers, 203.0.113.1 and on

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
	for name in client client2 router isp1 isp2 isp3 isp4 inet; do
		if exists "$name"; then echo "$name"; fi
	done
}

# The numbers of its WANs.
wans()
{
	parts | sed -n 's/^isp//p'
}

add_part()
{
	ip netns add "$(ns "$1")"
	ip -n "$(ns "$1")" link set lo up
	in_ns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
}

# link NS DEVICE NS DEVICE
link()
{
	ip link add name "$2" netns "$(ns "$1")" type veth peer name "$4" netns "$(ns "$3")"
	if [[ $OFFLOAD == off ]]; then
		no_offload "$1" "$2"
		no_offload "$3" "$4"
	fi
	ip -n "$(ns "$1")" link set "$2" up
	ip -n "$(ns "$3")" link set "$4" up
}

no_offload()
{
	in_ns "$1" ethtool -K "$2" tx off rx off gso off gro off tso off >/dev/null
}

address()
{
	ip -n "$(ns "$1")" address add "$3" dev "$2"
}

# The default route and such: put in again where it was lost with its link.
route()
{
	ip -n "$(ns "$1")" route replace "${@:2}"
}

up_lan()
{
	local host
	add_part router
	ip -n "$(ns router)" link add lan0 type bridge forward_delay 0
	for host in client client2; do
		add_part "$host"
		link "$host" lan router "port-$host"
		ip -n "$(ns router)" link set "port-$host" master lan0
	done
	ip -n "$(ns router)" link set lan0 up
	address router lan0 10.77.0.1/24
	address client lan 10.77.0.2/24
	address client2 lan 10.77.0.3/24
	for host in client client2; do
		route "$host" default via 10.77.0.1
	done
	in_ns router sysctl -qw net.ipv4.ip_forward=1
}

up_inet()
{
	local n
	add_part inet
	for ((n = 1; n <= SERVERS; n++)); do
		address inet lo "203.0.113.$n/32"
	done
}

up_wan()
{
	local i=$1
	add_part "isp$i"
	# a packet that comes back from the delaying device must not be taken for a spoofed one
	in_ns "isp$i" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	link router "wan$i" "isp$i" cust0
	link "isp$i" core0 inet "isp$i"
	address router "wan$i" "198.18.$i.2/30"
	address "isp$i" cust0 "198.18.$i.1/30"
	address "isp$i" core0 "198.19.$i.1/30"
	address inet "isp$i" "198.19.$i.2/30"
	route "isp$i" default via "198.19.$i.2"
	route inet "198.18.$i.0/30" via "198.19.$i.1"
	wan_routes "$i"
}

# What is lost when the link between router and provider goes down.
wan_routes()
{
	route router default via "198.18.$1.1" dev "wan$1" metric "${1}00"
	if in_ns inet nft list table ip lab_way_back &>/dev/null; then
		route "isp$1" 10.77.0.0/24 via "198.18.$1.2"
	fi
}

# --nat-none: each flow's answers take the WAN that its last packet came by.
way_back()
{
	local i devices=
	for i in $(wans); do
		devices+="iifname isp$i ct mark set $i; "
	done
	in_ns inet nft -f - <<END
table ip lab_way_back {
	chain prerouting { type filter hook prerouting priority mangle; $devices }
	chain output { type route hook output priority mangle; meta mark set ct mark; }
}
END
	for i in $(wans); do
		ip -n "$(ns inet)" rule add fwmark "$i" lookup "$i"
		route inet 10.77.0.0/24 via "198.19.$i.1" table "$i"
		route inet 10.77.0.0/24 via "198.19.$i.1" metric "${i}00"
		wan_routes "$i"
	done
}

masquerade()
{
	in_ns router nft -f - <<'END'
table ip lab_masquerade {
	chain postrouting { type nat hook postrouting priority srcnat; oifname "wan*" masquerade; }
}
END
}

lab_up()
{
	local count=2 nat=product i
	OFFLOAD=on
	while [[ $# -gt 0 ]]; do
		case $1 in
		--wans)
			[[ ${2:-} =~ ^[2-4]$ ]] || die "--wans \"${2:-}\": 2, 3 or 4 was expected" 2
			count=$2
			shift
			;;
		--nat-none) nat=none ;;
		--masquerade) nat=kernel ;;
		--no-offload) OFFLOAD=off ;;
		*) die "up: unknown argument \"$1\"" 2 ;;
		esac
		shift
	done
	lab_down
	trap 'lab_down' ERR
	up_lan
	up_inet
	for ((i = 1; i <= count; i++)); do
		up_wan "$i"
	done
	case $nat in
	none) way_back ;;
	kernel) masquerade ;;
	esac
	trap - ERR
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
		ip -n "$(ns "$name")" -4 -brief address show scope global | awk '{ printf "%s %s  ", $1, $3 } END { print "" }'
	done
	for i in $(wans); do
		printf '  %-8s %s\n' "wan$i" "$(faults "$i")"
	done
}
