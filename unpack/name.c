#include "unpack/name.h"

#include <errno.h>
#include <string.h>

int name_refuse(struct err *err, const char *name, const char *why)
{
	char text[128];
	size_t len = 0;

	for (; len < sizeof(text) - 1 && name[len]; len++) {
		bool plain = (unsigned char)name[len] >= ' ' &&
			     name[len] != 0x7f;

		text[len] = (char)(plain ? name[len] : '?');
	}
	text[len] = '\0';
	return err_set(err, EINVAL, "%s: %s", text, why);
}

bool name_is_kept_xattr(const char *name)
{
	static const char *const whole[] = { "security.capability",
					     "system.posix_acl_access",
					     "system.posix_acl_default" };

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		if (!strcmp(name, whole[i]))
			return true;
	}
	return !strncmp(name, "user.", 5);
}
