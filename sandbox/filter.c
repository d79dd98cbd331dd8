#include "sandbox/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sandbox/filter_cache.h"
#include "sandbox/filter_short.h"
#include "sandbox/names.h"
#include "sandbox/sys.h"

static const struct name_value actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
	{ NULL, 0 },
};

static const struct name_value operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	{ NULL, 0 },
};

static const struct name_value architectures[] = {
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
	{ "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
	{ NULL, 0 },
};

static const struct name_value flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1U << 5 },
	{ NULL, 0 },
};

bool filter_knows_action(const char *name)
{
	return names_find(actions, name);
}

bool filter_knows_operator(const char *name)
{
	return names_find(operators, name);
}

bool filter_knows_architecture(const char *name)
{
	return names_find(architectures, name);
}

bool filter_knows_flag(const char *name)
{
	return names_find(flags, name);
}

const char *filter_action_name(size_t index)
{
	return index < ARRAY_SIZE(actions) ? actions[index].name : NULL;
}

const char *filter_operator_name(size_t index)
{
	return index < ARRAY_SIZE(operators) ? operators[index].name : NULL;
}

const char *filter_architecture_name(size_t index)
{
	return index < ARRAY_SIZE(architectures) ? architectures[index].name :
						   NULL;
}

const char *filter_flag_name(size_t index)
{
	return index < ARRAY_SIZE(flags) ? flags[index].name : NULL;
}

/* The reader of the configuration has checked that the names are known. */
static uint32_t action_of(const char *name, unsigned int error)
{
	uint32_t action = (uint32_t)names_find(actions, name)->value;

	if (action == SCMP_ACT_ERRNO(0))
		return SCMP_ACT_ERRNO(error);
	if (action == SCMP_ACT_TRACE(0))
		return SCMP_ACT_TRACE(error);
	return action;
}

static int add_one(scmp_filter_ctx context, const struct filter_rule *rule,
		   uint32_t action, int number,
		   const struct scmp_arg_cmp *arguments)
{
	unsigned int seen = 0;
	bool repeated = false;
	int rc = 0;

	for (size_t i = 0; i < rule->argument_count; i++) {
		repeated |= seen & 1U << rule->arguments[i].index;
		seen |= 1U << rule->arguments[i].index;
	}
	/* Tests of one argument twice are alternatives: the library takes one
	 * test of an argument in a rule. */
	if (!repeated)
		return seccomp_rule_add_array(context, action, number,
					      (unsigned)rule->argument_count,
					      arguments);
	for (size_t i = 0; !rc && i < rule->argument_count; i++)
		rc = seccomp_rule_add_array(context, action, number, 1,
					    &arguments[i]);
	return rc;
}

static int add_rule(scmp_filter_ctx context, const struct filter_rule *rule,
		    uint32_t default_action, struct err *err)
{
	struct scmp_arg_cmp arguments[6];
	uint32_t action = action_of(rule->action, rule->error);

	/* The library refuses rules that change nothing. */
	if (action == default_action)
		return 0;
	if (rule->argument_count > ARRAY_SIZE(arguments))
		return err_set(err, EINVAL,
			       "a seccomp rule has more than six arguments");
	for (size_t i = 0; i < rule->argument_count; i++) {
		const struct filter_argument *a = &rule->arguments[i];

		arguments[i] = (struct scmp_arg_cmp){
			.arg = a->index,
			.op = (enum scmp_compare)names_find(operators,
							    a->operator)
				      ->value,
			.datum_a = a->value,
			.datum_b = a->value_two,
		};
	}
	for (size_t i = 0; i < rule->name_count; i++) {
		int number = seccomp_syscall_resolve_name(rule->names[i]);
		int rc;

		if (number == __NR_SCMP_ERROR)
			continue;
		rc = add_one(context, rule, action, number, arguments);
		if (rc && rc != -EEXIST)
			return err_sys(err, -rc,
				       "seccomp: cannot add a rule for %s",
				       rule->names[i]);
	}
	return 0;
}

