# `make fuzz-smoke`: each harness tests/fuzz/fuzz_NAME.c for a few seconds over
# its kept corpus, tests/fuzz/corpus/NAME. libFuzzer, so clang.
#
#	make fuzz FUZZ=elf FUZZ_SECONDS=3600	one of them for long
#
# What it finds by itself stays in build/fuzz; inputs worth keeping are copied
# to the corpus by hand.

FUZZ_SECONDS  ?= 8
FUZZ_BUILD     = $(BUILD)/fuzz
FUZZ_CC       ?= clang
FUZZ_CFLAGS    = -std=gnu11 -O1 -g -fno-omit-frame-pointer \
		 -Wno-gnu-variable-sized-type-not-at-end \
		 -fsanitize=fuzzer-no-link,address,undefined \
		 -fno-sanitize-recover=all -MMD -MP
FUZZ_NAMES     = $(patsubst tests/fuzz/fuzz_%.c,%,\
		 $(wildcard tests/fuzz/fuzz_*$(FUZZ)*.c))
FUZZ_OBJS      = $(foreach l,$(HULL),$(patsubst %.c,$(FUZZ_BUILD)/obj/%.o,\
		 $(filter-out vmm/main.c,$(call srcs,$(l)))))

# What unpacks images is a program of its own.
FUZZ_OBJS     += $(addprefix $(FUZZ_BUILD)/obj/unpack/,layer.o name.o)

$(FUZZ_BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -c -o $@ $<

$(FUZZ_BUILD)/obj/vmm/version.o: $(BUILD)/version

# Harnesses ct_NAME are hull-ct's.
FUZZ_CT_OBJS   = $(foreach l,$(HULL_CT),$(patsubst %.c,$(FUZZ_BUILD)/obj/%.o,\
		 $(filter-out container/main.c,$(call srcs,$(l)))))

$(FUZZ_BUILD)/obj/container/version.o: $(BUILD)/version

$(FUZZ_BUILD)/ct.a: $(FUZZ_CT_OBJS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(FUZZ_BUILD)/fuzz_ct_%: $(FUZZ_BUILD)/obj/tests/fuzz/fuzz_ct_%.o $(FUZZ_BUILD)/ct.a
	@$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS_CT)

# An archive, so that a harness links only what it calls.
$(FUZZ_BUILD)/all.a: $(FUZZ_OBJS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(FUZZ_BUILD)/fuzz_%: $(FUZZ_BUILD)/obj/tests/fuzz/fuzz_%.o $(FUZZ_BUILD)/all.a
	@$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS) -larchive

.SECONDARY: $(FUZZ_NAMES:%=$(FUZZ_BUILD)/obj/tests/fuzz/fuzz_%.o) \
	$(FUZZ_NAMES:%=$(FUZZ_BUILD)/fuzz_%)

.PHONY: fuzz fuzz-smoke
fuzz fuzz-smoke: $(FUZZ_NAMES:%=fuzz-run-%)

fuzz-run-%: $(FUZZ_BUILD)/fuzz_%
	@tests/fuzz/run-one $* $(FUZZ_SECONDS) $(FUZZ_BUILD)

-include $(wildcard $(FUZZ_BUILD)/obj/*/*.d $(FUZZ_BUILD)/obj/tests/fuzz/*.d)
