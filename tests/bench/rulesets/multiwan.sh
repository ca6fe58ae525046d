#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# multiwan.sh: the routing half of multiwan-*.nft.  usage: multiwan.sh up|down WANS
set -eu

act=add
[ "$1" = up ] || act=del
for wan in $(seq "$2"); do
	for family in -4 -6; do
		ip $family rule $act fwmark "$wan" lookup "$((100 + wan))" pref "$((1000 + wan))"
	done
	ip -4 route $act default via "198.18.$wan.1" dev "wan$wan" table "$((100 + wan))"
	ip -6 route $act default via "2001:db8:$wan::1" dev "wan$wan" table "$((100 + wan))"
done
