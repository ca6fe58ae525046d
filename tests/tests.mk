# SPDX-License-Identifier: GPL-2.0
# tests.mk: how tests are built and run; included by the Makefile.  A test program is every tests/*/test_*.c,
# linked with its folder's other sources and with what it needs of ours.

OURS    := $(filter-out user/daemon/main.c user/cli/main.c,$(sort $(DAEMON) $(COMMAND)))
ARCHIVE := $(B)/libwanhelm.a

HELPERS  = $(call object,$(filter-out $(wildcard tests/$(1)/test_*.c),$(wildcard tests/$(1)/*.c)))
PROGRAMS = $(patsubst %.c,$(B)/%,$(wildcard tests/$(1)/test_*.c))
UNIT_TESTS := $(call PROGRAMS,unit)
BPF_TESTS  := $(call PROGRAMS,bpf)

$(ARCHIVE): $(call object,$(OURS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $(call HELPERS,unit) $(ARCHIVE)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

$(B)/tests/bpf/test_%: $(B)/tests/bpf/test_%.o $(call HELPERS,bpf) $(ARCHIVE)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

test-deps:
	@scripts/deps --install --for test

check: test-deps ## install what tests need, then run every test (root)
	@$(MAKE) --no-print-directory all unit-tests bpf-tests
	@$(MAKE) --no-print-directory B=$(B)/sanitized CC=clang SANITIZE=address,undefined unit-tests
	@tests/run --build $(B) style unit sanitized bpf cli net

unit-tests: $(UNIT_TESTS)
bpf-tests: $(BPF_TESTS)

check-unit: unit-tests ## the tests of the pure parts only (no root needed for most)
	@tests/run --build $(B) unit

check-bpf: bpf-tests ## the data plane, packet by packet (root)
	@tests/run --build $(B) bpf

check-cli: all ## the command line and the documentation
	@tests/run --build $(B) cli

check-net: all ## real traffic in network namespaces (root); T=name of a test file
	@tests/run --build $(B) net $(T)

check-vm: all bpf-tests ## the data plane, a router, VLANs, PPPoE, WireGuard on Debian's kernels in virtual machines (not part of check)
	@tests/vm/run --build $(B)

check-style: ## formatting, clang-tidy, clang's warnings
	@tests/run --build $(B) style

# --- the benchmark --------------------------------------------------------------------------------------------
BENCH_BPF := generator sink bare
BENCH_SKELETONS := $(BENCH_BPF:%=$(B)/tests/bench/%.skel.h)
TRAFFIC := devices generator sinks failover bare traffic
TRAFFIC_OBJECTS := $(TRAFFIC:%=$(B)/tests/bench/%.o)

$(B)/tests/bench/%.bpf.o: tests/bench/%.bpf.c $(B)/.deps
	$(compile_bpf)

$(TRAFFIC_OBJECTS): | $(BENCH_SKELETONS)

$(B)/tests/bench/traffic: $(TRAFFIC_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lpthread -o $@

$(B)/tests/bench/hooks: $(B)/tests/bench/hooks.o $(call HELPERS,bpf) $(ARCHIVE)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

$(B)/tests/bench/pingpong: $(B)/tests/bench/pingpong.o $(B)/tests/bench/devices.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lpthread -o $@

bench-programs: $(addprefix $(B)/tests/bench/,traffic hooks pingpong)

bench: ## throughput, new flows, failover and costs beside the kernel's own (root); QUICK=1, ONLY="throughput failover"
	@scripts/deps --install --for bench
	@$(MAKE) --no-print-directory all bench-programs
	@$(PYTHON) -B tests/bench/run --build $(B) $(if $(QUICK),--quick) $(ONLY)

bench-vm: all bench-programs ## beside an nft flowtable, on Debian's 6.12 in a virtual machine
	@tests/bench/vm --build $(B)

.PHONY: bench bench-vm bench-programs
.PHONY: test-deps check unit-tests bpf-tests check-unit check-bpf check-cli check-net check-vm check-style
