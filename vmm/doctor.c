#include "vmm/doctor.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>

static const char *const state_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_LIMITED] = "limited",
	[DOCTOR_MISSING] = "missing",
};

void doctor_add(struct doctor_report *report, const char *name,
		enum doctor_state state, const char *fmt, ...)
{
	struct doctor_item *item;
	va_list args;

	assert(report->count < DOCTOR_MAX_ITEMS);
	item = &report->items[report->count++];
	item->name = name;
	item->state = state;
	item->remedy[0] = '\0';
	va_start(args, fmt);
	vsnprintf(item->finding, sizeof(item->finding), fmt, args);
	va_end(args);
}

void doctor_remedy(struct doctor_report *report, const char *fmt, ...)
{
	struct doctor_item *item = &report->items[report->count - 1];
	va_list args;

	va_start(args, fmt);
	vsnprintf(item->remedy, sizeof(item->remedy), fmt, args);
	va_end(args);
}

void doctor_print(FILE *out, const struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_item *item = &report->items[i];

		fprintf(out, "%-8s %-14s %s", state_names[item->state],
			item->name, item->finding);
		if (*item->remedy)
			fprintf(out, " -> %s", item->remedy);
		fputc('\n', out);
	}
	fputs(report->can_run ? "A guest can run on this host.\n" :
				"No guest can run on this host.\n",
	      out);
}

void doctor_print_json(FILE *out, const struct doctor_report *report)
{
	json_t *items = json_array();
	json_t *tree = json_object();

	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_item *item = &report->items[i];
		json_t *object = json_object();

		json_object_set_new(object, "name", json_string(item->name));
		json_object_set_new(object, "state",
				    json_string(state_names[item->state]));
		json_object_set_new(object, "finding",
				    json_string(item->finding));
		if (*item->remedy)
			json_object_set_new(object, "remedy",
					    json_string(item->remedy));
		json_array_append_new(items, object);
	}
	json_object_set_new(tree, "can_run", json_boolean(report->can_run));
	json_object_set_new(tree, "items", items);
	json_dumpf(tree, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(tree);
}

bool doctor_run(FILE *out, bool json)
{
	struct doctor_report report = { .root = "" };

	doctor_check_kvm(&report);
	doctor_check_host(&report);
	if (json)
		doctor_print_json(out, &report);
	else
		doctor_print(out, &report);
	return report.can_run;
}
