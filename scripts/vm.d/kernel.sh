# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# kernel.sh: Debian's kernels: found among apt's packages, unpacked into the cache, never installed.  Sourced by
# scripts/vm, which sets CACHE.  The plain flavour: its smaller sister for clouds has no PPP.

FLAVOUR=amd64

# The releases that are unpacked, the oldest first.
releases()
{
	local folder
	for folder in "$CACHE"/linux-*/; do
		[[ -e $folder/done ]] && basename "$folder" | sed 's/^linux-//'
	done | sort -V
}

# matching VERSION, from a list of releases: 6.1 is 6.1.*, never 6.12.*; the newest is the last one.
matching()
{
	local pattern=${1//./\\.}
	grep -E "^${pattern//+/\\+}(\$|[.][^-]*(-[0-9]+)?-$FLAVOUR\$)" | sort -V | tail -n 1
}

available()
{
	apt-cache pkgnames linux-image- | sed -n 's/^linux-image-\([0-9].*\)/\1/p' | grep -v -- '-dbg$\|-unsigned$'
}

# The release that stands for VERSION: one that is there, else the newest that apt has.
kernel_release()
{
	local release
	release=$(releases | matching "$1") || release=
	if [[ -z $release ]]; then
		vm_fetch "$1" >&2
		release=$(releases | matching "$1")
	fi
	echo "$release"
}

kernel_image()
{
	echo "$CACHE/linux-$1/boot/vmlinuz-$1"
}

kernel_modules()
{
	echo "$CACHE/linux-$1/lib/modules/$1"
}

vm_fetch()
{
	local release part
	[[ ${1:-} =~ ^[0-9][0-9a-z.+-]*$ ]] || die "fetch: \"${1:-}\": a version of Linux such as 6.1 was expected" 2
	release=$(available | matching "$1") || release=
	[[ -n $release ]] || die "no Debian kernel $1 among apt's packages: apt-get update, or another version"
	if releases | grep -qxF "$release"; then
		echo "Linux $release is there already"
		return
	fi
	mkdir -p "$CACHE"
	part=$(mktemp -d "$CACHE/part.XXXXXX")
	(cd "$part" && apt-get -qq -o APT::Sandbox::User=root download "linux-image-$release") ||
		{ rm -rf "$part"; die "cannot download linux-image-$release"; }
	dpkg-deb -x "$part"/*.deb "$part"
	rm "$part"/*.deb
	touch "$part/done"
	rm -rf "$CACHE/linux-$release"
	mv "$part" "$CACHE/linux-$release"
	echo "Linux $release is in $CACHE/linux-$release"
}

vm_list()
{
	releases
}
