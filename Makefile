# SPDX-License-Identifier: GPL-2.0
# wanhelm: `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
B       ?= build
VERSION := 0.1.0

CC        ?= cc
CLANG     ?= clang
BPFTOOL   ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PYTHON    ?= /usr/bin/python3
SANITIZE  ?=

ifeq ($(origin CC),default)
CC := gcc
endif
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-8s %s\n' $(1) $(2))

LIBS     := libbpf libelf zlib libmnl yaml-0.1 libevent_core jansson libnftables
CPPFLAGS += -Iinclude -Iuser -I$(B) -D_GNU_SOURCE -DWH_VERSION='"$(VERSION)"'
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Werror $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
BPFFLAGS := -g -O2 -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror -Iinclude -I/usr/include/$(shell uname -m)-linux-gnu
LDLIBS    = $(shell pkg-config --libs $(LIBS)) -lresolv -lm

# What stands in which folder is what it is linked into; a new file is found by itself.
BPF     := steer4 steer6 xdp4 xdp6 sweep4 sweep6 explain4 explain6 bind4 bind6
DAEMON  := $(wildcard user/lib/*.c user/model/*.c user/conf/*.c user/dns/*.c user/kern/*.c user/prober/*.c user/ctl/*.c user/daemon/*.c)
COMMAND := $(wildcard user/lib/*.c user/model/*.c user/conf/*.c user/kern/*.c user/ctl/*.c user/cli/*.c)
UNIT    := $(wildcard tests/unit/test_*.c)

object = $(patsubst %.c,$(B)/%.o,$(1))
SKELETONS := $(BPF:%=$(B)/%.skel.h)

all: $(B)/wanhelmd $(B)/wanhelm ## build the controller and the command (default)

# --- dependencies of the build --------------------------------------------------------------------------------
$(B)/.deps: scripts/deps
	@mkdir -p $(B)
	@scripts/deps --check --for build
	@touch $@

# --- BPF ------------------------------------------------------------------------------------------------------
# Each source is compiled once a family: steer_tc.bpf.c to steer4.bpf.o and steer6.bpf.o.
define compile_bpf
@mkdir -p $(@D)
$(call say,CLANG,$@)
$(Q)$(CLANG) $(BPFFLAGS) -DWH_FAMILY=$* -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
endef

$(B)/steer%.bpf.o: bpf/steer_tc.bpf.c $(B)/.deps
	$(compile_bpf)

$(B)/xdp%.bpf.o: BPFFLAGS += -DWH_XDP
$(B)/xdp%.bpf.o: bpf/steer_xdp.bpf.c $(B)/.deps
	$(compile_bpf)

$(B)/sweep%.bpf.o: bpf/sweep.bpf.c $(B)/.deps
	$(compile_bpf)

$(B)/explain%.bpf.o: bpf/explain.bpf.c $(B)/.deps
	$(compile_bpf)

$(B)/bind%.bpf.o: bpf/bind.bpf.c $(B)/.deps
	$(compile_bpf)

$(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(*F)_bpf > $@.tmp && mv $@.tmp $@

# --- user space -----------------------------------------------------------------------------------------------
$(B)/%.o: %.c $(B)/.deps | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/wanhelmd: $(call object,$(DAEMON))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/wanhelm: $(call object,$(COMMAND))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# --- tests ----------------------------------------------------------------------------------------------------
include tests/tests.mk

# --- the rest -------------------------------------------------------------------------------------------------
demo: ## two WANs in namespaces, one broken under live traffic, what was measured (root)
	@scripts/deps --install --for demo
	@$(MAKE) --no-print-directory all
	@scripts/demo

SHARE = $(DESTDIR)$(PREFIX)/share
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system

install: all ## install into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(B)/wanhelmd $(DESTDIR)$(PREFIX)/sbin/wanhelmd
	install -D -m 755 $(B)/wanhelm $(DESTDIR)$(PREFIX)/bin/wanhelm
	install -d $(SHARE)/man/man5 $(SHARE)/man/man8 $(SHARE)/doc/wanhelm $(UNITS) $(DESTDIR)/etc/wanhelm
	for unit in wanhelmd wanhelm-boot; do \
		sed 's#/usr/local/#$(PREFIX)/#' share/$$unit.service > $(UNITS)/$$unit.service || exit 1; done
	sed 's#/usr/local/#$(PREFIX)/#' share/man/wanhelm.yaml.5 > $(SHARE)/man/man5/wanhelm.yaml.5
	install -m 644 share/man/*.8 $(SHARE)/man/man8
	install -D -m 644 share/completion/wanhelm.bash $(SHARE)/bash-completion/completions/wanhelm
	install -m 644 share/wanhelm.yaml.example README.md docs/maps.md $(SHARE)/doc/wanhelm
	install -D -m 644 -t $(SHARE)/doc/wanhelm/examples docs/examples/*.yaml

clean: ## remove what was built
	rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | sort | column -t -s '|'

.PHONY: all demo install clean help
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
