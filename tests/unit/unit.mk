# `make unit`: the unit tests, each a program tests/unit/test_FOLDER_THING.c
# that links its folder's archive and those which that folder may call, and
# nothing above. Everything is compiled anew with sanitizers, and not optimised:
# with -O1 gcc takes twice as long over them, more than the tests then save. Of
# debug information there is what a sanitizer's report needs.
#
#	make unit UNIT=core		those whose names contain "core"
#	make unit SANITIZE=thread BUILD=build/tsan
#	make unit SANITIZE= UNIT_RUN='valgrind -q' BUILD=build/valgrind

SANITIZE      ?= address,undefined
UNIT_BUILD     = $(BUILD)/unit
# Without -Wwrite-strings: main's argv is not const, and tests make many.
UNIT_CFLAGS    = -std=gnu11 -O0 -g1 $(filter-out -Wwrite-strings,$(WARN)) \
		 -fno-omit-frame-pointer $(if $(SANITIZE),-fsanitize=$(SANITIZE) \
		 -fno-sanitize-recover=all) -MMD -MP

# As in tools/check/layers.txt; devices/ sees of io/ one contract, and a test
# that brings its own half of it keeps the archive's out.
UNIT_core      = core
UNIT_io        = io core
UNIT_virtio    = virtio io core
UNIT_devices   = devices io core
UNIT_boot      = boot core
UNIT_sandbox   = sandbox core
UNIT_container = container sandbox core
UNIT_vmm       = $(HULL)

# Those that wait for time to pass come first, while others are compiled.
UNIT_WAITING   = test_virtio_net_receive test_virtio_net_send test_io_iothread \
		 test_io_batch
UNIT_ALL       = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*$(UNIT)*.c))
UNIT_TESTS     = $(filter $(UNIT_WAITING),$(UNIT_ALL)) \
		 $(filter-out $(UNIT_WAITING),$(UNIT_ALL))
UNIT_PROGRAMS  = $(UNIT_TESTS:%=$(UNIT_BUILD)/%)
unit_layer     = $(word 2,$(subst _, ,$(1)))
unit_objs      = $(patsubst %.c,$(UNIT_BUILD)/obj/%.o,\
		 $(filter-out vmm/main.c container/main.c,$(call srcs,$(1))))
unit_archives  = $(foreach l,$(UNIT_$(call unit_layer,$(1))),\
		 $(if $(call srcs,$(l)),$(UNIT_BUILD)/lib/$(l).a))

define unit_archive_rule
$(UNIT_BUILD)/lib/$(1).a: $(call unit_objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call unit_archive_rule,$(l))))

$(UNIT_BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_BUILD)/obj/vmm/version.o $(UNIT_BUILD)/obj/container/version.o: \
		$(BUILD)/version

define unit_program_rule
$(UNIT_BUILD)/$(1): $(UNIT_BUILD)/obj/tests/unit/$(1).o \
		$(call unit_archives,$(1))
	@$(CC) $(UNIT_CFLAGS) -o $$@ $$^ -lcheck -lsubunit -lm -lrt $(LIBS) -lseccomp

.PHONY: unit-$(1)
unit-$(1): $(UNIT_BUILD)/$(1)
	@CK_TIMEOUT_MULTIPLIER=5 $(UNIT_RUN) $$<
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_program_rule,$(t))))

# Of the layers, the programs' main included.
.PHONY: unit-objects
unit-objects: $(patsubst %.c,$(UNIT_BUILD)/obj/%.o,$(foreach l,$(LAYERS),$(call srcs,$(l))))

.PHONY: unit
unit: $(UNIT_TESTS:%=unit-%)

-include $(wildcard $(UNIT_BUILD)/obj/*/*.d $(UNIT_BUILD)/obj/tests/unit/*.d)
