# `make test`: everything that is tested, see tests/run.

TEST_TOOLS = $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,\
	       $(wildcard tests/tools/*.c))

$(BUILD)/tests/tools/%: tests/tools/%.c $(BUILD)/lib/core.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/lib/core.a

-include $(TEST_TOOLS:=.d)

.PHONY: test test-tools
test-tools: $(TEST_TOOLS)

# Kernels that others wrote, see tests/integration/kernels.sh.
FOREIGN = $(BUILD)/guests/foreign

$(FOREIGN): tools/foreign-kernels.sh
	$< "$${HULL_CACHE:-$(BUILD)/cache}" $@
	@touch $@

# Debian's installer is 133 MB, the symbols of its kernel 283: only on demand.
$(BUILD)/guests/installer: tools/foreign-kernels.sh
	$< --installer "$${HULL_CACHE:-$(BUILD)/cache}" $@
	@touch $@

$(BUILD)/guests/symbols: tools/foreign-kernels.sh | linux-guest
	$< --symbols "$$(cat '$(BUILD)/guests/linux/kernel/version')" \
		"$${HULL_CACHE:-$(BUILD)/cache}" $@
	@touch $@

.PHONY: foreign-kernels debian-installer debian-symbols
foreign-kernels: $(FOREIGN)
debian-installer: $(BUILD)/guests/installer
debian-symbols: $(BUILD)/guests/symbols

# Programs of the distribution first, then what the tests run, then the tests.
test:
	tools/install-deps.sh
	+$(MAKE) --no-print-directory -j$(JOBS) all guests linux-guest linux-tools \
		foreign-kernels test-tools
	+tests/run
