# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# links.sh: the links between the lab's parts, of the kinds that `up` knows.  Sourced by scripts/lab after parts.sh;
# topology.sh says what is linked, and faults.sh pulls plugs.  Whatever a WAN's link is made of, its ends are called
# wanI and cust0.

# Device of the router → its kind, its parent if it is a VLAN, and "NS DEVICE" of its other end.  topology.sh fills them.
# shellcheck disable=SC2034
declare -A KIND=() PARENT=() FAR=()

# link NS DEVICE NS DEVICE: made, and up
link()
{
	"link_${KIND[$2]:-veth}" "$@"
	ip -n "$(ns "$1")" link set "$2" up
	ip -n "$(ns "$3")" link set "$4" up
	FAR[$2]="$3 $4"
}

link_veth()
{
	ip link add name "$2" netns "$(ns "$1")" type veth peer name "$4" netns "$(ns "$3")"
	if [[ $OFFLOAD == off ]]; then
		no_offload "$1" "$2"
		no_offload "$3" "$4"
	fi
	# Only to an end that polls, which GRO makes it do, can XDP send.
	[[ $XDP == no ]] || in_ns "$3" ethtool -K "$4" gro on
}

# A VLAN device made on such a link has no offload either; its tags then stand in the packets.
no_offload()
{
	in_ns "$1" ethtool -K "$2" tx off rx off gso off gro off tso off txvlan off rxvlan off >/dev/null
}

# Two TUN devices: their carrier is the program between them.
link_tun()
{
	ip -n "$(ns "$1")" tuntap add "$2" mode tun
	ip -n "$(ns "$3")" tuntap add "$4" mode tun
	join "$@"
}

join()
{
	local program
	program=$(program wire)
	in_ns "$3" "$program" "/run/netns/$(ns "$1")" "$2" "/run/netns/$(ns "$3")" "$4"
}

# A VLAN of a device that is there, or else of a trunk that is made for it.  Its other end is one of the parent's other
# end, moved to where it belongs: each VLAN of a trunk can have a provider of its own.
link_vlan()
{
	local parent=${PARENT[$2]} id=$((100 + ${#FAR[@]})) far_ns far
	[[ -n ${FAR[$parent]:-} ]] || link "$1" "$parent" "$3" "$parent"
	read -r far_ns far <<<"${FAR[$parent]}"
	ip -n "$(ns "$1")" link add link "$parent" name "$2" type vlan id "$id"
	ip -n "$(ns "$far_ns")" link add link "$far" name "vlan$id" type vlan id "$id"
	ip -n "$(ns "$far_ns")" link set "vlan$id" netns "$(ns "$3")"
	ip -n "$(ns "$3")" link set "vlan$id" name "$4"
}

# What carries a session or a tunnel: line1 to line0 for wan1
link_line()
{
	local i=${2#wan}
	link "$1" "line$i" "$3" line0
	ip -n "$(ns "$3")" link set line0 alias "${KIND[$2]}"
}

# The kind of what line0 carries, if there is one.
carried()
{
	{ ip -n "$(ns "isp$1")" link show line0 2>/dev/null || true; } | sed -n 's/.*alias //p'
}

# The provider tells the router its IPv4 address, as over any such line.
link_pppoe()
{
	link_line "$@"
	dial "${2#wan}"
}

dial()
{
	local i=$1
	in_ns "isp$i" pppoe-server -I line0 -L "198.18.$i.1" -R "198.18.$i.2" -N 1 -O /dev/null -q "$HERE/lab.d/pppd"
	in_ns router pppd plugin rp-pppoe.so "nic-line$i" ifname "wan$i" noauth noipdefault nodefaultroute \
		ipv6 ::2,::1 mtu 1492 mru 1492 updetach >&2
}

# Until both devices are gone: nobody else can have their names before.
hang_up()
{
	running "$1" pppoe-server | xargs -r kill
	running "$1" pppd | xargs -r kill
	while [[ -n $(running "$1" pppd) ]] || ip -n "$(ns router)" link show "wan$1" &>/dev/null; do
		sleep 0.05
	done
}

link_wireguard()
{
	local i=${2#wan} ours theirs
	link_line "$@"
	ours=$(wg genkey)
	theirs=$(wg genkey)
	wireguard "$1" "$2" "line$i" "192.0.2.$((4 * i + 2))" "$ours" "192.0.2.$((4 * i + 1))" "$theirs"
	wireguard "$3" "$4" line0 "192.0.2.$((4 * i + 1))" "$theirs" "192.0.2.$((4 * i + 2))" "$ours"
}

# wireguard NS DEVICE LINE ADDRESS KEY PEER KEY: one end
wireguard()
{
	ip -n "$(ns "$1")" address add "$4/30" dev "$3"
	ip -n "$(ns "$1")" link add "$2" type wireguard
	in_ns "$1" wg set "$2" private-key <(echo "$5") listen-port 51820 peer "$(wg pubkey <<<"$7")" \
		endpoint "$6:51820" allowed-ips 0.0.0.0/0,::/0
}
