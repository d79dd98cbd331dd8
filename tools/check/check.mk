# `make check`: everything that gates a change and needs no guest. Each gate is
# a script beside this file and can be run alone: make check-layers.

CHECK_DIR    = $(BUILD)/check
CHECK_OBJ    = $(CHECK_DIR)/gcc/obj
CHECK_GATES  = format layers globals banned headers length shell warnings \
	       cppcheck tidy man
CHECK_ENV    = CHECK_DIR='$(CHECK_DIR)' CHECK_CPPFLAGS='$(CPPFLAGS)' \
	       CHECK_WARN='$(filter-out -Werror,$(WARN))'

.PHONY: check gates $(CHECK_GATES:%=check-%) check-analyzer check-objects
# A failing gate does not hide those behind it; the status is the worst one.
check:
	+@$(MAKE) --no-print-directory -k -Otarget -j$(JOBS) \
		$(CHECK_GATES:%=check-%) \
		$(if $(wildcard tests/unit/unit.mk),unit)

# What `make test` runs of it: not the unit tests, which it has by themselves,
# and with the analyzer, which takes minutes when nothing is remembered.
gates:
	+@$(MAKE) --no-print-directory -k -Otarget -j$(JOBS) \
		$(CHECK_GATES:%=check-%) check-analyzer

# gcc's -Werror over every layer; the symbols of these objects are also what
# the globals, layers and banned gates read.
check-objects:
	+@$(MAKE) --no-print-directory -s DEVELOPER=1 \
		BUILD='$(CHECK_DIR)/gcc' objects

check-layers check-globals check-banned: check-%: check-objects
	@$(CHECK_ENV) tools/check/$* $(CHECK_OBJ)

check-warnings: check-objects
	@$(CHECK_ENV) tools/check/warnings

check-man:
	+@$(MAKE) --no-print-directory -s $(BUILD)/hull.1
	@$(CHECK_ENV) tools/check/man $(BUILD)/hull.1

check-analyzer $(filter-out check-layers check-globals check-banned check-warnings check-man,\
	$(CHECK_GATES:%=check-%)): check-%:
	@$(CHECK_ENV) tools/check/$*

# The slower tools, for a look from time to time; none of them gates.
.PHONY: analyze
analyze:
	@$(CHECK_ENV) tools/check/analyze
