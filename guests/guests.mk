# The tiny guests: `make guests` builds build/guests/NAME.elf, each from
# guests/NAME.c or guests/NAME.S. They are freestanding and carry none of the
# host's flags: no red zone (interrupts use the same stack), no SSE and no
# stack protector (nothing sets those up).

GUEST_CC      ?= $(CC)
GUEST_BUILD    = $(BUILD)/guests
GUEST_LIB      = start lib lib_acpi
# What drives virtio devices.
GUEST_VIRTIO   = lib_user lib_virtio lib_vring lib_blk
GUEST_PARTS    = $(GUEST_LIB) $(GUEST_VIRTIO) lib_kvmclock smp_ap
GUEST_DRIVERS  = $(filter blk-% irq net rng,$(GUEST_C))
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

# The bare kernels, each for its own way in. 32-bit code and real mode's are
# the compiler's without any library.
BARE           = multiboot.elf multiboot-addresses.bin multiboot2.elf \
                 multiboot2-anywhere.elf real.bin flat.bin
BARE_CFLAGS    = $(filter-out -mcmodel=small -mno-red-zone,$(GUEST_CFLAGS)) \
                 -march=i386 -mno-sse
BARE_LDFLAGS   = -nostdlib -static -no-pie -Wl,--build-id=none \
                 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
                 -Wl,-z,max-page-size=4096
BARE_BUILD     = $(GUEST_BUILD)/bare

.PHONY: guests
guests: $(GUESTS) $(BARE:%=$(BARE_BUILD)/%)

# bare_kernel NAME SOURCE SCRIPT FLAGS
define bare_kernel
$(BARE_BUILD)/$(1): guests/bare/$(2) guests/bare/bare.h guests/exit_value.h \
		guests/bare/$(3)
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(GUEST_CC) $(4) $$(BARE_CFLAGS) -MF $$@.d $$(BARE_LDFLAGS) \
		-Wl,-T,guests/bare/$(3) -o $$@ $$<
endef
$(eval $(call bare_kernel,multiboot.elf,multiboot.c,kernel.ld,-m32))
$(eval $(call bare_kernel,multiboot2.elf,multiboot2.c,kernel.ld,-m32))
$(eval $(call bare_kernel,multiboot2-anywhere.elf,multiboot2.c,kernel.ld,\
	-m32 -DMULTIBOOT_RELOCATABLE))
$(BARE_BUILD)/multiboot2-anywhere.elf: BARE_CFLAGS += -fpie -fvisibility=hidden
$(eval $(call bare_kernel,multiboot-addresses.elf,multiboot.c,kernel.ld,\
	-m32 -DMULTIBOOT_ADDRESSES))
$(eval $(call bare_kernel,real.elf,real.c,real.ld,-m16))

$(BARE_BUILD)/flat.elf: guests/bare/flat.S guests/exit_value.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -MF $@.d $(BARE_LDFLAGS) -o $@ $<

$(BARE_BUILD)/%.bin: $(BARE_BUILD)/%.elf
	$(Q)objcopy -O binary $< $@

$(GUEST_BUILD)/obj/%.o: guests/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_BUILD)/obj/%.o: guests/%.S
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_BUILD)/obj/start_long.o: guests/start.S
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -DLONG_MODE_ONLY -c -o $@ $<

$(GUEST_BUILD)/smp.elf: $(GUEST_BUILD)/obj/smp_ap.o
$(GUEST_BUILD)/timer.elf $(GUEST_BUILD)/blk-bench.elf $(GUEST_BUILD)/rtc.elf: \
		$(GUEST_BUILD)/obj/lib_kvmclock.o
$(GUEST_DRIVERS:%=$(GUEST_BUILD)/%.elf): \
		$(GUEST_VIRTIO:%=$(GUEST_BUILD)/obj/%.o)

GUEST_OBJ      = $(GUEST_LIB:%=$(GUEST_BUILD)/obj/%.o)

$(filter-out $(GUEST_LONG:%=$(GUEST_BUILD)/%.elf),\
		$(GUEST_C:%=$(GUEST_BUILD)/%.elf)): \
		$(GUEST_BUILD)/%.elf: $(GUEST_BUILD)/obj/%.o $(GUEST_OBJ) \
		guests/guest.ld
	$(call say,LD,$@)
	$(Q)$(GUEST_CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

$(GUEST_LONG:%=$(GUEST_BUILD)/%.elf): \
		$(GUEST_BUILD)/%.elf: $(GUEST_BUILD)/obj/%.o \
		$(GUEST_BUILD)/obj/start_long.o \
		$(filter-out %/start.o,$(GUEST_OBJ)) guests/guest.ld
	$(call say,LD,$@)
	$(Q)$(GUEST_CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

$(GUEST_S:%=$(GUEST_BUILD)/%.elf): $(GUEST_BUILD)/%.elf: \
		$(GUEST_BUILD)/obj/%.o guests/guest.ld
	$(call say,LD,$@)
	$(Q)$(GUEST_CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

-include $(wildcard $(GUEST_BUILD)/obj/*.d)
