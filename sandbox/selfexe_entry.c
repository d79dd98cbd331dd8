/*
 * Where the kernel enters hull-ct: before the C library, which takes longer to
 * begin than all that is done here, and longer still on a host that is itself a
 * guest, where it executes CPUID some fifty times. What selfexe_protect would
 * do after that, and then begin anew, is done right away where it can be; where
 * not, nothing has happened, and selfexe_protect says why.
 *
 * There are no relocations yet, no thread pointer and no stack guard: only
 * system calls, and addresses relative to the instruction's.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sandbox/selfexe.h"

#define SELF	      "/proc/self/exe"
#define FOLDER_TEXT   (sizeof(SELFEXE_FOLDER "=") + PATH_MAX)
/* Of the environment; with more, selfexe_protect does it. */
#define VARIABLES_MAX 1000

#define BEFORE_LIBC __attribute__((no_stack_protector))

static inline long call(long number, long a, const void *b, long c,
			const void *d, long e)
{
	__asm__ volatile("mov %[d], %%r10\n\t"
			 "mov %[e], %%r8\n\t"
			 "syscall"
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(c), [d] "r"(d), [e] "r"(e)
			 : "rcx", "r8", "r10", "r11", "memory");
	return number;
}

/* What follows @start in @text, or NULL when it begins otherwise. */
BEFORE_LIBC static const char *behind(const char *text, const char *start)
{
	while (*start && *text == *start) {
		text++;
		start++;
	}
	return *start ? NULL : text;
}

BEFORE_LIBC static bool is_word(const char *text, const char *word)
{
	const char *rest = behind(text, word);

	return rest && !*rest;
}

/* A container of that name costs the command no more than time. */
BEFORE_LIBC static bool is_wanted(char *const argv[])
{
	for (; *argv; argv++) {
		if (is_word(*argv, "run") || is_word(*argv, "create") ||
		    is_word(*argv, "exec") || is_word(*argv, "launch"))
			return true;
	}
	return false;
}

BEFORE_LIBC static bool is_exposed(void)
{
	struct statfs fs;

	fs.f_flags = 0;
	return call(SYS_statfs, (long)(uintptr_t)SELF, &fs, 0, NULL, 0) == 0 &&
	       !(fs.f_flags & ST_RDONLY);
}

/* SELFEXE_FOLDER and its value into @text. False when it is not to be had. */
BEFORE_LIBC static bool tell_folder(char text[FOLDER_TEXT])
{
	static const char name[] = SELFEXE_FOLDER "=";
	size_t len = 0;
	long n;

	for (; name[len]; len++)
		text[len] = name[len];
	n = call(SYS_readlink, (long)(uintptr_t)SELF, text + len, PATH_MAX,
		 NULL, 0);
	if (n <= 0)
		return false;
	for (n += (long)len; text[n - 1] != '/'; n--) {
		if (n == (long)len + 1)
			return false;
	}
	text[n - 1] = '\0';
	return true;
}

/* Changes nothing but what is on the stack, and returns when it fails. */
BEFORE_LIBC static void start_anew(char *const argv[], char *const envp[])
{
	char folder[FOLDER_TEXT];
	const char *copy[VARIABLES_MAX + 2];
	size_t count = 0;
	struct mount_attr change;
	long tree;

	if (!tell_folder(folder))
		return;
	copy[count++] = folder;
	for (; *envp; envp++) {
		if (behind(*envp, SELFEXE_FOLDER "="))
			continue;
		if (count > VARIABLES_MAX)
			return;
		copy[count++] = *envp;
	}
	copy[count] = NULL;
	tree = call(SYS_open_tree, AT_FDCWD, SELF, OPEN_TREE_CLONE, NULL, 0);
	if (tree < 0)
		return;
	change.attr_set = MOUNT_ATTR_RDONLY;
	change.attr_clr = 0;
	change.propagation = MS_PRIVATE;
	change.userns_fd = 0;
	/* In the place of a standard file it would be taken for that. */
	if (tree > STDERR_FILENO &&
	    call(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &change,
		 sizeof(change)) == 0)
		call(SYS_execveat, tree, "", (long)(uintptr_t)argv, copy,
		     AT_EMPTY_PATH);
	call(SYS_close, tree, NULL, 0, NULL, 0);
}

/* @stack is how the kernel leaves it: argc, argv, environment (System V ABI,
 * AMD64 supplement, 3.4.1). */
__attribute__((used)) BEFORE_LIBC static void
selfexe_before_libc(const long *stack)
{
	char *const *argv = (char *const *)(stack + 1);
	char *const *envp = argv + stack[0] + 1;

	if (is_wanted(argv) && is_exposed())
		start_anew(argv, envp);
}

/* rdx is what _start shall have called at the end: nothing, in a static
 * program. */
__asm__(".text\n"
	".p2align 4\n"
	".globl selfexe_entry\n"
	".type selfexe_entry, @function\n"
	"selfexe_entry:\n"
	"	endbr64\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	call selfexe_before_libc\n"
	"	xor %edx, %edx\n"
	"	jmp _start\n"
	".size selfexe_entry, . - selfexe_entry\n");
