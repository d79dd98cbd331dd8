/*
 * From what a KVM supports to what the guest sees, on tables made up here and
 * on this host's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/util.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/real_kvm.h"
#include "vmm/cpu_features.h"
#include "vmm/cpuid.h"
#include "vmm/cpuid_ahead.h"

#define CPUS_MAX 64

static struct cpuid_table table;
static struct err err;

/* --- Tables --- */

static struct kvm_cpuid_entry2 *entry(uint32_t leaf, uint32_t subleaf)
{
	for (uint32_t i = 0; i < table.count; i++) {
		if (table.entries[i].function == leaf &&
		    table.entries[i].index == subleaf)
			return &table.entries[i];
	}
	return NULL;
}

static struct kvm_cpuid_entry2 *have(uint32_t leaf, uint32_t subleaf)
{
	struct kvm_cpuid_entry2 *found = entry(leaf, subleaf);

	ck_assert_msg(found, "no leaf 0x%x.%u", leaf, subleaf);
	return found;
}

static void add(uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx,
		uint32_t ecx, uint32_t edx)
{
	ck_assert_ptr_null(entry(leaf, subleaf));
	ck_assert_uint_lt(table.count, CPUID_MAX_ENTRIES);
	table.entries[table.count++] = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = subleaf,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

static uint32_t *word_of(const struct cpu_feature *feature)
{
	struct kvm_cpuid_entry2 *at = have(feature->leaf, feature->subleaf);
	uint32_t *const words[] = {
		[REG_EAX] = &at->eax,
		[REG_EBX] = &at->ebx,
		[REG_ECX] = &at->ecx,
		[REG_EDX] = &at->edx,
	};

	return words[feature->reg];
}

static const struct cpu_feature *named(const char *name)
{
	const struct cpu_feature *feature =
		cpu_feature_find(name, strlen(name));

	ck_assert_msg(feature, "no feature %s", name);
	return feature;
}

static bool is_set(const struct cpu_feature *feature)
{
	return *word_of(feature) & (1U << feature->bit);
}

static bool has(const char *name)
{
	return is_set(named(name));
}

/* Every feature that we know, and leaves as an Intel processor of six cores
 * and two threads each has them. */
static void set_up(void)
{
	table = (struct cpuid_table){ 0 };
	err = (struct err){ 0 };
	add(0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
	add(1, 0, 0x000906ea, 0x0b0c0800, 0, 0);
	/* L1 data and instruction, L2, L3 */
	add(4, 0, 0x1c004121, 0x01c0003f, 0x3f, 0);
	add(4, 1, 0x1c004122, 0x01c0003f, 0x3f, 0);
	add(4, 2, 0x1c004143, 0x00c0003f, 0x3ff, 0);
	add(4, 3, 0x1c03c163, 0x02c0003f, 0x2fff, 6);
	add(4, 4, 0, 0, 0, 0);
	add(0xb, 0, 1, 2, 0x100, 0x0b);
	add(0xb, 1, 4, 12, 0x201, 0x0b);
	add(0x80000008, 0, 0x3027, 0, 0, 0);
	for (size_t i = 0; i < cpu_feature_count; i++) {
		const struct cpu_feature *feature = &cpu_features[i];

		if (!entry(feature->leaf, feature->subleaf))
			add(feature->leaf, feature->subleaf, 0, 0, 0, 0);
		*word_of(feature) |= 1U << feature->bit;
	}
}

static int shape(const char *model, unsigned int cpus)
{
	const struct cpuid_request request = { .model = model };

	return cpuid_shape(&table, &request, cpus, &err);
}

static int shape_emulated(const char *model)
{
	const struct cpuid_request request = {
		.model = model,
		.hide_unemulated = true,
	};

	return cpuid_shape(&table, &request, 1, &err);
}

/* --- The lists --- */

START_TEST(test_features_are_unique)
{
	for (size_t i = 0; i < cpu_feature_count; i++) {
		const struct cpu_feature *a = &cpu_features[i];

		ck_assert_uint_lt(a->bit, 32);
		ck_assert_ptr_eq(named(a->name), a);
		for (size_t j = 0; j < i; j++) {
			const struct cpu_feature *b = &cpu_features[j];

			ck_assert_msg(a->leaf != b->leaf ||
					      a->subleaf != b->subleaf ||
					      a->reg != b->reg ||
					      a->bit != b->bit,
				      "%s is %s", a->name, b->name);
		}
	}
	ck_assert_ptr_null(cpu_feature_find("avx5", 4));
	ck_assert_ptr_null(cpu_feature_find("", 0));
	ck_assert_str_eq(cpu_feature_find("avx512f", 3)->name, "avx");
}
END_TEST

START_TEST(test_dependencies_name_features)
{
	for (size_t i = 0; i < cpu_feature_dependency_count; i++) {
		named(cpu_feature_dependencies[i].name);
		named(cpu_feature_dependencies[i].needs);
	}
}
END_TEST

/* A few places by heart, against a slip in the columns. */
START_TEST(test_places)
{
	static const struct cpu_feature known[] = {
		{ "fpu", 1, 0, REG_EDX, 0 },
		{ "sse2", 1, 0, REG_EDX, 26 },
		{ "pni", 1, 0, REG_ECX, 0 },
		{ "cx16", 1, 0, REG_ECX, 13 },
		{ "xsave", 1, 0, REG_ECX, 26 },
		{ "avx", 1, 0, REG_ECX, 28 },
		{ "avx2", 7, 0, REG_EBX, 5 },
		{ "umip", 7, 0, REG_ECX, 2 },
		{ "md_clear", 7, 0, REG_EDX, 10 },
		{ "xsaves", 0xd, 1, REG_EAX, 3 },
		{ "nx", 0x80000001, 0, REG_EDX, 20 },
		{ "lm", 0x80000001, 0, REG_EDX, 29 },
		{ "svm", 0x80000001, 0, REG_ECX, 2 },
		{ "nonstop_tsc", 0x80000007, 0, REG_EDX, 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const struct cpu_feature *feature = named(known[i].name);

		ck_assert_uint_eq(feature->leaf, known[i].leaf);
		ck_assert_uint_eq(feature->subleaf, known[i].subleaf);
		ck_assert_int_eq(feature->reg, known[i].reg);
		ck_assert_uint_eq(feature->bit, known[i].bit);
	}
}
END_TEST

/* --- The user's request --- */

START_TEST(test_models)
{
	static const char *const good[] = {
		"host",
		"host,-avx",
		"host,+sse2",
		"host,-avx,-avx2,+rdrand,-nonstop_tsc",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_int_eq(cpuid_check_model(good[i], &err), 0);
}
END_TEST

START_TEST(test_models_refused)
{
	static const struct {
		const char *model;
		const char *sentence;
	} bad[] = {
		{ "", "--cpu \"\": the only model is \"host\", as in --cpu "
		      "host,-avx" },
		{ "qemu64",
		  "--cpu \"qemu64\": the only model is \"host\", as in --cpu "
		  "host,-avx" },
		{ "-avx", "--cpu \"avx\": the only model is \"host\", as in "
			  "--cpu host,-avx" },
		{ "hosts", "--cpu \"hosts\": the only model is \"host\", as "
			   "in --cpu host,-avx" },
		{ "host,avx", "--cpu: write +avx or -avx to add or take away "
			      "a feature" },
		{ "host,-warp",
		  "--cpu: unknown feature \"warp\" (names are those of "
		  "/proc/cpuinfo)" },
		{ "host,-avx,+AVX2",
		  "--cpu: unknown feature \"AVX2\" (names are those of "
		  "/proc/cpuinfo)" },
		{ "host,-", "--cpu: unknown feature \"\" (names are those of "
			    "/proc/cpuinfo)" },
		{ "host,- avx",
		  "--cpu: unknown feature \" avx\" (names are those of "
		  "/proc/cpuinfo)" },
		{ "host,-avx,+avx", "--cpu: feature \"avx\" is named twice" },
		{ "host,+sse2,-avx,+sse2",
		  "--cpu: feature \"sse2\" is named twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(cpuid_check_model(bad[i].model, &err),
				 -EINVAL);
		ck_assert_str_eq(err.msg, bad[i].sentence);
		ck_assert_int_eq(shape(bad[i].model, 1), -EINVAL);
	}
	ck_assert_int_eq(cpuid_check_model("host,", &err), -EINVAL);
	ck_assert_int_eq(cpuid_check_model("host,,-avx", &err), -EINVAL);
}
END_TEST

START_TEST(test_host_keeps_all)
{
	ck_assert_int_eq(shape("host", 8), 0);
	for (size_t i = 0; i < cpu_feature_count; i++)
		ck_assert_msg(is_set(&cpu_features[i]), "%s is gone",
			      cpu_features[i].name);
}
END_TEST

#define FEATURES_MAX	 256
#define DEPENDENCIES_MAX 128

/* cpu_feature_dependencies as indexes of cpu_features. */
struct dependency {
	long own;
	long needs;
};

static void find_dependencies(struct dependency found[DEPENDENCIES_MAX])
{
	ck_assert_uint_le(cpu_feature_count, FEATURES_MAX);
	ck_assert_uint_le(cpu_feature_dependency_count, DEPENDENCIES_MAX);
	for (size_t i = 0; i < cpu_feature_dependency_count; i++) {
		const struct cpu_feature_dependency *names =
			&cpu_feature_dependencies[i];

		found[i].own = named(names->name) - cpu_features;
		found[i].needs = named(names->needs) - cpu_features;
	}
}

/* Marks @gone and all that needs it, directly or not. */
static void mark_dependents(const struct dependency *dependencies,
			    const struct cpu_feature *gone,
			    bool lost[FEATURES_MAX])
{
	bool more = true;

	lost[gone - cpu_features] = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < cpu_feature_dependency_count; i++) {
			const struct dependency *dependency = &dependencies[i];

			if (!lost[dependency->needs] || lost[dependency->own])
				continue;
			lost[dependency->own] = true;
			more = true;
		}
	}
}

static void check_taken_away(const struct dependency *dependencies,
			     const struct cpu_feature *gone)
{
	bool lost[FEATURES_MAX] = { false };
	char model[64];

	set_up();
	mark_dependents(dependencies, gone, lost);
	ck_assert_int_gt(snprintf(model, sizeof(model), "host,-%s", gone->name),
			 0);
	ck_assert_int_eq(shape(model, 4), 0);
	for (size_t i = 0; i < cpu_feature_count; i++)
		ck_assert_msg(is_set(&cpu_features[i]) != lost[i],
			      "%s without %s", cpu_features[i].name,
			      gone->name);
}

/* Taking one away takes it and what needs it, and nothing else. */
START_TEST(test_each_feature_taken_away)
{
	struct dependency dependencies[DEPENDENCIES_MAX];

	find_dependencies(dependencies);
	for (size_t i = 0; i < cpu_feature_count; i++)
		check_taken_away(dependencies, &cpu_features[i]);
}
END_TEST

START_TEST(test_what_goes_with_xsave)
{
	static const char *const gone[] = {
		"xsave", "avx",	     "avx2",	 "fma",	     "f16c",
		"pku",	 "xsavec",   "xsaves",	 "xsaveopt", "avx512f",
		"vaes",	 "avx512bw", "amx_tile", "amx_int8",
	};
	static const char *const kept[] = { "sse4_2", "aes",	"popcnt",
					    "cx16",   "rdrand", "bmi2" };

	ck_assert_int_eq(shape("host,-xsave", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		ck_assert_msg(!has(gone[i]), "%s is there", gone[i]);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		ck_assert_msg(has(kept[i]), "%s is gone", kept[i]);
}
END_TEST

START_TEST(test_feature_that_is_not_offered)
{
	const struct cpu_feature *avx = named("avx");

	*word_of(avx) &= ~(1U << avx->bit);
	ck_assert_int_eq(shape("host,+sse2,+avx", 1), -EINVAL);
	ck_assert_str_eq(err.msg,
			 "--cpu +avx: this host's KVM does not offer it");
	set_up();
	/* A leaf that KVM does not have at all. */
	table.count = 2;
	ck_assert_int_eq(shape("host,+clzero", 1), -EINVAL);
	ck_assert_str_eq(err.msg,
			 "--cpu +clzero: this host's KVM does not offer it");
	ck_assert_int_eq(shape("host,-clzero", 1), 0);
}
END_TEST

/* What was asked for is there, or the user is told why not. */
START_TEST(test_feature_without_what_it_needs)
{
	ck_assert_int_eq(shape("host,+avx2,-avx", 1), -EINVAL);
	ck_assert_str_eq(err.msg, "--cpu +avx2: it needs avx, which the guest "
				  "does not get");
	set_up();
	ck_assert_int_eq(shape("host,-xsave,+avx2", 1), -EINVAL);
	ck_assert_str_eq(err.msg, "--cpu +avx2: it needs avx, which the guest "
				  "does not get");
	set_up();
	ck_assert_int_eq(shape_emulated("host,+avx"), -EINVAL);
	ck_assert_str_eq(err.msg, "--cpu +avx: it needs xsave, which the guest "
				  "does not get");
	set_up();
	ck_assert_int_eq(shape_emulated("host,+avx,+xsave"), 0);
	ck_assert(has("avx"));
}
END_TEST

START_TEST(test_unemulated_is_hidden)
{
	char hidden[64];
	char *word = hidden;

	ck_assert_int_eq(shape_emulated("host"), 0);
	ck_assert_int_gt(snprintf(hidden, sizeof(hidden), "%s ",
				  cpuid_emulated_hidden()),
			 0);
	while (*word) {
		char *end = strchr(word, ' ');

		*end = '\0';
		ck_assert_msg(!has(word), "%s is there", word);
		word = end + 1;
	}
	ck_assert(!has("xsave"));
	ck_assert(!has("cx16"));
	ck_assert(!has("popcnt"));
	ck_assert(!has("avx2"));
	ck_assert(has("sse4_2"));
	/* Who asks for one by name gets it. */
	set_up();
	ck_assert_int_eq(shape_emulated("host,+cx16"), 0);
	ck_assert(has("cx16"));
	ck_assert(!has("popcnt"));
}
END_TEST

START_TEST(the_command_line_hides_what_nobody_asked_for)
{
	static const struct {
		const char *model;
		const char *cmdline;
	} cases[] = {
		{ "host", "noxsave clearcpuid=cx16,popcnt" },
		{ "host,-avx,-xsave", "noxsave clearcpuid=cx16,popcnt" },
		{ "host,+xsave", "clearcpuid=cx16,popcnt" },
		{ "host,+cx16", "noxsave clearcpuid=popcnt" },
		{ "host,+popcnt,+xsave", "clearcpuid=cx16" },
		{ "host,+cx16,+popcnt", "noxsave" },
		{ "host,+cx16,+popcnt,+xsave", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char cmdline[CPUID_EMULATED_CMDLINE_MAX];

		cpuid_emulated_cmdline(cases[i].model, cmdline);
		ck_assert_str_eq(cmdline, cases[i].cmdline);
	}
}
END_TEST

/* --- Topology --- */

static const struct {
	unsigned int cpus;
	unsigned int bits; /* of an APIC id */
} topologies[] = {
	{ 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 },
	{ 5, 3 }, { 8, 3 }, { 9, 4 }, { CPUS_MAX, 6 },
};

static void check_extended_topology(uint32_t leaf, unsigned int i)
{
	const struct kvm_cpuid_entry2 *thread = have(leaf, 0);
	const struct kvm_cpuid_entry2 *core = have(leaf, 1);

	ck_assert_uint_eq(thread->eax, 0);
	ck_assert_uint_eq(thread->ebx, 1);
	ck_assert_uint_eq(thread->ecx, 0x100);
	ck_assert_uint_eq(core->eax, topologies[i].bits);
	ck_assert_uint_eq(core->ebx, topologies[i].cpus);
	ck_assert_uint_eq(core->ecx, 0x201);
}

START_TEST(test_intel_topology)
{
	uint32_t ids = 1U << topologies[_i].bits;

	ck_assert_int_eq(shape("host", topologies[_i].cpus), 0);
	ck_assert_uint_eq(have(0, 0)->eax, 0x1f);
	/* Logical processors in the package, and whether there are several. */
	ck_assert_uint_eq(have(1, 0)->ebx & 0x00ffffff, ids << 16 | 0x0800);
	ck_assert(has("ht") == (topologies[_i].cpus > 1));
	/* Bits 31-26: cores, bits 25-14: threads that share, both less 1. The
	 * rest describes the cache. */
	ck_assert_uint_eq(have(4, 0)->eax, (ids - 1) << 26 | 0x121);
	ck_assert_uint_eq(have(4, 1)->eax, (ids - 1) << 26 | 0x122);
	ck_assert_uint_eq(have(4, 2)->eax, (ids - 1) << 26 | 0x143);
	ck_assert_uint_eq(have(4, 3)->eax,
			  (ids - 1) << 26 | (ids - 1) << 14 | 0x163);
	ck_assert_uint_eq(have(4, 3)->ebx, 0x02c0003f);
	ck_assert_uint_eq(have(4, 4)->eax, 0);
	check_extended_topology(0xb, (unsigned int)_i);
	/* No leaf 0x1f in KVM's set: none is made up. */
	ck_assert_ptr_null(entry(0x1f, 0));
}
END_TEST

START_TEST(test_amd_topology)
{
	unsigned int bits = topologies[_i].bits;
	unsigned int cpus = topologies[_i].cpus;
	uint32_t ids = 1U << bits;

	have(0x80000008, 0)->ecx = 0x500b;
	add(0x8000001d, 0, 0x00004121, 0x01c0003f, 0x3f, 0);
	add(0x8000001d, 3, 0x0002c163, 0x03c0003f, 0x3fff, 1);
	add(0x8000001e, 0, 7, 0x103, 0x301, 0);
	have(0, 0)->eax = 0xd;
	table.entries[7].function = 0x40000000; /* no leaf 0xb yet */
	table.entries[8].function = 0x40000001;
	ck_assert_int_eq(shape("host", cpus), 0);
	ck_assert_uint_eq(have(0x80000008, 0)->ecx, bits << 12 | (cpus - 1));
	ck_assert_uint_eq(have(0x80000008, 0)->eax, 0x3027);
	ck_assert_uint_eq(have(0x8000001d, 0)->eax, 0x121);
	ck_assert_uint_eq(have(0x8000001d, 3)->eax, (ids - 1) << 14 | 0x163);
	ck_assert_uint_eq(have(0x8000001e, 0)->ebx, 0); /* one thread a core */
	ck_assert_uint_eq(have(0x8000001e, 0)->ecx, 0); /* one node */
	ck_assert_uint_eq(have(0, 0)->eax, 0xd);
	check_extended_topology(0xb, (unsigned int)_i);
	ck_assert_uint_eq(have(0xb, 1)->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	cpuid_set_apic_id(&table, cpus - 1);
	ck_assert_uint_eq(have(0x8000001e, 0)->eax, cpus - 1);
	ck_assert_uint_eq(have(0x8000001e, 0)->ebx, cpus - 1);
}
END_TEST

/* Old KVMs hand out all levels of the host, which may have dies and modules;
 * ours has two. */
START_TEST(test_levels_of_the_host_are_gone)
{
	add(0xb, 2, 0, 0, 2, 0x0b);
	add(0x1f, 0, 1, 2, 0x100, 0x0b);
	add(0x1f, 1, 4, 12, 0x201, 0x0b);
	add(0x1f, 2, 5, 24, 0x502, 0x0b);
	ck_assert_int_eq(shape("host", 4), 0);
	check_extended_topology(0xb, 3);
	check_extended_topology(0x1f, 3);
	for (uint32_t leaf = 0xb; leaf <= 0x1f; leaf += 0x1f - 0xb) {
		ck_assert_uint_eq(have(leaf, 2)->eax, 0);
		ck_assert_uint_eq(have(leaf, 2)->ebx, 0);
		ck_assert_uint_eq(have(leaf, 2)->ecx, 2);
	}
}
END_TEST

START_TEST(test_basic_leaves_reach_the_topology)
{
	have(0, 0)->eax = 4;
	ck_assert_int_eq(shape("host", 2), 0);
	ck_assert_uint_eq(have(0, 0)->eax, 0xb);
}
END_TEST

START_TEST(test_ht_can_be_taken_away)
{
	ck_assert_int_eq(shape("host,-ht", 4), 0);
	ck_assert(!has("ht"));
	set_up();
	ck_assert_int_eq(shape("host,+ht", 1), -EINVAL);
	ck_assert_str_eq(err.msg,
			 "--cpu +ht: this host's KVM does not offer it");
}
END_TEST

START_TEST(test_apic_ids)
{
	ck_assert_int_eq(shape("host", CPUS_MAX), 0);
	/* In any order: the table is one for all. */
	for (unsigned int i = CPUS_MAX; i-- > 0;) {
		cpuid_set_apic_id(&table, i);
		ck_assert_uint_eq(have(1, 0)->ebx, i << 24 | 0x00400800);
		ck_assert_uint_eq(have(0xb, 0)->edx, i);
		ck_assert_uint_eq(have(0xb, 1)->edx, i);
	}
	check_extended_topology(0xb, 7);
}
END_TEST

START_TEST(test_table_without_any_leaf)
{
	table.count = 0;
	ck_assert_int_eq(shape("host,-avx", 4), 0);
	check_extended_topology(0xb, 3);
	cpuid_set_apic_id(&table, 3);
	ck_assert_uint_eq(have(0xb, 1)->edx, 3);
}
END_TEST

/* --- This host's --- */

static struct kvm kvm;

static void set_up_kvm(void)
{
	err = (struct err){ 0 };
	ck_assert_msg(kvm_open(&kvm, &err) == 0, "%s", err.msg);
	ck_assert_msg(kvm_create_vm(&kvm, &err) == 0, "%s", err.msg);
}

static void tear_down_kvm(void)
{
	kvm_release(&kvm);
}

START_TEST(test_kvm_accepts_the_table)
{
	const struct cpuid_request request = {
		.model = "host",
		.hide_unemulated = kvm.flavor == KVM_FLAVOR_EMULATED,
	};

	for (unsigned int i = 0; i < 4; i++) {
		int vcpu;

		ck_assert_msg(cpuid_supported(&kvm, &table, &err) == 0, "%s",
			      err.msg);
		ck_assert_msg(cpuid_shape(&table, &request, topologies[i].cpus,
					  &err) == 0,
			      "%s", err.msg);
		ck_assert_uint_gt(table.count, 4);
		ck_assert(has("hypervisor"));
		ck_assert(has("x2apic"));
		check_extended_topology(0xb, i);
		/* "KVMKVMKVM": what Linux looks for. */
		ck_assert_uint_eq(have(0x40000000, 0)->ebx, 0x4b4d564b);
		vcpu = ioctl(kvm.vm_fd, KVM_CREATE_VCPU, i);
		ck_assert_int_ge(vcpu, 0);
		cpuid_set_apic_id(&table, i);
		ck_assert_int_eq(ioctl(vcpu, KVM_SET_CPUID2, &table), 0);
		close(vcpu);
	}
}
END_TEST

START_TEST(test_kvm_refuses_what_it_lacks)
{
	const struct cpuid_request request = { .model = "host,+ia64" };

	ck_assert_int_eq(cpuid_supported(&kvm, &table, &err), 0);
	ck_assert_int_eq(cpuid_shape(&table, &request, 1, &err), -EINVAL);
	ck_assert_str_eq(err.msg,
			 "--cpu +ia64: this host's KVM does not offer it");
	kvm_release(&kvm);
	ck_assert_int_eq(cpuid_supported(&kvm, &table, &err), -EBADF);
	ck_assert_str_eq(err.msg,
			 "KVM_GET_SUPPORTED_CPUID: Bad file descriptor");
}
END_TEST

/* Asked ahead or not, the answer is the same. */
START_TEST(test_ahead)
{
	struct cpuid_ahead ahead = { 0 };

	ck_assert_int_eq(cpuid_supported(&kvm, &table, &err), 0);
	if (_i == 0)
		cpuid_ahead_start(&ahead);
	ck_assert_msg(cpuid_ahead_finish(&ahead, &kvm, &err) == 0, "%s",
		      err.msg);
	ck_assert_uint_eq(ahead.table.count, table.count);
	for (uint32_t i = 0; i < table.count; i++) {
		ck_assert_uint_eq(ahead.table.entries[i].function,
				  table.entries[i].function);
		ck_assert_uint_eq(ahead.table.entries[i].ecx,
				  table.entries[i].ecx);
	}
	cpuid_ahead_release(&ahead);
}
END_TEST

START_TEST(test_ahead_for_nothing)
{
	struct cpuid_ahead ahead = { 0 };

	cpuid_ahead_start(&ahead);
	cpuid_ahead_release(&ahead);
	cpuid_ahead_release(&ahead);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/cpuid");
	TCase *tcase = tcase_create("shape");
	TCase *real = tcase_create("real");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_checked_fixture(real, set_up_kvm, tear_down_kvm);
	tcase_set_timeout(tcase, 30);
	tcase_set_timeout(real, 30);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, real);
	tcase_add_test(tcase, test_features_are_unique);
	tcase_add_test(tcase, test_dependencies_name_features);
	tcase_add_test(tcase, test_places);
	tcase_add_test(tcase, test_models);
	tcase_add_test(tcase, test_models_refused);
	tcase_add_test(tcase, test_host_keeps_all);
	tcase_add_test(tcase, test_each_feature_taken_away);
	tcase_add_test(tcase, test_what_goes_with_xsave);
	tcase_add_test(tcase, test_feature_that_is_not_offered);
	tcase_add_test(tcase, test_feature_without_what_it_needs);
	tcase_add_test(tcase, test_unemulated_is_hidden);
	tcase_add_test(tcase, the_command_line_hides_what_nobody_asked_for);
	tcase_add_loop_test(tcase, test_intel_topology, 0,
			    (int)ARRAY_SIZE(topologies));
	tcase_add_loop_test(tcase, test_amd_topology, 0,
			    (int)ARRAY_SIZE(topologies));
	tcase_add_test(tcase, test_levels_of_the_host_are_gone);
	tcase_add_test(tcase, test_basic_leaves_reach_the_topology);
	tcase_add_test(tcase, test_ht_can_be_taken_away);
	tcase_add_test(tcase, test_apic_ids);
	tcase_add_test(tcase, test_table_without_any_leaf);
	if (has_real_kvm("vmm/cpuid/kvm_accepts_the_table"))
		tcase_add_test(real, test_kvm_accepts_the_table);
	if (has_real_kvm("vmm/cpuid/kvm_refuses_what_it_lacks"))
		tcase_add_test(real, test_kvm_refuses_what_it_lacks);
	if (has_real_kvm("vmm/cpuid/ahead"))
		tcase_add_loop_test(real, test_ahead, 0, 2);
	if (has_real_kvm("vmm/cpuid/ahead_for_nothing"))
		tcase_add_test(real, test_ahead_for_nothing);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
