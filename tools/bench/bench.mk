# Benchmarks; see docs/benchmarks.md.

BENCH_BUILD = $(BUILD)/bench
BENCH_TOOLS = $(BENCH_BUILD)/floor $(BENCH_BUILD)/spawn_time

# Static, as hull is: what a dynamic loader takes is not what is compared.
$(BENCH_BUILD)/%: tools/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=gnu11 -O2 $(WARN) -static -o $@ $<
