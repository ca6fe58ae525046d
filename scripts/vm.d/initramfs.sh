# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# initramfs.sh: packs the machine's files.  Sourced by scripts/vm, which sets CACHE, BUILD, PROJECT and WORK.  The
# kernel takes several archives one behind the other, so there are three: this machine's userland and the
# kernel's modules, which are kept, and the project, which is packed for each run.

# Packages whose programs and libraries are in the machine; Python's parts have its version in their names.
USERLAND="bash bpftool conntrack coreutils dash ethtool findutils grep iproute2 iputils-ping kmod mawk mount nftables ppp pppoe
	procps python3-minimal python3-pytest python3-scapy sed util-linux wireguard-tools"
PYTHON_PARTS="python3.[0-9]*-minimal libpython3.[0-9]*-minimal libpython3.[0-9]*-stdlib
	python3-attr python3-iniconfig python3-more-itertools python3-packaging python3-pkg-resources python3-pluggy python3-py"

# Drivers of real hardware, file systems and the like are left out.
MODULES="net lib crypto arch drivers/net/*.ko* drivers/net/ppp drivers/net/slip drivers/net/wireguard"

# All of a folder as an archive.
archive()
{
	(cd "$1" && find . -mindepth 1 -print0 | cpio --quiet -0 -o -H newc -R 0:0)
}

# --- userland --------------------------------------------------------------------------------------------------

# What dpkg calls /bin and /lib stands under /usr.
under_usr()
{
	sed -E 's#^/(bin|sbin|lib|lib64)/#/usr/\1/#'
}

packaged_files()
{
	local file
	# shellcheck disable=SC2086 # words on purpose
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' $USERLAND $PYTHON_PARTS | sed -n 's/^installed //p' |
		xargs dpkg -L | under_usr |
		grep -E '^/usr/(bin|sbin|lib|lib64)/' | while read -r file; do
		if [[ ! -d $file && -e $file ]]; then echo "$file"; fi
		if [[ $file == *.py ]]; then compgen -G "${file%/*}/__pycache__/$(basename "$file" .py).*.pyc" || true; fi
	done
}

# The shared libraries of the programs and libraries that come in; of what is neither, none.
libraries()
{
	{ xargs -r ldd 2>/dev/null || true; } |
		sed -nE 's#^[^/]*(/[^ :]+\.so[^ :]*).*#\1#p' | under_usr | sort -u
}

# Paths, and what they lead to if they are links, packed with their folders.
pack_paths()
{
	local list=$WORK/paths folder
	sort -u >"$list"
	xargs -r readlink -f <"$list" | sort -u -o "$list" - "$list"
	while read -r folder; do
		until [[ $folder == / ]]; do
			folder=$(dirname "$folder")
			echo "$folder"
		done
	done < <(xargs -r dirname <"$list" | sort -u | sed 's#$#/.#') | sort -u - "$list" | sed 's#^/##; s#^$#.#' |
		(cd / && cpio --quiet -o -H newc -R 0:0)
}

skeleton()
{
	local root=$WORK/skeleton name
	mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,usr/{bin,sbin,lib,lib64},var/lib}
	ln -s ../run "$root/var/run"
	for name in bin sbin lib lib64; do
		ln -s "usr/$name" "$root/$name"
	done
	ln -s mawk "$root/usr/bin/awk"
	echo 'root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin' >"$root/etc/passwd"
	echo 'root:x:0:
nogroup:x:65534:' >"$root/etc/group"
	archive "$root"
}

pack_userland()
{
	packaged_files >"$WORK/packaged"
	skeleton
	grep -E '/s?bin/|\.so' "$WORK/packaged" | libraries | sort -u - "$WORK/packaged" | pack_paths
}

# --- modules and project ---------------------------------------------------------------------------------------

pack_modules()
{
	local modules target=$WORK/modules/usr/lib/modules/$1
	modules=$(kernel_modules "$1")
	mkdir -p "$target/kernel"
	# shellcheck disable=SC2086 # words and patterns on purpose
	(cd "$modules/kernel" && cp -a --parents $MODULES "$target/kernel")
	cp "$modules"/modules.{builtin,builtin.modinfo,order} "$target"
	depmod -b "$WORK/modules/usr" "$1"
	archive "$WORK/modules"
}

# Programs that are built and what they need, but for tests that need no other kernel; scripts and tests; the command.
pack_project()
{
	local root=$WORK/project name
	local place=$root/wanhelm
	mkdir -p "$place/build"
	cp -a "$PROJECT/scripts" "$PROJECT/tests" "$place"
	for name in share examples; do
		if [[ -d $PROJECT/$name ]]; then cp -a "$PROJECT/$name" "$place"; fi
	done
	(cd "$BUILD" && find . \( -path ./vm -o -path ./sanitized -o -path ./tests/unit \) -prune -o -type f \( -perm /111 -o -name '*.bpf.o' \) -print0 |
		cpio --quiet -0 -pdm "$place/build")
	install -m 755 "$HERE/vm.d/init" "$root/init"
	printf '%q ' "$@" >"$root/command"
	archive "$root"
	find "$BUILD" -path "$CACHE" -prune -o -type f -perm /111 -print | libraries | pack_paths
}

# kept NAME NEWER-THAN FUNCTION ARGUMENTS…: an archive in the cache, made anew when it is older than that file, or
# than this one.
kept()
{
	local file=$CACHE/$1 than=$2
	shift 2
	if [[ ! $file -nt $than || ! $file -nt ${BASH_SOURCE[0]} ]]; then
		"$@" >"$file.$$"
		mv "$file.$$" "$file"
	fi
	cat "$file"
}

# pack_initramfs FILE RELEASE COMMAND…
pack_initramfs()
{
	local file=$1 release=$2
	shift 2
	{
		kept userland.cpio /var/lib/dpkg/status pack_userland
		kept "modules-$release.cpio" "$CACHE/linux-$release/done" pack_modules "$release"
		pack_project "$@"
	} >"$file"
}
