/*
 * How the table comes about: KVM's supported set; feature bits by the user's
 * request; bits taken away pull those that depend on them; topology leaves are
 * rewritten for one socket of single-threaded cores. Per vCPU only the APIC id
 * differs.
 */
#include "vmm/cpuid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/util.h"
#include "vmm/cpu_features.h"

_Static_assert(offsetof(struct cpuid_table, entries) ==
		       sizeof(struct kvm_cpuid2),
	       "cpuid_table must look like struct kvm_cpuid2");

/* What the instruction emulator of arch/x86/kvm/emulate.c does not decode but
 * Linux runs in kernel mode when CPUID offers it. */
static const char *const unemulated[] = { "xsave", "cx16", "popcnt" };

const char *cpuid_emulated_hidden(void)
{
	return "xsave cx16 popcnt";
}

static struct kvm_cpuid_entry2 *find_entry(struct cpuid_table *table,
					   uint32_t leaf, uint32_t subleaf)
{
	for (uint32_t i = 0; i < table->count; i++) {
		struct kvm_cpuid_entry2 *entry = &table->entries[i];

		if (entry->function == leaf && entry->index == subleaf)
			return entry;
	}
	return NULL;
}

static struct kvm_cpuid_entry2 *need_entry(struct cpuid_table *table,
					   uint32_t leaf, uint32_t subleaf,
					   bool indexed)
{
	struct kvm_cpuid_entry2 *entry = find_entry(table, leaf, subleaf);

	if (entry || table->count == CPUID_MAX_ENTRIES)
		return entry;
	entry = &table->entries[table->count++];
	*entry = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = subleaf,
		.flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	};
	return entry;
}

static uint32_t *feature_word(struct cpuid_table *table,
			      const struct cpu_feature *feature)
{
	struct kvm_cpuid_entry2 *entry =
		find_entry(table, feature->leaf, feature->subleaf);

	if (!entry)
		return NULL;
	switch (feature->reg) {
	case REG_EAX:
		return &entry->eax;
	case REG_EBX:
		return &entry->ebx;
	case REG_ECX:
		return &entry->ecx;
	default:
		return &entry->edx;
	}
}

static bool feature_is_set(struct cpuid_table *table,
			   const struct cpu_feature *feature)
{
	const uint32_t *word = feature_word(table, feature);

	return word && (*word & (1U << feature->bit));
}

static void feature_clear(struct cpuid_table *table,
			  const struct cpu_feature *feature)
{
	uint32_t *word = feature_word(table, feature);

	if (word)
		*word &= ~(1U << feature->bit);
}

static const struct cpu_feature *by_name(const char *name)
{
	return cpu_feature_find(name, strlen(name));
}

/* Each round can only clear bits, so that the loop ends. */
static void clear_dependents(struct cpuid_table *table)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < cpu_feature_dependency_count; i++) {
			const struct cpu_feature_dependency *dep =
				&cpu_feature_dependencies[i];
			const struct cpu_feature *name = by_name(dep->name);

			if (!feature_is_set(table, name) ||
			    feature_is_set(table, by_name(dep->needs)))
				continue;
			feature_clear(table, name);
			changed = true;
		}
	}
}

/* One comma-separated word of the model string. */
struct model_word {
	const char *text; /* behind the sign */
	size_t length;
	char sign; /* '+', '-', or 0 for the model's name */
};

static const char *next_word(const char *from, struct model_word *ret_word)
{
	size_t length = strcspn(from, ",");

	ret_word->sign = 0;
	ret_word->text = from;
	ret_word->length = length;
	if (length && (*from == '+' || *from == '-')) {
		ret_word->sign = *from;
		ret_word->text++;
		ret_word->length--;
	}
	return from[length] ? from + length + 1 : NULL;
}

static int check_word(const struct model_word *word, bool first,
		      struct err *err)
{
	int length = (int)min_u64(word->length, 64);

	if (first) {
		if (!word->sign && word->length == 4 &&
		    !memcmp(word->text, "host", 4))
			return 0;
		return err_set(err, EINVAL,
			       "--cpu \"%.*s\": the only model is \"host\", "
			       "as in --cpu host,-avx",
			       length, word->text);
	}
	if (!word->sign)
		return err_set(err, EINVAL,
			       "--cpu: write +%.*s or -%.*s to add or take "
			       "away a feature",
			       length, word->text, length, word->text);
	if (!cpu_feature_find(word->text, word->length))
		return err_set(err, EINVAL,
			       "--cpu: unknown feature \"%.*s\" (names are "
			       "those of /proc/cpuinfo)",
			       length, word->text);
	return 0;
}

