#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "vmm/matrix_internal.h"

/* Names become names of files. */
static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	/* The reports of all are matrix.json and matrix.xml. */
	if (!len || len > MATRIX_NAME_MAX || name[0] == '.' ||
	    !strcmp(name, "matrix"))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) &&
		    !strchr("._+-", name[i]))
			return false;
	}
	return true;
}

/* Adds the boot whose keys are those of @parts, the later ones winning. */
static int add_boot(struct matrix *matrix, const char *name,
		    json_t *const parts[], size_t part_count, struct err *err)
{
	struct boot *boots;
	struct boot *boot;

	if (!name_is_valid(name))
		return err_set(err, EINVAL,
			       "\"%.120s\" is no name for a boot: 1 to %d "
			       "letters, digits, \"._+-\", no dot in front, "
			       "not \"matrix\"",
			       name, MATRIX_NAME_MAX);
	for (size_t i = 0; i < matrix->count; i++) {
		if (!strcmp(matrix->boots[i].name, name))
			return err_set(err, EINVAL,
				       "two boots are named \"%s\"", name);
	}
	if (matrix->count == MATRIX_MAX_BOOTS)
		return err_set(err, EINVAL, "there are more than %d boots",
			       MATRIX_MAX_BOOTS);
	boots = realloc(matrix->boots, (matrix->count + 1) * sizeof(*boots));
	if (!boots)
		return err_sys(err, ENOMEM, "boots");
	matrix->boots = boots;
	boot = &boots[matrix->count++];
	*boot = (struct boot){ .status = -1, .config = json_object() };
	memcpy(boot->name, name, strlen(name) + 1);
	for (size_t i = 0; i < part_count; i++) {
		if (!parts[i])
			continue;
		if (!json_is_object(parts[i]))
			return err_set(err, EINVAL,
				       "the boot \"%s\" is not an object",
				       name);
		if (json_object_update(boot->config, parts[i]))
			return err_sys(err, ENOMEM, "boots");
	}
	return 0;
}

/* Each kernel with each configuration. */
static int add_products(struct matrix *matrix, json_t *common, json_t *kernels,
			json_t *configurations, struct err *err)
{
	const char *kernel_name;
	const char *name;
	json_t *kernel;
	json_t *configuration;

	json_object_foreach(kernels, kernel_name, kernel)
	{
		json_t *const alone[] = { common, kernel };
		int rc = 0;

		if (!json_object_size(configurations))
			rc = add_boot(matrix, kernel_name, alone, 2, err);
		if (rc)
			return rc;
		json_object_foreach(configurations, name, configuration)
		{
			json_t *const parts[] = { common, kernel,
						  configuration };
			char both[2 * MATRIX_NAME_MAX];

			snprintf(both, sizeof(both), "%s-%s", kernel_name,
				 name);
			rc = add_boot(matrix, both, parts, 3, err);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static int check_keys(json_t *tree, struct err *err)
{
	static const char *const known[] = { "common", "kernels",
					     "configurations", "boots" };
	const char *key;
	json_t *value;

	if (!json_is_object(tree))
		return err_set(err, EINVAL, "it is not an object");
	json_object_foreach(tree, key, value)
	{
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found |= !strcmp(key, known[i]);
		if (!found)
			return err_set(err, EINVAL,
				       "unknown key \"%s\"; there are common, "
				       "kernels, configurations and boots",
				       key);
		if (!json_is_object(value))
			return err_set(err, EINVAL, "\"%s\" is not an object",
				       key);
	}
	return 0;
}

static int read_tree(struct matrix *matrix, json_t *tree, struct err *err)
{
	json_t *common = json_object_get(tree, "common");
	const char *name;
	json_t *boot;
	int rc;

	rc = check_keys(tree, err);
	if (!rc)
		rc = add_products(matrix, common,
				  json_object_get(tree, "kernels"),
				  json_object_get(tree, "configurations"), err);
	if (rc)
		return rc;
	json_object_foreach(json_object_get(tree, "boots"), name, boot)
	{
		json_t *const parts[] = { common, boot };

		rc = add_boot(matrix, name, parts, 2, err);
		if (rc)
			return rc;
	}
	if (!matrix->count)
		return err_set(err, EINVAL, "it has no boots");
	return 0;
}

int matrix_load(struct matrix *matrix, const char *path, struct err *err)
{
	json_error_t error;
	json_t *tree = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	int rc;

	if (!tree)
		return err_set(err, EINVAL, "%s:%d:%d: %s", path, error.line,
			       error.column, error.text);
	rc = read_tree(matrix, tree, err);
	json_decref(tree);
	return rc ? err_prefix(err, "%s", path) : 0;
}
