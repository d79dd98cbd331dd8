# Benchmarks; see docs/benchmarks.md. BENCH passes options on:
# make bench-start BENCH='--rounds 50 --boots 5'

BENCH_BUILD = $(BUILD)/bench
BENCH_TOOLS = $(BENCH_BUILD)/floor $(BENCH_BUILD)/spawn_time

.PHONY: bench-start
bench-start: all guests $(BENCH_TOOLS) \
		$(if $(filter start,$(BENCH)),,linux-guest)
	tools/bench/bench-start $(BENCH)

# Static, as hull is: what a dynamic loader takes is not what is compared.
$(BENCH_BUILD)/%: tools/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 -O2 $(WARN) -static -o $@ $<

.PHONY: bench-io
bench-io: all linux-guest linux-tools
	tools/bench/bench-io $(BENCH)

.PHONY: bench-path
bench-path: all guests
	tools/bench/bench-path $(BENCH)

.PHONY: bench-ct
bench-ct: $(BUILD)/hull-ct $(addprefix $(BENCH_BUILD)/,spawn_time ct_floor true pause)
	tools/bench/bench-ct $(BENCH)
