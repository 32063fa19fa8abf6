# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Where things go. RUNDIR and GROUP are compiled in: the helper takes no location
# from anybody.
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
LIBDIR = $(PREFIX)/lib
LIBEXECDIR = $(PREFIX)/libexec
SYSCONFDIR = /etc
RUNDIR = /run
DESTDIR =
GROUP = netshim
BUILD = build

CC = cc
CFLAGS = -O2 -g
WERROR =
INSTALL = install

HELPER = $(LIBEXECDIR)/netshim-helper

# Where the hook for interfaces that come and go is looked for: by ifupdown,
# NetworkManager and networkd-dispatcher.
HOOKS = $(addprefix $(SYSCONFDIR)/, network/if-up.d/netshim NetworkManager/dispatcher.d/50-netshim \
	networkd-dispatcher/routable.d/50-netshim)

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 $(WERROR)
PATHS = -DNETSHIM_RUNDIR='"$(RUNDIR)/netshim"' -DNETSHIM_HELPER='"$(HELPER)"' \
	-DNETSHIM_CONFIG='"$(SYSCONFDIR)/netshim.conf"' -DNETSHIM_GROUP='"$(GROUP)"'
# Indirect calls and returns go where they may only, where the machine can see to that.
MACHINE := $(shell $(CC) -dumpmachine)
BRANCHES = $(if $(filter x86_64%,$(MACHINE)),-fcf-protection)$(if $(filter aarch64%,$(MACHINE)),-mbranch-protection=standard)
COMMON = -std=gnu11 -D_GNU_SOURCE -I. $(WARNINGS) $(PATHS) $(BRANCHES) -fstack-clash-protection
# A distribution's own level of _FORTIFY_SOURCE stays.
FORTIFY = $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDENING = -fPIE -fstack-protector-strong $(FORTIFY)

# The shim and the helper have no libc: nothing may be generated that calls into
# one or needs its thread-local storage, whatever the builder's CFLAGS ask for.
FREESTANDING = -ffreestanding -fno-stack-protector -U_FORTIFY_SOURCE -fno-lto -fno-sanitize=all \
	-fno-asynchronous-unwind-tables -fvisibility=hidden
# The hooks stand in for functions whose headers promise what callers do not keep.
SHIM = $(FREESTANDING) -fPIC -fno-delete-null-pointer-checks -Wno-nonnull-compare -Wno-unknown-warning-option
# No relro: what is written lies in one page then, and no call protects it in every
# process. (The hooks keep pointers to functions in that page anyway.)
SHIM_LINK = -shared -nostdlib -Wl,--hash-style=gnu -Wl,-z,noseparate-code -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,now \
	-Wl,--version-script=shim/libnetshim.map -Wl,-soname,libnetshim.so
HELPER_LINK = -static -nostdlib -no-pie -Wl,-z,noseparate-code -Wl,-z,noexecstack -Wl,--build-id=none
COMMAND_LINK = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
NL_CFLAGS = -I/usr/include/libnl3
LIBS = -lconfuse -lcap-ng -lnftables -lnl-route-3 -lnl-3

# rules.c, match.c and process.c are what all three share.
SHARED = rules match process
SHIM_OBJS = $(addprefix $(BUILD)/shim/, exec.o spawn.o search.o folder.o next.o route.o aside.o spare.o start.o memory.o $(SHARED:=.o))
HELPER_OBJS = $(addprefix $(BUILD)/helper/, netshim-helper.o memory.o $(SHARED:=.o))
COMMAND_OBJS = $(patsubst conf/%.c, $(BUILD)/conf/%.o, $(filter-out conf/memory.c, $(wildcard conf/*.c)))
PRODUCTS = $(BUILD)/libnetshim.so $(BUILD)/netshim-helper $(BUILD)/netshim

build: $(PRODUCTS)

# Everything is built anew when a flag or a path changes.
FLAGS = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(COMMON) $(HARDENING) $(SHIM)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)/shim $(BUILD)/helper $(BUILD)/conf
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@
FORCE:

$(BUILD)/shim/%.o: shim/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(SHIM) -MMD -c $< -o $@
$(BUILD)/shim/%.o: conf/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(SHIM) -MMD -c $< -o $@
$(BUILD)/helper/%.o: helper/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(FREESTANDING) -fno-pie -MMD -c $< -o $@
$(BUILD)/helper/%.o: conf/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(FREESTANDING) -fno-pie -MMD -c $< -o $@
$(BUILD)/conf/%.o: conf/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(NL_CFLAGS) $(HARDENING) -MMD -c $< -o $@

$(BUILD)/libnetshim.so: $(SHIM_OBJS) shim/libnetshim.map
	$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(SHIM_LINK) $(SHIM_OBJS) -o $@
$(BUILD)/netshim-helper: $(HELPER_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(HELPER_LINK) $(HELPER_OBJS) -o $@
$(BUILD)/netshim: $(COMMAND_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) $(COMMAND_LINK) $(COMMAND_OBJS) $(LIBS) -o $@

-include $(wildcard $(BUILD)/*/*.d)

install: build
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(SYSCONFDIR)
	$(INSTALL) -m 755 $(BUILD)/netshim $(DESTDIR)$(BINDIR)/netshim
	$(INSTALL) -m 755 $(BUILD)/netshim-helper $(DESTDIR)$(HELPER)
	$(INSTALL) -m 644 $(BUILD)/libnetshim.so $(DESTDIR)$(LIBDIR)/libnetshim.so.new
	mv -f $(DESTDIR)$(LIBDIR)/libnetshim.so.new $(DESTDIR)$(LIBDIR)/libnetshim.so
	test -e $(DESTDIR)$(SYSCONFDIR)/netshim.conf || \
		$(INSTALL) -m 644 conf/netshim.conf $(DESTDIR)$(SYSCONFDIR)/netshim.conf
	for hook in $(HOOKS); do \
		$(INSTALL) -d $(DESTDIR)$${hook%/*} && \
		sed 's|@RUNDIR@|$(RUNDIR)|; s|@BINDIR@|$(BINDIR)|' scripts/interface-hook > $(DESTDIR)$$hook && \
		chmod 755 $(DESTDIR)$$hook || exit 1; \
	done
ifeq ($(DESTDIR),)
	$(BINDIR)/netshim grant
endif

# The configuration stays: it is the administrator's.
uninstall:
	if test -z '$(DESTDIR)' && test -x $(BINDIR)/netshim; then $(BINDIR)/netshim down; fi
	rm -f $(addprefix $(DESTDIR), $(HOOKS))
	rm -f $(DESTDIR)$(BINDIR)/netshim $(DESTDIR)$(HELPER) $(DESTDIR)$(LIBDIR)/libnetshim.so

check:
	scripts/install-packages build test
	tests/run $(TESTS)

# Other projects' test suites, with and without the library.
SUITES = tests/suites/*.t
check-suites:
	scripts/install-packages build test suites
	tests/run $(SUITES)

lint:
	scripts/install-packages build lint
	scripts/lint

demo:
	scripts/install-packages build test
	scripts/demo

bench:
	scripts/install-packages build test bench
	scripts/bench $(BENCH)

clean:
	rm -rf $(BUILD)

.PHONY: build install uninstall check check-suites lint demo bench clean FORCE
