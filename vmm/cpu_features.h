/*
 * The names of CPU features as /proc/cpuinfo shows them, and where CPUID keeps
 * each bit. Constant data.
 */
#ifndef VMM_CPU_FEATURES_H
#define VMM_CPU_FEATURES_H

#include <stddef.h>
#include <stdint.h>

enum cpuid_register {
	REG_EAX,
	REG_EBX,
	REG_ECX,
	REG_EDX
};

struct cpu_feature {
	const char *name;
	uint32_t leaf;
	uint32_t subleaf;
	enum cpuid_register reg;
	unsigned int bit;
};

/* @name cannot work without @needs: taking @needs away takes it too. */
struct cpu_feature_dependency {
	const char *name;
	const char *needs;
};

extern const struct cpu_feature cpu_features[];
extern const size_t cpu_feature_count;
extern const struct cpu_feature_dependency cpu_feature_dependencies[];
extern const size_t cpu_feature_dependency_count;

/* NULL when no feature has the name of @length bytes at @name. */
const struct cpu_feature *cpu_feature_find(const char *name, size_t length);

#endif