static bool is_named_before(const char *model, const struct model_word *word)
{
	while (model) {
		struct model_word other;

		model = next_word(model, &other);
		if (other.text == word->text)
			break;
		if (other.length == word->length &&
		    !memcmp(other.text, word->text, word->length))
			return true;
	}
	return false;
}

int cpuid_check_model(const char *model, struct err *err)
{
	const char *rest = model;
	struct model_word word;
	bool first = true;

	while (rest) {
		int rc;

		rest = next_word(rest, &word);
		rc = check_word(&word, first, err);
		if (rc)
			return rc;
		if (is_named_before(model, &word))
			return err_set(err, EINVAL,
				       "--cpu: feature \"%.*s\" is named twice",
				       (int)word.length, word.text);
		first = false;
	}
	return 0;
}

/* Whether @model asks for @feature with a "+". */
static bool is_added(const char *model, const char *feature)
{
	struct model_word word;

	while (model) {
		model = next_word(model, &word);
		if (word.sign == '+' && strlen(feature) == word.length &&
		    !memcmp(feature, word.text, word.length))
			return true;
	}
	return false;
}

void cpuid_emulated_cmdline(const char *model,
			    char cmdline[CPUID_EMULATED_CMDLINE_MAX])
{
	bool xsave = is_added(model, "xsave");
	bool cx16 = is_added(model, "cx16");
	bool popcnt = is_added(model, "popcnt");

	/* Of several clearcpuid= Linux reads one. */
	snprintf(cmdline, CPUID_EMULATED_CMDLINE_MAX, "%s%s%s%s%s",
		 xsave ? "" : "noxsave",
		 cx16 && popcnt ? "" :
		 xsave		? "clearcpuid=" :
				  " clearcpuid=",
		 cx16 ? "" : "cx16", cx16 || popcnt ? "" : ",",
		 popcnt ? "" : "popcnt");
}

static int apply_word(struct cpuid_table *table, const struct model_word *word,
		      struct err *err)
{
	const struct cpu_feature *feature =
		cpu_feature_find(word->text, word->length);

	if (word->sign == '-') {
		feature_clear(table, feature);
		return 0;
	}
	if (!feature_is_set(table, feature))
		return err_set(err, EINVAL,
			       "--cpu +%s: this host's KVM does not offer it",
			       feature->name);
	return 0;
}

/* What was asked for by name is there, or what it needs is named. */
static int check_added(struct cpuid_table *table, const char *model,
		       struct err *err)
{
	struct model_word word;

	model = next_word(model, &word);
	while (model) {
		const struct cpu_feature *feature;

		model = next_word(model, &word);
		feature = cpu_feature_find(word.text, word.length);
		if (word.sign != '+' || feature_is_set(table, feature))
			continue;
		for (size_t i = 0; i < cpu_feature_dependency_count; i++) {
			const struct cpu_feature_dependency *dep =
				&cpu_feature_dependencies[i];

			if (strcmp(dep->name, feature->name) != 0 ||
			    feature_is_set(table, by_name(dep->needs)))
				continue;
			return err_set(err, EINVAL,
				       "--cpu +%s: it needs %s, which the "
				       "guest does not get",
				       dep->name, dep->needs);
		}
	}
	return 0;
}

static int apply_model(struct cpuid_table *table,
		       const struct cpuid_request *request, struct err *err)
{
	const char *rest = request->model;
	struct model_word word;

	rest = next_word(rest, &word); /* the model's name */
	while (rest) {
		int rc;

		rest = next_word(rest, &word);
		rc = apply_word(table, &word, err);
		if (rc)
			return rc;
	}
	for (size_t i = 0;
	     request->hide_unemulated && i < ARRAY_SIZE(unemulated); i++) {
		if (!is_added(request->model, unemulated[i]))
			feature_clear(table, by_name(unemulated[i]));
	}
	clear_dependents(table);
	return check_added(table, request->model, err);
}

static unsigned int bits_for(unsigned int count)
{
	unsigned int bits = 0;

	while ((1U << bits) < count)
		bits++;
	return bits;
}

/* Leaves 0xb and 0x1f: one level of threads (always one), one of cores. */
static void set_extended_topology(struct cpuid_table *table, uint32_t leaf,
				  unsigned int cpu_count)
{
	struct kvm_cpuid_entry2 *thread = need_entry(table, leaf, 0, true);
	struct kvm_cpuid_entry2 *core = need_entry(table, leaf, 1, true);

	if (!thread || !core)
		return;
	thread->eax = 0;
	thread->ebx = 1;
	thread->ecx = 1U << 8;
	core->eax = bits_for(cpu_count);
	core->ebx = cpu_count;
	core->ecx = (2U << 8) | 1;
	/* Older kernels hand out the levels of the host, dies and modules. */
	for (uint32_t i = 0; i < table->count; i++) {
		struct kvm_cpuid_entry2 *entry = &table->entries[i];

		if (entry->function != leaf || entry->index < 2)
			continue;
		entry->eax = 0;
		entry->ebx = 0;
		entry->ecx = entry->index;
	}
}

