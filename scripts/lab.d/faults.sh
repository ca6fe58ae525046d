# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# faults.sh: breaks the lab's WANs and heals them.  Sourced by scripts/lab after parts.sh and topology.sh.  All of
# it happens in the provider's namespace; what is broken is kept nowhere else than in what breaks it: a link that
# is down, the nft tables lab_blackhole, lab_loss and lab_dead, the device lab_delay.

DELAY_TABLE=77 # of routes into the delaying device
DELAY_RULE=77  # and the priority of the rules that lead there

# Where packets of a direction come in.
direction_devices()
{
	case $1 in
	up) echo cust0 ;;
	down) echo core0 ;;
	both) echo cust0 core0 ;;
	*) die "--dir \"$1\": up, down or both was expected" 2 ;;
	esac
}

# What ip(8) takes for an address family.
families()
{
	case $1 in
	4) echo -4 ;;
	6) echo -6 ;;
	both) echo -4 -6 ;;
	*) die "--family \"$1\": 4, 6 or both was expected" 2 ;;
	esac
}

# drop I NAME DIRECTION FAMILY [CONDITION]: in the forward chain, so that the gateway itself still answers.
drop()
{
	local part=isp$1 table=lab_$2 devices only=
	devices=$(direction_devices "$3") || exit 2
	[[ $4 == both ]] || only="meta nfproto ipv$4"
	in_ns "$part" nft -f - <<END
table inet $table
delete table inet $table
table inet $table {
	chain forward {
		type filter hook forward priority filter;
		iifname { ${devices// /, } } $only ${5:-} counter drop comment "$3${only:+ of IPv$4}${5:+ $5}"
	}
}
END
}

# Nothing comes or goes on the line, not even for the gateway; the carrier stays.
dead()
{
	in_ns "isp$1" nft -f - <<'END'
table netdev lab_dead {
	chain up { type filter hook ingress device cust0 priority filter; policy drop; }
	chain down { type filter hook egress device cust0 priority filter; policy drop; }
}
END
}

delay()
{
	local part=isp$1 ms=$2 jitter=$3 direction=$4 family=$5 devices device program which
	devices=$(direction_devices "$direction") || exit 2
	program=$(program impair)
	heal_delay "$1"
	ip -n "$(ns "$part")" tuntap add lab_delay mode tun
	ip -n "$(ns "$part")" link set lab_delay up txqueuelen 10000 alias "$ms ms +- $jitter $direction"
	configure "$part" <<END
route replace default dev lab_delay table $DELAY_TABLE
route replace ::/0 dev lab_delay table $DELAY_TABLE
END
	in_ns "$part" "$program" lab_delay "$ms" "$jitter" || {
		heal_delay "$1"
		exit 1
	}
	for which in $(families "$family"); do
		for device in $devices; do
			ip -n "$(ns "$part")" "$which" rule add priority $DELAY_RULE iif "$device" lookup $DELAY_TABLE
		done
	done
}

# The programs of that name that run at WAN I.
running()
{
	local pid
	for pid in $(ip netns pids "$(ns "isp$1")"); do
		if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2" ]]; then echo "$pid"; fi
	done
}

# Rules first, so that nothing is sent to a device that goes.
heal_delay()
{
	local part=isp$1 which
	for which in -4 -6; do
		while ip -n "$(ns "$part")" "$which" rule delete priority $DELAY_RULE 2>/dev/null; do :; done
	done
	running "$1" impair | xargs -r kill
	while has_delay "$1" && ! ip -n "$(ns "$part")" tuntap delete lab_delay mode tun 2>/dev/null; do
		sleep 0.01
	done
}

has_delay()
{
	ip -n "$(ns "isp$1")" link show lab_delay &>/dev/null
}

# Of a PPPoE session the carrier is the session; of TUN devices, the program between the two ends.
break_carrier()
{
	if [[ $(carried "$1") == pppoe ]]; then
		hang_up "$1"
	elif has_header "wan$1"; then
		ip -n "$(ns "isp$1")" link set cust0 down
	else
		running "$1" wire | xargs -r kill
	fi
}

heal_carrier()
{
	local carried
	carried=$(carried "$1")
	if [[ $carried == pppoe ]] && [[ -z $(running "$1" pppoe-server) ]]; then dial "$1"; fi
	ip -n "$(ns "isp$1")" link set cust0 up
	if [[ -z $carried ]] && ! has_header "wan$1" && [[ -z $(running "$1" wire) ]]; then
		join router "wan$1" "isp$1" cust0
	fi
}

heal_wan()
{
	local table
	for table in lab_blackhole lab_loss; do
		in_ns "isp$1" nft delete table inet $table 2>/dev/null || true
	done
	in_ns "isp$1" nft delete table netdev lab_dead 2>/dev/null || true
	heal_delay "$1"
	heal_carrier "$1"
	wan_routes "$1"
}

# What is wrong with WAN I, in words.
faults()
{
	local part=isp$1 table found=
	ip -n "$(ns "$part")" link show cust0 | grep -q '[<,]LOWER_UP[,>]' || found+="carrier; "
	! in_ns "$part" nft list table netdev lab_dead &>/dev/null || found+="dead; "
	for table in blackhole loss; do
		if in_ns "$part" nft list table inet lab_$table &>/dev/null; then
			found+="$table $(in_ns "$part" nft list table inet lab_$table | sed -n 's/.*comment "\(.*\)".*/\1/p'); "
		fi
	done
	if has_delay "$1"; then
		found+="delay $(ip -n "$(ns "$part")" link show lab_delay | sed -n 's/.*alias //p'); "
	fi
	echo "${found:-healthy}"
}

# "wan2" → 2, if this lab has it.
wan_number()
{
	if [[ ! ${1:-} =~ ^wan[1-8]$ ]] || ! exists "isp${1#wan}"; then
		die "there is no WAN \"${1:-}\" in lab \"$PREFIX\", only $(wans | sed s/^/wan/ | xargs)" 2
	fi
	echo "${1#wan}"
}

number()
{
	[[ ${2:-} =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "break: $1 \"${2:-}\": a number was expected" 2
}

lab_break()
{
	local i kind=${2:-} amount='' direction=both jitter=0 family=both
	i=$(wan_number "${1:-}") || exit 2
	shift $(($# < 2 ? $# : 2))
	case $kind in
	carrier | blackhole | dead) ;;
	loss | delay)
		amount=${1:-}
		number "$kind" "$amount"
		shift
		;;
	*) die "break: \"$kind\": carrier, blackhole, dead, loss or delay was expected" 2 ;;
	esac
	while [[ $# -gt 0 ]]; do
		case $1 in
		--dir) direction=${2:-} ;;
		--jitter) jitter=${2:-} ;;
		--family) family=${2:-} ;;
		*) die "break: unknown argument \"$1\"" 2 ;;
		esac
		shift $(($# < 2 ? $# : 2))
	done
	number --jitter "$jitter"
	families "$family" >/dev/null
	break_wan
}

# With the variables of lab_break.
break_wan()
{
	local share
	case $kind in
	carrier) break_carrier "$i" ;;
	dead) dead "$i" ;;
	blackhole) drop "$i" blackhole "$direction" "$family" ;;
	loss)
		[[ $amount =~ ^[0-9]+$ && $amount -le 100 ]] || die "break: loss \"$amount\": 0 to 100 was expected" 2
		# nft refuses what is always so
		[[ $amount -eq 100 ]] || share="numgen random mod 100 < $amount"
		drop "$i" loss "$direction" "$family" "${share:-}"
		;;
	delay) delay "$i" "$amount" "$jitter" "$direction" "$family" ;;
	esac
}

lab_heal()
{
	local i all
	if [[ $# -gt 0 ]]; then
		all=$(wan_number "$1") || exit 2
	else
		all=$(wans)
	fi
	for i in $all; do
		heal_wan "$i"
	done
}
