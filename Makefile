# hull: `make` builds build/hull; `make help` lists everything else.
#
# Each folder is a layer and becomes one static archive; the link order is the
# layers' order, so that a call against the direction does not link.

BUILD    ?= build
ifeq ($(origin CC),default)
CC        = gcc
endif
OPT      ?= -O2 -g
JOBS     ?= $(shell nproc)
# V=1 shows every command.
Q         = $(if $(V),,@)
say       = $(if $(V),@:,@printf '  %-5s %s\n' $(1) $(2))

WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wpointer-arith -Wformat=2 -Wvla \
            -Wwrite-strings -Wundef -Wimplicit-fallthrough
HARDEN    = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ifeq ($(DEVELOPER),1)
WARN     += -Werror
endif

CPPFLAGS += -D_GNU_SOURCE -I.
CFLAGS   += -std=gnu11 $(OPT) $(WARN) $(HARDEN) -ffunction-sections \
            -fdata-sections -MMD -MP
# One static binary: no dynamic loader at start (start-up time), and libraries
# that are not used cost no memory.
LDFLAGS  += -static-pie -Wl,--gc-sections -Wl,-z,relro,-z,now

LAYERS    = vmm container unpack sandbox boot devices virtio io core
# Which folders make which program; the order is the linker's.
HULL      = vmm sandbox boot devices virtio io core
HULL_CT   = container sandbox core
HULL_UNPACK = unpack core
LIBS      = -ljansson -lfdt -lz -llzma -lzstd -llz4 -lbz2 -llzo2 -luring -lpthread
LIBS_CT   = -ljansson -lseccomp
LIBS_UNPACK = -larchive -lz -llzma -lzstd -llz4 -lbz2

srcs      = $(wildcard $(1)/*.c)
objs      = $(patsubst %.c,$(BUILD)/obj/%.o,$(call srcs,$(1)))
archives  = $(foreach l,$(1),$(if $(call srcs,$(l)),$(BUILD)/lib/$(l).a))

.PHONY: all
all: $(BUILD)/hull $(BUILD)/hull-ct $(BUILD)/hull-unpack \
     $(addprefix $(BUILD)/,hull.1 hull.bash hull-ct.1 hull-ct.bash)

$(BUILD)/hull: $(call archives,$(HULL))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# It runs before the C library, whose functions the compiler is not to call.
$(BUILD)/obj/sandbox/selfexe_entry.o: CFLAGS += -fno-tree-loop-distribute-patterns

$(BUILD)/hull-ct: $(call archives,$(HULL_CT))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,-e,selfexe_entry -o $@ $^ $(LIBS_CT)

$(BUILD)/hull-unpack: $(call archives,$(HULL_UNPACK))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_UNPACK)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Which hull this is; rewritten only when the repository says something else.
GIT       = LC_ALL=C git -C $(CURDIR)
COMMIT   := $(shell $(GIT) describe --always --dirty --exclude='*' 2>/dev/null)
DATE     := $(shell $(GIT) log -1 --format=%cd --date='format:%B %-d, %Y' \
	      2>/dev/null)

.PHONY: FORCE
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(COMMIT)' '$(DATE)' >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

VERSIONS = $(BUILD)/obj/vmm/version.o $(BUILD)/obj/container/version.o

$(VERSIONS): $(BUILD)/version
$(VERSIONS): CPPFLAGS += \
	$(if $(COMMIT),-DHULL_COMMIT='"-$(COMMIT)"') \
	$(if $(DATE),-DHULL_DATE='"$(DATE)"')

$(BUILD)/hull.1 $(BUILD)/hull-ct.1: %.1: %
	$(call say,GEN,$@)
	$(Q)$< man >$@.new && mv $@.new $@

$(BUILD)/hull.bash $(BUILD)/hull-ct.bash: %.bash: %
	$(call say,GEN,$@)
	$(Q)$< completion bash >$@.new && mv $@.new $@

define archive_rule
$(BUILD)/lib/$(1).a: $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call archive_rule,$(l))))

.PHONY: objects
objects: $(foreach l,$(LAYERS),$(call objs,$(l)))

PREFIX   ?= /usr/local

.PHONY: install
install: all
	install -D -m 755 $(BUILD)/hull $(DESTDIR)$(PREFIX)/bin/hull
	install -D -m 755 $(BUILD)/hull-ct $(DESTDIR)$(PREFIX)/bin/hull-ct
	ln -sf hull-ct $(DESTDIR)$(PREFIX)/bin/hull-vm
	install -D -m 755 $(BUILD)/hull-unpack $(DESTDIR)$(PREFIX)/bin/hull-unpack
	for name in hull hull-ct; do \
		install -D -m 644 $(BUILD)/$$name.1 \
			$(DESTDIR)$(PREFIX)/share/man/man1/$$name.1 && \
		install -D -m 644 $(BUILD)/$$name.bash \
			$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name || \
			exit 1; \
	done
	for name in $(wildcard $(addprefix $(BUILD)/guests/linux/,vmlinux vm.cpio)); do \
		install -D -m 644 $$name \
			$(DESTDIR)$(PREFIX)/lib/hull/$${name##*/} || exit 1; \
	done

GUEST     = $(BUILD)/guests/linux/initrd.cpio.gz

$(GUEST): guests/linux/build.sh guests/linux/init.c $(wildcard guests/vm/*) \
		core/agent.h
	guests/linux/build.sh $(@D)
	@touch $@

.PHONY: linux-guest
linux-guest: $(GUEST)

# Programs for tests inside the guest, an archive to append to its initrd.
GUEST_TOOLS = $(BUILD)/guests/linux/tools.cpio.gz

$(GUEST_TOOLS): $(addprefix guests/linux/,tools.sh netload.c kexec.c bulk.c)
	guests/linux/tools.sh $(@D)

.PHONY: linux-tools
linux-tools: $(GUEST_TOOLS)

.PHONY: deps
deps:
	@tools/install-deps.sh

# Boots the default guest to a shell prompt on this terminal.
.PHONY: run
run: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all linux-guest
	@tools/run-guest.sh $(RUN_ARGS)

.PHONY: help
help:
	@echo 'make              build/hull, build/hull-ct, man page and bash completion'
	@echo 'make run          install what is needed, build, boot Linux to a prompt'
	@echo 'make test         install what is needed, build, run every test'
	@echo 'make check        format, lint, layers, unit tests'
	@echo 'make unit         unit tests alone; UNIT=core: those of one layer'
	@echo 'make fuzz         fuzz for as long as FUZZ_SECONDS says'
	@echo 'make analyze      the slower tools: sanitizers, valgrind, -fanalyzer'
	@echo 'make bench-start  start, boot and memory against QEMU'
	@echo 'make bench-io     disk, network and console against QEMU'
	@echo 'make bench-ct     containers against crun and runc'
	@echo 'make install      PREFIX=/usr/local, DESTDIR='
	@echo 'V=1 shows commands; DEVELOPER=1 makes warnings errors'

.PHONY: clean
clean:
	rm -rf $(BUILD)/obj $(BUILD)/lib $(BUILD)/version $(BUILD)/hull \
		$(BUILD)/hull-ct $(BUILD)/hull-unpack $(BUILD)/*.1 $(BUILD)/*.bash

include guests/guests.mk
include tools/bench/bench.mk
include tools/check/check.mk
include tests/test.mk
include tests/unit/unit.mk
include tests/fuzz/fuzz.mk

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
