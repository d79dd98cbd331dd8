# `make check`: everything that gates a change and needs no guest. Each gate is
# a script beside this file and can be run alone: make check-layers.

CHECK_DIR    = $(BUILD)/check
CHECK_OBJ    = $(CHECK_DIR)/gcc/obj
CHECK_GATES  = format layers globals banned headers length warnings tidy
# What takes long, when nothing is remembered, for what it tells of a change.
CHECK_SLOW   = man shell cppcheck analyzer
CHECK_ENV    = CHECK_DIR='$(CHECK_DIR)' CHECK_CPPFLAGS='$(CPPFLAGS)' \
	       CHECK_WARN='$(filter-out -Werror,$(WARN))'

.PHONY: check gates $(CHECK_GATES:%=check-%) $(CHECK_SLOW:%=check-%) check-objects \
	check-digests
# A failing gate does not hide those behind it; the status is the worst one. One
# job more than processors, because some unit tests wait. The objects are those
# of the unit tests, lest everything be compiled twice.
check:
	+@$(MAKE) --no-print-directory -k -Otarget -j$$(($(JOBS) + 1)) \
		DEVELOPER=1 CHECK_OBJ='$(BUILD)/unit/obj' $(CHECK_GATES:%=check-%) \
		$(if $(wildcard tests/unit/unit.mk),unit)

# What `make test` runs of it: not the unit tests, which it has by themselves,
# and with the slow ones, which take minutes when nothing is remembered. In its
# optimised build gcc warns of more.
gates:
	+@$(MAKE) --no-print-directory -k -Otarget -j$(JOBS) \
		$(CHECK_GATES:%=check-%) $(CHECK_SLOW:%=check-%)

# gcc's -Werror over every layer; the symbols of the objects are also what the
# globals, layers and banned gates read, with the lines of -g1.
CHECK_MAKE = $(MAKE) --no-print-directory -s DEVELOPER=1 OPT='-O2 -g1' \
	     BUILD='$(CHECK_DIR)/gcc'

ifeq ($(CHECK_OBJ),$(BUILD)/unit/obj)
check-objects: unit-objects
else
check-objects:
	+@$(CHECK_MAKE) objects
endif

check-layers check-globals check-banned: check-%: check-objects
	@$(CHECK_ENV) tools/check/$* $(CHECK_OBJ)

# gcc's; clang's own are check-tidy's.
check-warnings: check-objects
	@echo 'check-warnings: ok'

check-man: check-objects
	+@$(CHECK_MAKE) '$(CHECK_DIR)/gcc/hull.1' '$(CHECK_DIR)/gcc/hull-ct.1'
	@$(CHECK_ENV) tools/check/man '$(CHECK_DIR)/gcc/hull.1' '$(CHECK_DIR)/gcc/hull-ct.1'

# What the gates that remember look results up by.
check-digests:
	@mkdir -p '$(CHECK_DIR)'
	@$(CHECK_ENV) tools/check/digests >'$(CHECK_DIR)/digests'

CHECK_CACHED = $(patsubst %,check-%,cppcheck tidy analyzer)
$(CHECK_CACHED): check-digests
$(CHECK_CACHED): CHECK_ENV += CHECK_DIGESTS='$(CHECK_DIR)/digests'

$(patsubst %,check-%,$(filter-out layers globals banned warnings man,\
	$(CHECK_GATES) $(CHECK_SLOW))): check-%:
	@$(CHECK_ENV) tools/check/$*

# The slower tools, for a look from time to time; none of them gates.
.PHONY: analyze
analyze:
	@$(CHECK_ENV) tools/check/analyze