/* Leaves 4 (Intel) and 0x8000001d (AMD) have the same shape: one entry per
 * cache. L1 and L2 belong to a core, L3 to the socket. */
static void set_cache_sharing(struct cpuid_table *table, uint32_t leaf,
			      unsigned int cpu_count)
{
	for (uint32_t i = 0; i < table->count; i++) {
		struct kvm_cpuid_entry2 *entry = &table->entries[i];
		unsigned int level;

		if (entry->function != leaf || !(entry->eax & 0x1f))
			continue;
		level = (entry->eax >> 5) & 7;
		entry->eax &= 0x3fff;
		if (level >= 3)
			entry->eax |= ((1U << bits_for(cpu_count)) - 1) << 14;
		if (leaf == 4)
			entry->eax |=
				(uint32_t)((1U << bits_for(cpu_count)) - 1)
				<< 26;
	}
}

static void set_amd_topology(struct cpuid_table *table, unsigned int cpu_count)
{
	struct kvm_cpuid_entry2 *size = find_entry(table, 0x80000008, 0);
	struct kvm_cpuid_entry2 *unit = find_entry(table, 0x8000001e, 0);

	if (size)
		size->ecx = (bits_for(cpu_count) << 12) | (cpu_count - 1);
	if (unit) {
		unit->ebx = 0;
		unit->ecx = 0;
	}
}

static void set_topology(struct cpuid_table *table, unsigned int cpu_count)
{
	struct kvm_cpuid_entry2 *base = find_entry(table, 0, 0);
	struct kvm_cpuid_entry2 *leaf1 = find_entry(table, 1, 0);

	if (leaf1) {
		leaf1->ebx &= 0x0000ffff;
		leaf1->ebx |= (1U << bits_for(cpu_count)) << 16;
		if (cpu_count > 1)
			leaf1->edx |= 1U << 28;
		else
			leaf1->edx &= ~(1U << 28);
	}
	set_cache_sharing(table, 4, cpu_count);
	set_cache_sharing(table, 0x8000001d, cpu_count);
	set_amd_topology(table, cpu_count);
	if (base && base->eax < 0xb)
		base->eax = 0xb;
	set_extended_topology(table, 0xb, cpu_count);
	if (base && base->eax >= 0x1f && find_entry(table, 0x1f, 0))
		set_extended_topology(table, 0x1f, cpu_count);
}

void cpuid_set_apic_id(struct cpuid_table *table, unsigned int index)
{
	for (uint32_t i = 0; i < table->count; i++) {
		struct kvm_cpuid_entry2 *entry = &table->entries[i];

		switch (entry->function) {
		case 1:
			entry->ebx &= 0x00ffffff;
			entry->ebx |= index << 24;
			break;
		case 0xb:
		case 0x1f:
			entry->edx = index;
			break;
		case 0x8000001e:
			entry->eax = index;
			entry->ebx = (entry->ebx & ~0xffU) | (index & 0xff);
			break;
		default:
			break;
		}
	}
}

/* KVM emulates these whatever the host has, but older kernels leave them out
 * of the supported set since they depend on the in-kernel local APIC, which
 * we always create (api.rst 4.46). */
static void add_lapic_features(const struct kvm *kvm, struct cpuid_table *table)
{
	struct kvm_cpuid_entry2 *leaf1 = find_entry(table, 1, 0);

	if (!leaf1)
		return;
	leaf1->ecx |= 1U << 31; /* hypervisor */
	leaf1->ecx |= 1U << 21; /* x2apic */
	if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		leaf1->ecx |= 1U << 24;
}

int cpuid_shape(struct cpuid_table *table, const struct cpuid_request *request,
		unsigned int cpu_count, struct err *err)
{
	int rc;

	rc = cpuid_check_model(request->model, err);
	if (rc)
		return rc;
	/* First, so that the user's word on "ht" counts. */
	set_topology(table, cpu_count);
	return apply_model(table, request, err);
}

int cpuid_supported(const struct kvm *kvm, struct cpuid_table *ret_table,
		    struct err *err)
{
	ret_table->count = CPUID_MAX_ENTRIES;
	ret_table->padding = 0;
	if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, ret_table) < 0)
		return err_sys(err, errno, "KVM_GET_SUPPORTED_CPUID");
	add_lapic_features(kvm, ret_table);
	return 0;
}
