/*
 * Any text as a configuration file. What is accepted must come back from its
 * own dump, and what is refused must have a sentence of one line.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/config_json.h"

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

static void check_round_trip(struct vm_config *config)
{
	autofree char *first = NULL;
	autofree char *second = NULL;
	struct err err = { 0 };
	struct vm_config again;

	require(options_to_json(&config_options, config, &first, &err) == 0);
	config_init(&again);
	require(options_from_json(&config_options, &again, "dump", first,
				  strlen(first), &err) == 0);
	require(options_to_json(&config_options, &again, &second, &err) == 0);
	require(strcmp(first, second) == 0);
	config_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_config config;
	struct err err = { 0 };

	config_init(&config);
	if (options_from_json(&config_options, &config, "fuzz",
			      (const char *)data, size, &err)) {
		check_sentence(&err);
	} else {
		check_round_trip(&config);
		if (config_validate(&config, &err))
			check_sentence(&err);
	}
	config_release(&config);
	return 0;
}
