# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# faults.sh: breaks the lab's WANs and heals them.  Sourced by scripts/lab after topology.sh.  All of it
# happens in the provider's namespace; what is broken is kept nowhere else than in what breaks it: a link that
# is down, the nft tables lab_blackhole and lab_loss, the device lab_delay.

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

# drop I NAME DIRECTION [CONDITION]: in the forward chain, so that the gateway itself still answers.
drop()
{
	local part=isp$1 table=lab_$2 devices
	devices=$(direction_devices "$3") || exit 2
	in_ns "$part" nft -f - <<END
table ip $table
delete table ip $table
table ip $table {
	chain forward {
		type filter hook forward priority filter;
		iifname { ${devices// /, } } ${4:-} counter drop comment "$3 ${4:-}"
	}
}
END
}

# The program is built when first needed; WH_LAB_BUILD names another place for it.
impair_program()
{
	local source=$HERE/lab.d/impair.c folder=${WH_LAB_BUILD:-$HERE/../build/lab}
	if [[ ! $folder/impair -nt $source ]]; then
		mkdir -p "$folder"
		"${CC:-cc}" -std=gnu11 -O2 -D_GNU_SOURCE "$source" -o "$folder/impair.$$" >&2
		mv "$folder/impair.$$" "$folder/impair"
	fi
	echo "$folder/impair"
}

delay()
{
	local part=isp$1 ms=$2 jitter=$3 direction=$4 devices device program
	devices=$(direction_devices "$direction") || exit 2
	program=$(impair_program)
	heal_delay "$1"
	ip -n "$(ns "$part")" tuntap add lab_delay mode tun
	ip -n "$(ns "$part")" link set lab_delay up txqueuelen 10000 alias "$ms ms +- $jitter $direction"
	route "$part" default dev lab_delay table $DELAY_TABLE
	in_ns "$part" "$program" lab_delay "$ms" "$jitter" || {
		heal_delay "$1"
		exit 1
	}
	for device in $devices; do
		ip -n "$(ns "$part")" rule add priority $DELAY_RULE iif "$device" lookup $DELAY_TABLE
	done
}

# Rules first, so that nothing is sent to a device that goes.
heal_delay()
{
	local part=isp$1 pid
	while ip -n "$(ns "$part")" rule delete priority $DELAY_RULE 2>/dev/null; do :; done
	for pid in $(ip netns pids "$(ns "$part")"); do
		if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == impair ]]; then kill "$pid"; fi
	done
	while has_delay "$1" && ! ip -n "$(ns "$part")" tuntap delete lab_delay mode tun 2>/dev/null; do
		sleep 0.01
	done
}

has_delay()
{
	ip -n "$(ns "isp$1")" link show lab_delay &>/dev/null
}

heal_wan()
{
	local part=isp$1 table
	for table in lab_blackhole lab_loss; do
		in_ns "$part" nft delete table ip $table 2>/dev/null || true
	done
	heal_delay "$1"
	ip -n "$(ns "$part")" link set cust0 up
	wan_routes "$1"
}

# What is wrong with WAN I, in words.
faults()
{
	local part=isp$1 table found=
	ip -n "$(ns "$part")" link show cust0 | grep -q '[<,]UP[,>]' || found+="carrier; "
	for table in blackhole loss; do
		if in_ns "$part" nft list table ip lab_$table &>/dev/null; then
			found+="$table $(in_ns "$part" nft list table ip lab_$table | sed -n 's/.*comment "\(.*\)".*/\1/p'); "
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
	if [[ ! ${1:-} =~ ^wan[1-4]$ ]] || ! exists "isp${1#wan}"; then
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
	local i kind=${2:-} amount='' direction=both jitter=0
	i=$(wan_number "${1:-}") || exit 2
	shift $(($# < 2 ? $# : 2))
	case $kind in
	carrier | blackhole) ;;
	loss | delay)
		amount=${1:-}
		number "$kind" "$amount"
		shift
		;;
	*) die "break: \"$kind\": carrier, blackhole, loss or delay was expected" 2 ;;
	esac
	while [[ $# -gt 0 ]]; do
		case $1 in
		--dir) direction=${2:-} ;;
		--jitter) jitter=${2:-} ;;
		*) die "break: unknown argument \"$1\"" 2 ;;
		esac
		shift $(($# < 2 ? $# : 2))
	done
	number --jitter "$jitter"
	break_wan
}

# With the variables of lab_break.
break_wan()
{
	case $kind in
	carrier) ip -n "$(ns "isp$i")" link set cust0 down ;;
	blackhole) drop "$i" blackhole "$direction" ;;
	loss)
		[[ $amount =~ ^[0-9]+$ && $amount -le 100 ]] || die "break: loss \"$amount\": 0 to 100 was expected" 2
		drop "$i" loss "$direction" "numgen random mod 100 < $amount"
		;;
	delay) delay "$i" "$amount" "$jitter" "$direction" ;;
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
