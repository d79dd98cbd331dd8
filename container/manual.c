/*
 * The manual page, hull-ct(1) in mdoc(7), and the completion for bash. Verbs
 * and options come from the tables that parse them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container/verbs.h"
#include "container/version.h"

static const char head[] =
	".Dt HULL-CT 1\n"
	".Os\n"
	".Sh NAME\n"
	".Nm hull-ct\n"
	".Nd run Linux containers\n"
	".Sh SYNOPSIS\n"
	".Nm\n"
	".Op Ar option ...\n"
	".Ar verb\n"
	".Op Ar option ...\n"
	".Op Ar argument ...\n"
	".Sh DESCRIPTION\n"
	".Nm\n"
	"runs containers in two ways.\n"
	"For people there is\n"
	".Ic launch ,\n"
	"which makes a container of a root filesystem and starts it, and the verbs\n"
	"that follow it in the list below.\n"
	"What was launched stays until it is destroyed, over restarts of the host.\n"
	"For engines such as podman there are the verbs of an OCI runtime, from\n"
	".Ic create\n"
	"on.\n"
	".Pp\n"
	"An image is a folder, a tar archive of any compression, or an OCI layout on\n"
	"disk; LAYOUT:REF is one image of several.\n"
	"A folder is not written to, unless by\n"
	".Fl -in-place .\n"
	"A launched container is in a user namespace of its own, unless by\n"
	".Fl -privileged .\n"
	"Whoever has IDs by\n"
	".Xr subuid 5\n"
	"and\n"
	".Xr subgid 5\n"
	"can launch; limits are for who has a cgroup delegated.\n"
	"With\n"
	".Fl -vm\n"
	"it is a virtual machine of\n"
	".Xr hull 1 ,\n"
	"with a kernel of its own, under the same verbs.\n"
	".Pp\n"
	".Ic export\n"
	"writes a tar archive in the format of\n"
	".Xr pax 1 ,\n"
	"compressed as the name of the file says; the container may be running.\n"
	".Ic import\n"
	"takes the options of\n"
	".Ic launch\n"
	"and an archive of any compression, - for standard input.\n"
	".Pp\n"
	"Options are written\n"
	".Fl -name Ar value\n"
	"or\n"
	".Fl -name Ns = Ns Ar value .\n";

static const char tail[] =
	".Sh FILES\n"
	".Bl -tag -width Ds\n"
	".It Pa /run/hull-ct\n"
	"the state of what runs\n"
	".It Pa /var/lib/hull-ct\n"
	"what was launched, and images\n"
	".It Pa $XDG_RUNTIME_DIR/hull-ct , $XDG_DATA_HOME/hull-ct , ~/.local/share/hull-ct\n"
	"the same of who is not root\n"
	".El\n"
	".Sh EXIT STATUS\n"
	"0 when it went well, 1 when not, 2 for a wrong command line.\n"
	"Where the program in the container is waited for, its own status, 128 and\n"
	"its number for a signal, 126 when it cannot be run and 127 when there is none\n"
	"such.\n"
	".Ic doctor\n"
	"ends with 1 when no container can run.\n"
	".Sh EXAMPLES\n"
	".Dl hull-ct launch ./rootfs web --memory 256M --restart always -- /bin/httpd -f\n"
	".Dl hull-ct enter web\n"
	".Dl hull-ct stop web\n"
	".Dl hull-ct snapshot create web before\n"
	".Sh SEE ALSO\n"
	".Xr podman 1 ,\n"
	".Xr cgroups 7 ,\n"
	".Xr namespaces 7 ,\n"
	".Xr criu 8\n";

/* The options, as the verb itself prints them. */
static void print_options(struct context *context, const struct verb *verb,
			  const char *form)
{
	char word[32];
	char *list[] = { word, NULL };
	struct args args = { .at = list, .count = 1 };

	snprintf(word, sizeof(word), "%s", form);
	verb->run(context, &args, NULL);
}

int verb_man(struct context *context, struct args *args, struct err *err)
{
	const struct arg_option table[] = { ARGS_END };
	const struct verb *verb;
	int rc = verb_options("man", args, table, true, err);

	if (!rc)
		rc = args_end(args, err);
	if (rc)
		return rc;
	printf(".Dd %s\n%s.Sh OPTIONS\n", hull_ct_date, head);
	verb_global_options(ARGS_MDOC);
	printf(".Sh VERBS\n");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		printf(".Ss %s\n.Nm\n.Ic %s\n", verb->name, verb->name);
		if (*verb->arguments)
			printf(".Ar %s\n", verb->arguments);
		printf(".Pp\n%c%s.\n", toupper((unsigned char)*verb->help),
		       verb->help + 1);
		print_options(context, verb, VERB_MDOC);
	}
	printf("%s", tail);
	return fflush(stdout) ? err_sys(err, errno, "cannot write") : 0;
}

static const char script_head[] =
	"# Completion of hull-ct for bash, made by \"hull-ct completion bash\".\n"
	"\n"
	"_hull_ct_options() {\n"
	"\tcase $1 in\n";

static const char script_middle[] =
	"\tesac\n"
	"}\n"
	"\n"
	"_hull_ct() {\n"
	"\tlocal word=${COMP_WORDS[COMP_CWORD]} verb='' i\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n"
	"\t\t--root | --store | --log | --log-format) i=$((i + 1)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) verb=${COMP_WORDS[i]} && break ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $word == -* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_hull_ct_options \"$verb\")\" -- \"$word\")\n"
	"\telif [[ -z $verb ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"";

static const char script_tail[] =
	"\" -- \"$word\")\n"
	"\telif ((i == COMP_CWORD - 1)) && [[ $verb != @(launch|import|spec|completion) ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(hull-ct list -q 2>/dev/null)\" -- \"$word\")\n"
	"\tfi\n"
	"}\n"
	"complete -o default -F _hull_ct hull-ct\n";

int verb_completion(struct context *context, struct args *args, struct err *err)
{
	const struct arg_option table[] = { ARGS_END };
	const struct verb *verb;
	const char *shell = "";
	int rc = verb_options("completion", args, table, true, err);

	if (!rc)
		rc = args_last(args, "the shell", &shell, err);
	if (!rc && strcmp(shell, "bash") != 0)
		rc = err_set(err, EINVAL, "there is completion for bash alone");
	if (rc)
		return rc;
	printf("%s\t'') echo '", script_head);
	verb_global_options(ARGS_WORDS);
	printf("' ;;\n");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		printf("\t%s) echo '", verb->name);
		print_options(context, verb, VERB_WORDS);
		printf(" --help' ;;\n");
	}
	printf("%s", script_middle);
	for (size_t i = 0; (verb = verb_at(i)); i++)
		printf("%s%s", i ? " " : "", verb->name);
	printf("%s", script_tail);
	return fflush(stdout) ? err_sys(err, errno, "cannot write") : 0;
}
