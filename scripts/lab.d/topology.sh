# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# topology.sh: the lab's namespaces, addresses and routes are made here.  Sourced by scripts/lab after parts.sh, which
# enters and removes them, and links.sh, which links them; faults.sh breaks what is made here.
#
#   client  lan 10.77.0.2 ─┐                               198.18.I.2 ── 198.18.I.1  ispI
#   client2 lan 10.77.0.3 ─┴─ lan0 10.77.0.1  router  wanI ──────────────────────── cust0
#                                                          ispI core0 198.19.I.1 ── 198.19.I.2 ispI  inet
# In IPv6:
#   LAN fd00:77::/64, fe80::1 the router; WAN 2001:db8:I::/64, fe80::1 the provider's router, .1 and .2 as ::1
#   and ::2; what wanI delegates: 2001:db8:I:100::/56; behind the provider: 2001:db8:f:I::/64.

SERVERS=10 # addresses of servers, 203.0.113.1 and on
MOST_WANS=8

# Nothing that would come or go by itself: no addresses of RAs, no detection of duplicates, no solicitations.
add_part()
{
	ip netns add "$(ns "$1")"
	ip -n "$(ns "$1")" link set lo up
	if [[ $INSIDE6 == none ]]; then
		in_ns "$1" sysctl -qw net.ipv6.conf.{all,default}.disable_ipv6=1
	else
		in_ns "$1" sysctl -qw net.ipv6.conf.{all,default}.{accept_ra,accept_dad,router_solicitations}=0 \
			net.ipv6.conf.{all,default}.keep_addr_on_down=1
	fi
}

forward()
{
	in_ns "$1" sysctl -qw net.ipv4.ip_forward=1
	! has_ipv6 "$1" || in_ns "$1" sysctl -qw net.ipv6.conf.{all,default}.forwarding=1
}

# The prefixes that a LAN (0, or 2) has inside.
inside6()
{
	local lan=$1 name
	for name in $INSIDE6; do
		case $name in
		ula) echo "fd00:7$((lan ? 8 : 7))::" ;;
		wan*) echo "2001:db8:${name#wan}:10$lan::" ;;
		esac
	done
}

# host NS LAN NUMBER: its addresses and its way out.
up_host()
{
	local part=$1 lan=$2 number=$3 prefix
	{
		echo "address add 10.7$((lan ? 8 : 7)).0.$number/24 dev lan"
		for prefix in $(inside6 "$lan"); do echo "address add $prefix$number/64 dev lan nodad"; done
		echo "route add default via 10.7$((lan ? 8 : 7)).0.1"
		echo "route add ::/0 via fe80::1 dev lan proto ra"
	} | configure "$part"
}

# up_router_side DEVICE LAN
up_router_side()
{
	local device=$1 lan=$2 prefix
	{
		echo "link set $device up"
		echo "address add 10.7$((lan ? 8 : 7)).0.1/24 dev $device"
		echo "address add fe80::1/64 dev $device nodad"
		for prefix in $(inside6 "$lan"); do echo "address add ${prefix}1/64 dev $device nodad"; done
	} | configure router
}

# lan0, with these hosts at its ports.
up_bridge()
{
	local host
	ip -n "$(ns router)" link add lan0 type bridge forward_delay 0 mcast_snooping 0
	for host in "$@"; do
		add_part "$host"
		link router "port-$host" "$host" lan
		ip -n "$(ns router)" link set "port-$host" master lan0
	done
}

up_lans()
{
	add_part router
	forward router
	# Without the module no bridge hands anything over.
	if [[ $BR_NETFILTER == 1 && ! -d /proc/sys/net/bridge ]]; then modprobe br_netfilter; fi
	if [[ -d /proc/sys/net/bridge ]]; then
		in_ns router sysctl -qw net.bridge.bridge-nf-call-{ip,ip6,arp}tables=$BR_NETFILTER
	fi
	if [[ $XDP == yes ]]; then
		add_part client
		link router lan0 client lan
	else
		up_bridge client client2
	fi
	FAR[lan0]='client lan'
	up_router_side lan0 0
	up_host client 0 2
	[[ $XDP == yes ]] || up_host client2 0 3
	if [[ $LAN2 == yes ]]; then
		add_part client3
		link router lan2 client3 lan
		up_router_side lan2 2
		up_host client3 2 2
	fi
}

up_inet()
{
	local n
	add_part inet
	for ((n = 1; n <= SERVERS; n++)); do
		echo "address add 203.0.113.$n/32 dev lo"
		echo "address add 2001:db8:203::$n/128 dev lo nodad"
	done | configure inet
}

up_wan()
{
	local i=$1 net=198.18.$1. length=30 provider=1 ours=2
	[[ $OVERLAP != "wan$i" ]] || { net=10.77.0. length=24 provider=101 ours=102; }
	add_part "isp$i"
	forward "isp$i"
	# a packet that comes back from the delaying device must not be taken for a spoofed one
	in_ns "isp$i" sysctl -qw net.ipv4.conf.{all,default}.rp_filter=0
	link router "wan$i" "isp$i" cust0
	link "isp$i" core0 inet "isp$i"
	[[ $(carried "$i") == pppoe ]] || configure router <<<"address add $net$ours/$length dev wan$i"
	[[ $(carried "$i") == pppoe ]] || configure "isp$i" <<<"address add $net$provider/$length dev cust0"
	configure "isp$i" <<END
address add 198.19.$i.1/30 dev core0
address add 2001:db8:f:$i::1/64 dev core0 nodad
route add default via 198.19.$i.2
route add ::/0 via 2001:db8:f:$i::2
END
	configure inet <<END
address add 198.19.$i.2/30 dev isp$i
address add 2001:db8:f:$i::2/64 dev isp$i nodad
route add $net$ours/32 via 198.19.$i.1
route add 2001:db8:$i::/48 via 2001:db8:f:$i::1
END
	wan_routes "$i"
	if [[ $DELEGATE == yes ]]; then
		configure router <<<"route add ::/0 from 2001:db8:$i:100::/56 $(by_provider6 "$i") proto dhcp metric ${i}00"
	fi
}

