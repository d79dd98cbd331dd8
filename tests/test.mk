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

# Programs of the distribution first, then what the tests run, then the tests.
test:
	tools/install-deps.sh
	+$(MAKE) --no-print-directory -j$(JOBS) all guests linux-guest linux-tools \
		test-tools
	+tests/run
