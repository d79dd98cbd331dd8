#include "boot/flat.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "boot/place.h"
#include "boot/platform.h"
#include "core/parse.h"

int flat_parse(const char *text, enum boot_mode mode, struct flat *ret_flat,
	       struct err *err)
{
	const char *at = strrchr(text, '@');
	struct flat flat = {
		.address = mode == BOOT_MODE_REAL ? FLAT_REAL_ADDRESS :
						    FLAT_ADDRESS,
	};

	if (at && parse_u64(at + 1, &flat.address))
		return err_set(err, EINVAL,
			       "--flat %s: \"%s\" is not an address, such as "
			       "0x7c00",
			       text, at + 1);
	flat.path = strndup(text, at ? (size_t)(at - text) : strlen(text));
	if (!flat.path)
		return err_set(err, ENOMEM, "no memory for the file's name");
	*ret_flat = flat;
	return 0;
}

void flat_release(struct flat *flat)
{
	free(flat->path);
	flat->path = NULL;
}

int flat_check(const struct flat *flat, uint64_t size_bytes,
	       enum boot_mode mode, const struct gmem *gmem, struct err *err)
{
	if (flat->address >= GMEM_HOLE_START ||
	    !gmem_ptr(gmem, flat->address, size_bytes))
		return err_set(err, ENOMEM,
			       "%s needs %" PRIu64 " KiB at 0x%" PRIx64
			       " and the guest has %" PRIu64
			       " MiB; use --memory",
			       flat->path, align_up(size_bytes, KIB) / KIB,
			       flat->address, gmem->size_bytes / MIB);
	if (mode == BOOT_MODE_REAL && flat->address >= PLATFORM_BIOS_END)
		return err_set(err, EINVAL,
			       "%s at 0x%" PRIx64 " is out of real mode's "
			       "reach, 1 MiB",
			       flat->path, flat->address);
	return place_check(mode == BOOT_MODE_REAL ? PLACE_REAL : PLACE_FLAT,
			   flat->address, size_bytes, flat->path, "its bytes",
			   err);
}