by_provider6()
{
	if has_header "wan$1"; then echo "via fe80::1 dev wan$1"; else echo "dev wan$1"; fi
}

# What is lost when the link between router and provider goes down, or goes.
wan_routes()
{
	local i=$1 provider ours
	provider="via $(address_of "isp$i" cust0) dev wan$i"
	ours=$(address_of router "wan$i")
	has_header "wan$i" || provider="dev wan$i"
	configure router <<END
address replace 2001:db8:$i::2/64 dev wan$i nodad
route replace default $provider metric ${i}00
route replace ::/0 $(by_provider6 "$i") proto ra metric ${i}00
END
	configure "isp$i" <<END
address replace fe80::1/64 dev cust0 nodad
address replace 2001:db8:$i::1/64 dev cust0 nodad
route replace 2001:db8:$i:100::/56 via 2001:db8:$i::2
END
	if in_ns inet nft list table inet lab_way_back &>/dev/null; then
		configure "isp$i" <<END
route replace 10.77.0.0/24 via $ours
route replace 10.78.0.0/24 via $ours
route replace fd00:77::/64 via 2001:db8:$i::2
route replace fd00:78::/64 via 2001:db8:$i::2
END
	fi
}

# --nat-none: each flow's answers take the WAN that its last packet came by.
way_back()
{
	local i net devices=
	for i in $(wans); do
		devices+="iifname isp$i ct mark set $i; "
	done
	in_ns inet nft -f - <<END
table inet lab_way_back {
	chain prerouting { type filter hook prerouting priority mangle; $devices }
	chain output { type route hook output priority mangle; meta mark set ct mark; }
}
END
	for i in $(wans); do
		ip -n "$(ns inet)" rule add fwmark "$i" lookup "$i"
		ip -n "$(ns inet)" -6 rule add fwmark "$i" lookup "$i"
		for net in 10.77.0.0/24 10.78.0.0/24; do
			echo "route add $net via 198.19.$i.1 table $i"
			echo "route add $net via 198.19.$i.1 metric ${i}00"
		done | configure inet
		for net in fd00:77::/64 fd00:78::/64; do
			echo "route add $net via 2001:db8:f:$i::1 table $i"
			echo "route add $net via 2001:db8:f:$i::1 metric ${i}00"
		done | configure inet
		wan_routes "$i"
	done
}

masquerade()
{
	local family
	for family in ip ip6; do
		in_ns router nft -f - <<END
table $family lab_masquerade {
	chain postrouting { type nat hook postrouting priority srcnat; oifname "wan*" masquerade; }
}
END
	done
}

# An option of `up` that takes a value: expected PATTERN WHAT OPTION VALUE
expected()
{
	[[ ${4:-} =~ ^($1)$ ]] || die "$3 \"${4:-}\": $2 was expected" 2
}

# DEVICE=PARENT of --vlan
vlan_of()
{
	expected "(lan2|wan[1-$MOST_WANS]|line[1-$MOST_WANS])=[a-z][a-z0-9-]{0,9}" "wan1=trunk or the like" --vlan "$1"
	KIND[${1%%=*}]=vlan
	PARENT[${1%%=*}]=${1#*=}
}

# Sets the variables of `up`.
up_options()
{
	WANS=2 NAT=product OFFLOAD=on INSIDE6='' DELEGATE=no LAN2=no OVERLAP='' BR_NETFILTER=0 XDP=no
	while [[ $# -gt 0 ]]; do
		case $1 in
		--wans) expected "[2-$MOST_WANS]" "2 to $MOST_WANS" "$@" && WANS=$2 && shift ;;
		--inside6) expected "ula|none|wan[1-$MOST_WANS]" "ula, wanI or none" "$@" && INSIDE6+=" $2" && shift ;;
		--l3) expected "lan2|wan[1-$MOST_WANS]" "lan2 or wanI" "$@" && KIND[$2]=tun && shift ;;
		--pppoe | --wireguard) expected "wan[1-$MOST_WANS]" wanI "$@" && KIND[$2]=${1#--} && shift ;;
		--vlan) vlan_of "${2:-}" && shift ;;
		--overlap) expected "wan[1-$MOST_WANS]" "wanI" "$@" && OVERLAP=$2 && shift ;;
		--delegate) DELEGATE=yes ;;
		--lan2) LAN2=yes ;;
		--nat-none) NAT=none ;;
		--masquerade) NAT=kernel ;;
		--br-netfilter) BR_NETFILTER=1 ;;
		--no-offload) OFFLOAD=off ;;
		--xdp) XDP=yes OFFLOAD=off ;;
		*) die "up: unknown argument \"$1\"" 2 ;;
		esac
		shift
	done
	INSIDE6=$(xargs <<<"${INSIDE6:-ula}")
	[[ $INSIDE6 == none || " $INSIDE6 " != *" none "* ]] || die "--inside6: none, and $INSIDE6" 2
}

lab_up()
{
	local i
	up_options "$@"
	lab_down
	trap 'lab_down' ERR
	up_lans
	up_inet
	for ((i = 1; i <= WANS; i++)); do
		up_wan "$i"
	done
	case $NAT in
	none) way_back ;;
	kernel) masquerade ;;
	esac
	trap - ERR
}

