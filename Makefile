# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Where things go. RUNDIR and GROUP are compiled in: the helper takes no location
# from anybody.
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
LIBDIR = $(PREFIX)/lib
LIBEXECDIR = $(PREFIX)/libexec
MANDIR = $(PREFIX)/share/man
SYSCONFDIR = /etc
RUNDIR = /run
STATEDIR = /var/lib
DESTDIR =
GROUP = netshim
BUILD = build

# The shell and make take each word for a path, and 'make uninstall' would remove that.
$(foreach name, PREFIX BINDIR LIBDIR LIBEXECDIR MANDIR SYSCONFDIR RUNDIR STATEDIR UNITDIR SHARE DESTDIR BUILD, \
	$(if $(filter 1,$(words x$($(name))x)),,$(error $(name) is '$($(name))': a folder's name can have no blank in it or around it; choose another one)))

CC = cc
CFLAGS = -O2 -g
WERROR =
INSTALL = install

HELPER = $(LIBEXECDIR)/netshim-helper
NETNS = $(LIBEXECDIR)/netshim-netns
RESCUE = $(LIBEXECDIR)/netshim-rescue
UNIT = $(LIBEXECDIR)/netshim-unit

# A library for each kind of program, all of them by $(BY_LIB)/$$LIB/libnetshim.so:
# glibc's loaders put their own folder's name for $$LIB (the 32-bit ones that of
# Debian, of its 64-bit ports, or Fedora's), musl's take it as it is written, and
# systemd's user manager, which reads /etc/environment too, puts nothing.
BY_LIB = $(LIBDIR)/netshim
LIBRARY = $(LIBDIR)/libnetshim.so
FOLDERS32 = $(if $(ARM),lib/arm-linux-gnueabihf,lib/i386-linux-gnu lib32) lib

# Where the hook for interfaces that come and go is looked for: by ifupdown,
# NetworkManager and networkd-dispatcher.
HOOKS = $(addprefix $(SYSCONFDIR)/, network/if-up.d/netshim NetworkManager/dispatcher.d/50-netshim \
	networkd-dispatcher/routable.d/50-netshim)

# Where there is no such folder, nobody looks for it.
INIT = $(SYSCONFDIR)/init.d/netshim
APT = $(SYSCONFDIR)/apt/apt.conf.d/50netshim
APPARMOR = $(SYSCONFDIR)/apparmor.d/abstractions
XSESSION = $(SYSCONFDIR)/X11/Xsession.d/89netshim

# What is in none of this installation's own folders: where there is another one, it may be that one's.
SHARED_FILES = $(addprefix $(DESTDIR), $(HOOKS) $(INIT) $(APT) $(XSESSION) $(APPARMOR)/base.d/netshim $(APPARMOR)/netshim)
whose = scripts/whose '$(DESTDIR)' '$(BINDIR) $(LIBEXECDIR) $(LIBDIR)' $(SHARED_FILES)

# systemd's. That of the net_cls hierarchy's mount has the name of its folder.
UNITDIR = $(PREFIX)/lib/systemd/system
UNITS = netshim.service:netshim.service nftables.service.d/00-netshim.conf:nftables.service.conf \
	$(subst /,-,$(RUNDIR:/%=%))-netshim-net_cls.mount.d/netshim.conf:net_cls.mount.conf
# The file that nftables.service loads here. One that does anything else gets no drop-in.
NFTABLES_UNIT = $(firstword $(wildcard $(addsuffix /systemd/system/nftables.service, /etc /usr/lib /lib)))
NFTABLES := $(if $(NFTABLES_UNIT),$(shell sed '/^ExecStart=/!d; s|^[^ ]*/nft -f \(/[^ ]*\)$$|\1|; s|^ExecStart.*|more than a file|' \
	$(NFTABLES_UNIT)),/etc/nftables.conf)
WITH_NFTABLES = $(filter 1,$(words $(NFTABLES)))
GENERATOR = $(UNITDIR:%/system=%)/system-generators/netshim
# Where systemd looks for units, it looks again.
reload_units = $(if $(DESTDIR),,$(if $(filter /usr/lib/% /usr/local/lib/% /etc/%,$(UNITDIR)), \
	test ! -d /run/systemd/system || systemctl daemon-reload))

# They name the folders above, and so do the units, the init script, the hook and the sample.
PAGES = conf/command/netshim.1 conf/netshim.conf.5 shim/libnetshim.7 helper/netshim-helper.8
NAMED = /usr/local/lib/libnetshim.so|$(LIBRARY) /usr/local/lib/|$(LIBDIR)/ /usr/local/libexec/|$(LIBEXECDIR)/ \
	/usr/local/bin/|$(BINDIR)/ /usr/local/share/|$(SHARE)/ \
	/etc/nftables.conf|$(if $(WITH_NFTABLES),$(NFTABLES),/etc/nftables.conf) /etc/netshim|$(SYSCONFDIR)/netshim \
	/run/netshim/net_cls/netshim|$(RUNDIR)/netshim/net_cls/$(GROUP) /run/netshim|$(RUNDIR)/netshim \
	/var/lib/netshim|$(STATEDIR)/netshim
# Each becomes what no other one is found in, before any becomes a folder.
named = $(firstword $(subst |, ,$(1)))
mark = @$(subst /,@,$(call named,$(1)))@
NAME_FOLDERS = $(foreach pair,$(NAMED),s|$(call named,$(pair))|$(call mark,$(pair))|g;) \
	$(foreach pair,$(NAMED),s|$(call mark,$(pair))|$(lastword $(subst |, ,$(pair)))|g;)

# Where each shell looks for what it completes after a command's name.
SHARE = $(PREFIX)/share
COMPLETIONS = bash-completion/completions/netshim:netshim.bash zsh/site-functions/_netshim:_netshim \
	fish/vendor_completions.d/netshim.fish:netshim.fish
POLICIES = $(wildcard conf/policies/*.conf)

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 $(WERROR)
PATHS = -DNETSHIM_RUNDIR='"$(RUNDIR)/netshim"' -DNETSHIM_HELPER='"$(HELPER)"' -DNETSHIM_STATEDIR='"$(STATEDIR)/netshim"' \
	-DNETSHIM_CONFIG='"$(SYSCONFDIR)/netshim.conf"' -DNETSHIM_GROUP='"$(GROUP)"' -DNETSHIM_LIBRARY='"$(LIBRARY)"' \
	-DNETSHIM_BY_LIB='"$(BY_LIB)"' -DNETSHIM_RESCUE='"$(RESCUE)"' -DNETSHIM_NETNS='"$(NETNS)"' \
	-DNETSHIM_UNIT='"$(UNIT)"'
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
# The compiler knows best which options it has for a machine. -fcf-protection and
# -mbranch-protection: indirect calls and returns go where they may only.
# -mno-outline-atomics: gcc calls functions of libgcc.a for atomics, and those look for
# what glibc's start has found out.
known = $(foreach option, -fstack-clash-protection -fcf-protection -mbranch-protection=standard -mno-outline-atomics, \
	$(shell $(1) -Werror $(option) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(option)))
KNOWN := $(call known,$(CC))
COMMON = -std=gnu11 -D_GNU_SOURCE -I. $(WARNINGS) $(PATHS) $(KNOWN)
# A distribution's own level of _FORTIFY_SOURCE stays.
FORTIFY = $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDENING = -fPIE -fstack-protector-strong $(FORTIFY)

# The shim and the helper have no libc: nothing may be generated that calls into
# one or needs its thread-local storage, whatever the builder's CFLAGS ask for.
FREESTANDING = -ffreestanding -fno-stack-protector -U_FORTIFY_SOURCE -fno-lto -fno-sanitize=all \
	-fno-asynchronous-unwind-tables -fvisibility=hidden -ffunction-sections
# The hooks stand in for functions whose headers promise what callers do not keep.
SHIM = $(FREESTANDING) -fPIC -fno-delete-null-pointer-checks -Wno-nonnull-compare -Wno-unknown-warning-option
# No relro: no function is called by what it would make read-only (shim/next.c), and it costs each start 2 %.
# And first: the check at start comes before constructors of other libraries.
SHIM_LINK = -shared -nostdlib -Wl,--gc-sections -Wl,--hash-style=gnu -Wl,-z,noseparate-code -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,now \
	-Wl,-z,initfirst -Wl,--version-script=shim/libnetshim.map -Wl,-soname,libnetshim.so
# Its code lies just beneath where the stack may be: the kernel makes fewer page tables.
NEAR_STACK_x86_64 = -Wl,-Ttext-segment=0x7ff000000000
HELPER_LINK = -static -nostdlib -Wl,--gc-sections -no-pie $(NEAR_STACK_$(firstword $(subst -, ,$(MACHINE)))) -Wl,-z,noseparate-code -Wl,-z,noexecstack
COMMAND_LINK = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
NL_CFLAGS = -I/usr/include/libnl3
LIBS = -lconfuse -lcap-ng -lnetfilter_log -lnftables -ljansson -lncursesw -ltinfo -lnl-route-3 -lnl-3 -lresolv -lidn2

# All that the library takes from libc. With one name more that its process does not
# have, the loader would end every program, a login of root's as well; so a product
# that needs one is not made.
FROM_LIBC = __environ _r_debug _dl_debug_addr
needs_only = symbols=$$(readelf -sW $@) || exit 1; \
	more=$$(printf '%s\n' "$$symbols" | sed -n 's/.* UND \([^ @][^ @]*\).*/\1/p' | sort -u | grep -vx $(addprefix -e ,'' $(1))); \
	test -z "$$more" || { echo "$@: no program could start with it: it needs" $$more >&2; exit 1; }
.DELETE_ON_ERROR:

# What all three share.
SHARED = rules match walk with process sys
SHIM_OBJS = $(addprefix $(BUILD)/shim/, exec.o spawn.o search.o actions.o next.o route.o program.o aside.o spare.o start.o memory.o $(SHARED:=.o))
HELPER_OBJS = $(addprefix $(BUILD)/helper/, netshim-helper.o privilege.o netns.o memory.o $(SHARED:=.o))
NETNS_OBJS = $(addprefix $(BUILD)/helper/, netshim-netns.o privilege.o netns.o memory.o $(SHARED:=.o))
UNIT_OBJS = $(addprefix $(BUILD)/helper/, netshim-unit.o memory.o sys.o)
RESCUE_OBJS = $(addprefix $(BUILD)/helper/, netshim-rescue.o memory.o sys.o)
COMMAND_OBJS = $(patsubst %.c, $(BUILD)/%.o, $(filter-out conf/contract/memory.c, $(wildcard conf/*/*.c)))
PRODUCTS = $(BUILD)/libnetshim.so $(BUILD)/netshim-helper $(BUILD)/netshim-netns $(BUILD)/netshim-rescue $(BUILD)/netshim-unit $(BUILD)/netshim

# 32-bit programs load a library of their own, where a compiler can build it (Debian:
# gcc-multilib; on arm64 gcc-arm-linux-gnueabihf, whose r7 has to be free, as it is in
# ARM code). LIB32= builds none.
ARM = $(filter aarch64%,$(MACHINE))
CC32 = $(if $(ARM),arm-linux-gnueabihf-gcc -marm,$(CC) -m32)
LIB32 := $(shell $(CC32) $(CPPFLAGS) $(CFLAGS) -shared -fPIC -nostdlib -include sys/syscall.h -x c /dev/null -x none -lgcc \
	-o /dev/null 2>/dev/null && echo $(BUILD)/libnetshim32.so)
SHIM32 = $(if $(ARM),,-mno-sse)
SHIM32_OBJS = $(SHIM_OBJS:$(BUILD)/shim/%=$(BUILD)/shim32/%)
$(SHIM32_OBJS): KNOWN := $(if $(LIB32),$(call known,$(CC32)))

build: $(PRODUCTS) $(LIB32)

# Everything is built anew when a flag, a path or this file changes.
FLAGS = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(COMMON) $(shell cksum <Makefile)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)/shim $(BUILD)/shim32 $(BUILD)/helper $(addprefix $(BUILD)/, $(wildcard conf/*/))
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@
FORCE:

$(BUILD)/shim/%.o: shim/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(SHIM) -MMD -c $< -o $@
$(BUILD)/shim/%.o: conf/contract/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(SHIM) -MMD -c $< -o $@
$(BUILD)/shim32/%.o: shim/%.c $(BUILD)/flags
	$(CC32) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(SHIM) $(SHIM32) -MMD -c $< -o $@
$(BUILD)/shim32/%.o: conf/contract/%.c $(BUILD)/flags
	$(CC32) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(SHIM) $(SHIM32) -MMD -c $< -o $@
$(BUILD)/helper/%.o: helper/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(FREESTANDING) -fpie -MMD -c $< -o $@
$(BUILD)/helper/%.o: conf/contract/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(FREESTANDING) -fpie -MMD -c $< -o $@
$(BUILD)/conf/%.o: conf/%.c $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMON) $(NL_CFLAGS) $(HARDENING) -MMD -c $< -o $@

$(BUILD)/libnetshim.so: $(SHIM_OBJS) shim/libnetshim.map
	$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(SHIM_LINK) $(SHIM_OBJS) -o $@
	@$(call needs_only,$(FROM_LIBC))
$(BUILD)/libnetshim32.so: $(SHIM32_OBJS) shim/libnetshim.map
	$(CC32) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(SHIM_LINK) $(SHIM32_OBJS) -lgcc -o $@
	@$(call needs_only,$(FROM_LIBC))
$(BUILD)/netshim-helper: $(HELPER_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(HELPER_LINK) $(HELPER_OBJS) -o $@
	@$(call needs_only)
$(BUILD)/netshim-netns: $(NETNS_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(HELPER_LINK) $(NETNS_OBJS) -o $@
	@$(call needs_only)
$(BUILD)/netshim-rescue: $(RESCUE_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(HELPER_LINK) $(RESCUE_OBJS) -o $@
	@$(call needs_only)
$(BUILD)/netshim-unit: $(UNIT_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -fno-lto -fno-sanitize=all $(HELPER_LINK) $(UNIT_OBJS) -o $@
	@$(call needs_only)
$(BUILD)/netshim: $(COMMAND_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) $(COMMAND_LINK) $(COMMAND_OBJS) $(LIBS) -o $@

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/conf/*/*.d)

# Where it is written that the library, which programs may still load, goes at the next boot.
LEFT = $(SYSCONFDIR)/tmpfiles.d/netshim-left$(subst /,-,$(LIBDIR)).conf
# Whoever has said so of these: it is installed again.
keep_library = sed -i '\,^[rR]! \($(BY_LIB)\(/.*\)\?\|$(LIBDIR)/libnetshim.so\)$$,d' $(SYSCONFDIR)/tmpfiles.d/netshim-left*.conf 2>/dev/null

# Each file is written beside the one that is there, and takes its place by rename:
# programs are started meanwhile, and at no moment one is missing, half there or without
# what it needs. Helper, library, command and rules come in this order, as each
# understands best what is older than itself; wherever 'make install' is ended, what is
# there by then works.
folder = { test -d "$(1)" || $(INSTALL) -d "$(1)"; }
put = target="$(DESTDIR)$(3)" && $(call folder,$${target%/*}) && $(INSTALL) -m $(1) $(2) "$$target.new" && mv -f "$$target.new" "$$target"
# Texts name the folders. Who reads all files of a folder passes over a backup (AppArmor, apt, NetworkManager).
put_text = target="$(DESTDIR)$(3)" && $(call folder,$${target%/*}) && sed '$(NAME_FOLDERS)' $(2) > "$$target.new~" && \
	chmod $(1) "$$target.new~" && mv -f "$$target.new~" "$$target"

# 64-bit programs may have the folder that is 32-bit ones' elsewhere (Arch Linux: lib): it is never put there.
put_lib32 = library="$(BY_LIB)/$$other/libnetshim.so"; \
	$(if $(LIB32),$(call put,644,$(LIB32),$$library),test ! -e "$(DESTDIR)$$library" || \
	echo "netshim: $$library stays as it is: no library for 32-bit programs has been built" >&2)

# Before anything is replaced, libraries and helper are tried where they will be.
TRIED = $(addprefix $(DESTDIR), $(LIBDIR)/libnetshim.so.new $(BY_LIB)/lib/libnetshim.so.new $(HELPER).new $(NETNS).new)
or_nothing = || { rm -f $(TRIED); exit 1; }
try_library = $(call folder,$(DESTDIR)$(2)) && $(INSTALL) -m 644 $(1) $(DESTDIR)$(2)/libnetshim.so.new && \
	scripts/try-start $(DESTDIR)$(2)/libnetshim.so.new $(BUILD) $(3) $(or_nothing)
# By hand, they do nothing.
try_helper = $(1).new 2>/dev/null; test $$? -eq 125 || { echo "netshim: nothing has been installed: $(1).new does not run" >&2; false; }
put_new = $(call folder,$(LIBEXECDIR)) && $(INSTALL) -m 755 $(BUILD)/$(notdir $(1)) $(1).new && { $(try_helper); }

install: build
	@$(whose) | while read -r whose file; do test "$$whose" = own || { \
		echo "netshim: nothing has been installed: $$file is of another installation, whose $$whose is there: uninstall that first" >&2; exit 1; }; \
	done
	@$(call try_library,$(BUILD)/libnetshim.so,$(LIBDIR),$(CC))
	$(if $(LIB32),@$(call try_library,$(LIB32),$(BY_LIB)/lib,$(CC32)))
ifeq ($(DESTDIR),)
	@$(call put_new,$(HELPER)) && $(call put_new,$(NETNS)) && $(BUILD)/netshim grant $(HELPER).new $(NETNS).new $(or_nothing)
else
	$(call put,755,$(BUILD)/netshim-helper,$(HELPER))
	$(call put,755,$(BUILD)/netshim-netns,$(NETNS))
endif
	mv -f "$(DESTDIR)$(LIBDIR)/libnetshim.so.new" "$(DESTDIR)$(LIBDIR)/libnetshim.so"
	$(call put,644,$(BUILD)/libnetshim.so,$(BY_LIB)/\$$LIB/libnetshim.so)
	$(call put,644,$(BUILD)/libnetshim.so,$(BY_LIB)/libnetshim.so)
	folder=$$(scripts/library-folder $(BUILD)/netshim $(CC)) || exit 1; \
	for other in $(FOLDERS32); do test "$$other" = "$$folder" || { $(put_lib32); } || exit 1; done; \
	test -z "$$folder" || { $(call put,644,$(BUILD)/libnetshim.so,$(BY_LIB)/$$folder/libnetshim.so); }
	$(call put,755,$(BUILD)/netshim,$(BINDIR)/netshim)
	test -e $(DESTDIR)$(SYSCONFDIR)/netshim.conf || test -h $(DESTDIR)$(SYSCONFDIR)/netshim.conf || { $(call put_text,644,conf/netshim.conf,$(SYSCONFDIR)/netshim.conf); }
	for hook in $(HOOKS); do $(call put_text,755,scripts/interface-hook,$$hook) || exit 1; done
	$(call put_text,755,scripts/netshim-nftables,$(LIBEXECDIR)/netshim-nftables)
	$(call put_text,755,scripts/netshim-packages,$(LIBEXECDIR)/netshim-packages)
	test ! -d $(DESTDIR)$(dir $(APT)) || { $(call put_text,644,scripts/apt.conf,$(APT)); }
	test ! -d $(DESTDIR)$(dir $(XSESSION)) || { $(call put_text,644,scripts/xsession,$(XSESSION)); }
	test ! -d $(DESTDIR)$(APPARMOR) || { $(call put_text,644,scripts/apparmor/base,$(APPARMOR)/base.d/netshim) && \
		$(call put_text,644,scripts/apparmor/netshim,$(APPARMOR)/netshim); }
	test ! -d $(DESTDIR)$(dir $(INIT)) || { $(call put_text,755,scripts/netshim.init,$(INIT)); }
	$(call put,755,$(BUILD)/netshim-rescue,$(RESCUE))
	$(call put,755,$(BUILD)/netshim-unit,$(UNIT))
	$(call put_text,755,scripts/netshim-generator,$(GENERATOR))
	for unit in $(if $(WITH_NFTABLES),$(UNITS),$(filter-out nftables%,$(UNITS))); do $(call put_text,644,scripts/$${unit#*:},$(UNITDIR)/$${unit%:*}) || exit 1; done
# As it was called before.
	rm -f $(DESTDIR)$(UNITDIR)/nftables.service.d/netshim.conf
	$(if $(WITH_NFTABLES),,@rm -f $(DESTDIR)$(UNITDIR)/nftables.service.d/00-netshim.conf; \
		echo "netshim: nftables.service gets no drop-in, as it does more than load a file: see netshim(1), nftables.service" >&2)
	for page in $(PAGES); do $(call put_text,644,$$page,$(MANDIR)/man$${page##*.}/$${page##*/}) || exit 1; done
	for policy in $(POLICIES); do $(call put_text,644,$$policy,$(SHARE)/netshim/$${policy##*/}) || exit 1; done
	for completion in $(COMPLETIONS); do \
		$(call put,644,scripts/completions/$${completion#*:},$(SHARE)/$${completion%:*}) || exit 1; \
	done
ifeq ($(DESTDIR),)
	rm -f $(LEFT); $(keep_library) || true
	$(reload_units)
	@scripts/reload-after-install $(BINDIR)/netshim $(RUNDIR)/netshim/rules
endif

# The configuration stays: it is the administrator's.
uninstall:
	if test -z '$(DESTDIR)' && test -x $(BINDIR)/netshim; then $(BINDIR)/netshim disable && $(BINDIR)/netshim down; fi
	$(whose) | while read -r whose file; do test "$$whose" != own || rm -f "$$file"; done
	rm -f $(addsuffix .new, $(SHARED_FILES)) $(addsuffix .new~, $(SHARED_FILES))
	rm -f $(addprefix $(DESTDIR), $(UNIT) $(GENERATOR))
	rm -f $(foreach unit, $(UNITS), $(DESTDIR)$(UNITDIR)/$(firstword $(subst :, ,$(unit))))
	rm -f $(DESTDIR)$(UNITDIR)/nftables.service.d/netshim.conf
	rmdir $(foreach unit, $(UNITS), $(dir $(DESTDIR)$(UNITDIR)/$(firstword $(subst :, ,$(unit))))) 2>/dev/null || true
	rm -f $(foreach page, $(PAGES), $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
	rm -rf $(DESTDIR)$(SHARE)/netshim
	rm -f $(foreach completion, $(COMPLETIONS), $(DESTDIR)$(SHARE)/$(firstword $(subst :, ,$(completion))))
	rm -f $(DESTDIR)$(BINDIR)/netshim $(addprefix $(DESTDIR)$(LIBEXECDIR)/, netshim-nftables netshim-packages) $(DESTDIR)$(RESCUE) $(DESTDIR)$(HELPER) $(DESTDIR)$(NETNS) $(TRIED)
	$(if $(DESTDIR),,command -v netshim >/dev/null || )rm -rf $(DESTDIR)$(STATEDIR)/netshim
	@$(if $(DESTDIR),rm -rf,scripts/leave-library $(LEFT)) $(addprefix $(DESTDIR), $(BY_LIB) $(LIBDIR)/libnetshim.so)
	$(reload_units)

check:
	scripts/install-packages build test tools 32bit kernel package
	tests/run $(TESTS)

# In booted machines: "make check-machines MACHINES=trixie TESTS=tests/exec.t".
check-machines:
	scripts/install-packages machines
	tests/machines/run "$(MACHINES)" $(TESTS)

# What shows how a program is executed, as on kernels that can be asked less about it.
HOW = $(addprefix tests/, exec.t spawn.t matrix.t swap.t callers.t promise.t privilege.t attack.t netns.t)
check-older:
	for kernel in 6.13 6.7; do NETSHIM_KERNEL=$$kernel NETSHIM_SLOW=10 MATRIX_EVERY=1 tests/run $(HOW) || exit 1; done

# Other projects' test suites, with and without the library.
SUITES = tests/suites/*.t
check-suites:
	scripts/install-packages build test && scripts/install-packages suites
	tests/run $(SUITES)

lint:
	scripts/install-packages build lint
	scripts/lint

demo:
	scripts/install-packages build test
	scripts/demo

# Draws anew what README.md shows of a session.
picture:
	scripts/install-packages build test tools
	scripts/picture

bench:
	scripts/install-packages build test bench
	scripts/bench $(BENCH)

# The last commit, and of one commit always the same bytes: whatever git is set to here.
DIST_GIT = git -c tar.umask=0022 -c core.autocrlf=false -c core.attributesFile=/dev/null
DIST = netshim-$(shell git show HEAD:conf/contract/version.h | sed -n 's/^\#define NETSHIM_VERSION "\(.*\)"$$/\1/p')
dist:
	@test -e .git || { echo "make dist needs a clone of the repository" >&2; exit 1; }
	@git diff --quiet HEAD || echo "make dist: what is not committed is not in it" >&2
	@mkdir -p $(BUILD)
	$(DIST_GIT) archive --format=tar --prefix=$(DIST)/ -o $(BUILD)/$(DIST).tar HEAD
	gzip -9nf $(BUILD)/$(DIST).tar

deb:
	scripts/install-packages build 32bit package
	scripts/deb

rpm arch:
	scripts/install-packages build package
	scripts/$@

clean:
	rm -rf $(BUILD)

.PHONY: build install uninstall check check-older check-machines check-suites lint demo picture bench dist deb rpm arch clean FORCE