static int add_architectures(scmp_filter_ctx context,
			     const struct filter_profile *profile,
			     struct err *err)
{
	for (size_t i = 0; i < profile->architecture_count; i++) {
		const char *name = profile->architectures[i];
		int rc = seccomp_arch_add(
			context,
			(uint32_t)names_find(architectures, name)->value);

		if (rc && rc != -EEXIST)
			return err_sys(err, -rc, "seccomp: cannot add %s",
				       name);
	}
	return 0;
}

static int export_program(scmp_filter_ctx context,
			  struct filter_program *program, struct err *err)
{
	autoclose int fd = memfd_create("filter", MFD_CLOEXEC);
	autofree void *code = NULL;
	struct stat st;
	int rc;

	if (fd < 0)
		return err_sys(err, errno, "seccomp: no memory");
	rc = seccomp_export_bpf(context, fd);
	if (rc || fstat(fd, &st))
		return err_sys(err, rc ? -rc : errno,
			       "seccomp: cannot build the filter");
	code = malloc((size_t)st.st_size + 1);
	if (!code || pread(fd, code, (size_t)st.st_size, 0) != st.st_size)
		return err_sys(err, ENOMEM, "seccomp: cannot read the filter");
	program->len = (unsigned short)(st.st_size / 8);
	program->code = move_ptr(&code);
	return 0;
}

int filter_build(const struct filter_profile *profile,
		 struct filter_program *ret_program, struct err *err)
{
	uint32_t default_action =
		action_of(profile->default_action, profile->default_error);
	scmp_filter_ctx context = seccomp_init(default_action);
	int rc;

	if (!context)
		return err_set(err, ENOMEM, "seccomp: cannot begin a filter");
	/* A binary tree of the numbers: fewer steps for each call. */
	seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	rc = add_architectures(context, profile, err);
	for (size_t i = 0; !rc && i < profile->rule_count; i++)
		rc = add_rule(context, &profile->rules[i], default_action, err);
	if (!rc)
		rc = export_program(context, ret_program, err);
	seccomp_release(context);
	return rc;
}

static int build(const struct filter_profile *profile,
		 struct filter_program *program, struct err *err)
{
	int rc = filter_build(profile, program, err);

	if (!rc)
		program->len = (unsigned short)filter_shorten(program->code,
							      program->len);
	return rc;
}

int filter_compile(const struct filter_profile *profile, int cache,
		   struct filter_program *ret_program, struct err *err)
{
	struct filter_program program = { .code = NULL };
	struct filter_key key = { .text = NULL };
	int rc;

	for (size_t i = 0; i < profile->flag_count; i++)
		program.flags |=
			(unsigned int)names_find(flags, profile->flags[i])
				->value;
	/* Threads there are none; as a flag it would only be refused. */
	program.flags &= ~SECCOMP_FILTER_FLAG_TSYNC;
	if (cache < 0) {
		rc = build(profile, &program, err);
	} else {
		rc = filter_key_make(&key, profile, err);
		if (!rc && !filter_cache_get(cache, &key, &program)) {
			rc = build(profile, &program, err);
			/* Without it the next start takes longer. */
			if (!rc)
				filter_cache_put(cache, &key, &program);
		}
		free(key.text);
	}
	if (!rc)
		*ret_program = program;
	return rc;
}

void filter_release(struct filter_program *program)
{
	free(move_ptr(&program->code));
}

int filter_load(const struct filter_program *program, struct err *err)
{
	int rc = sys_seccomp_load(program->flags, program->len, program->code);

	return rc < 0 ? err_sys(err, -rc, "cannot load the seccomp filter") : 0;
}

int filter_load_listener(const struct filter_program *program)
{
	return sys_seccomp_load(program->flags |
					SECCOMP_FILTER_FLAG_NEW_LISTENER,
				program->len, program->code);
}
