#include "vmm/fixed_time.h"

#include <errno.h>
#include <string.h>
#include <time.h>

int fixed_time_parse(const char *text, bool *ret_is_fixed, int64_t *ret_s,
		     struct err *err)
{
	static const char prefix[] = "fixed=";
	struct tm tm = { 0 };
	const char *end;
	struct tm normal;
	time_t seconds;

	if (!strcmp(text, "host")) {
		*ret_is_fixed = false;
		return 0;
	}
	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		goto refuse;
	end = strptime(text + sizeof(prefix) - 1, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || *end)
		goto refuse;
	/* timegm makes the 2nd of March of a 30th of February. */
	normal = tm;
	seconds = timegm(&normal);
	if (normal.tm_mday != tm.tm_mday || normal.tm_sec != tm.tm_sec)
		goto refuse;
	*ret_is_fixed = true;
	*ret_s = seconds;
	return 0;
refuse:
	return err_set(err, EINVAL,
		       "--rtc %s: it is host, or fixed=YYYY-MM-DDTHH:MM:SS "
		       "(UTC)",
		       text);
}
