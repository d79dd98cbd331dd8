/*
 * Any command line, one argument on each line of the input. What is accepted
 * gives the same configuration through JSON, and what is refused has a sentence
 * of one line. No file is opened: --config is parsed and not followed.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/config_json.h"

#define MAX_ARGS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_sentence(const struct err *err)
{
	require(err->code > 0 && err->msg[0]);
	for (const char *c = err->msg; *c; c++)
		require((unsigned char)*c >= ' ' && *c != 0x7f);
}

/* A dump may be refused for one reason only: bytes that JSON cannot carry. */
static void check_round_trip(struct vm_config *config)
{
	autofree char *first = NULL;
	autofree char *second = NULL;
	struct err err = { 0 };
	struct vm_config again;

	if (options_to_json(&config_options, config, &first, &err)) {
		require(strstr(err.msg, "not valid UTF-8") != NULL);
		return;
	}
	config_init(&again);
	require(options_from_json(&config_options, &again, "dump", first,
				  strlen(first), &err) == 0);
	require(options_to_json(&config_options, &again, &second, &err) == 0);
	require(strcmp(first, second) == 0);
	config_release(&again);
}

static void run(int argc, char *const argv[])
{
	struct vm_config config;
	struct option_args args;
	struct err err = { 0 };

	if (options_parse(&config_options, argc, argv, &args, &err)) {
		check_sentence(&err);
		return;
	}
	config_init(&config);
	if (options_apply(&config_options, &config, &args, &err)) {
		check_sentence(&err);
	} else {
		check_round_trip(&config);
		if (config_validate(&config, &err))
			check_sentence(&err);
	}
	config_release(&config);
	option_args_release(&args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[MAX_ARGS + 1];
	autofree char *text = malloc(size + 1);
	int argc = 0;
	char *end;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = text; line && argc < MAX_ARGS; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		/* The text behind the last line break is not an argument. */
		if (end || *line)
			argv[argc++] = line;
	}
	argv[argc] = NULL;
	run(argc, argv);
	return 0;
}
