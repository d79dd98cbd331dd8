# The tiny guests: `make guests` builds build/guests/NAME.elf, each from
# guests/NAME.c or guests/NAME.S. They are freestanding and carry none of the
# host's flags: no red zone (interrupts use the same stack), no SSE and no
# stack protector (nothing sets those up).

GUEST_CC      ?= $(CC)
GUEST_BUILD    = $(BUILD)/guests
GUEST_LIB      = start lib lib_acpi
GUEST_PARTS    = $(GUEST_LIB) smp_ap
GUEST_C        = $(filter-out $(GUEST_PARTS),\
                 $(patsubst guests/%.c,%,$(wildcard guests/*.c)))
# These two stand alone: a few bytes that run in either mode.
GUEST_S        = exit first
# No PVH note: the PVH entry has no place for a device tree.
GUEST_LONG     = fdt
GUESTS         = $(GUEST_C:%=$(GUEST_BUILD)/%.elf) \
                 $(GUEST_S:%=$(GUEST_BUILD)/%.elf)

GUEST_CFLAGS   = -std=gnu11 -Os $(WARN) -ffreestanding -fno-pic -fno-pie \
                 -mcmodel=small -mno-red-zone -mgeneral-regs-only \
                 -fno-stack-protector -fcf-protection=none \
                 -fno-asynchronous-unwind-tables -fno-jump-tables \
                 -fno-tree-loop-distribute-patterns -Wno-array-bounds \
                 -MMD -MP -Iguests
GUEST_LDFLAGS  = -nostdlib -static -no-pie -Wl,-T,guests/guest.ld \
                 -Wl,--build-id=none -Wl,-z,noexecstack \
                 -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096

.PHONY: guests
guests: $(GUESTS)

$(GUEST_BUILD)/obj/%.o: guests/%.c
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_BUILD)/obj/%.o: guests/%.S
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_BUILD)/obj/start_long.o: guests/start.S
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -DLONG_MODE_ONLY -c -o $@ $<

$(GUEST_BUILD)/smp.elf: $(GUEST_BUILD)/obj/smp_ap.o

GUEST_OBJ      = $(GUEST_LIB:%=$(GUEST_BUILD)/obj/%.o)

$(filter-out $(GUEST_LONG:%=$(GUEST_BUILD)/%.elf),\
		$(GUEST_C:%=$(GUEST_BUILD)/%.elf)): \
		$(GUEST_BUILD)/%.elf: $(GUEST_BUILD)/obj/%.o $(GUEST_OBJ) \
		guests/guest.ld
	$(GUEST_CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

$(GUEST_LONG:%=$(GUEST_BUILD)/%.elf): \
		$(GUEST_BUILD)/%.elf: $(GUEST_BUILD)/obj/%.o \
		$(GUEST_BUILD)/obj/start_long.o \
		$(filter-out %/start.o,$(GUEST_OBJ)) guests/guest.ld
	$(GUEST_CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

$(GUEST_S:%=$(GUEST_BUILD)/%.elf): $(GUEST_BUILD)/%.elf: \
		$(GUEST_BUILD)/obj/%.o guests/guest.ld
	$(GUEST_CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

-include $(wildcard $(GUEST_BUILD)/obj/*.d)
