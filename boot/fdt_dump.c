#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>

#include "boot/fdt.h"
#include "boot/load.h"
#include "core/util.h"

int boot_dump_fdt(const char *path, const struct boot_request *request,
		  const struct platform *platform, struct err *err)
{
	/* Where an initrd would lie is known only once the kernel is read. */
	const struct fdt_chosen chosen = {
		.bootargs = request->cmdline ? request->cmdline :
					       BOOT_LINUX_CMDLINE,
	};
	autofree uint8_t *buffer = malloc(FDT_SIZE_MAX);
	autoclose int fd = -1;
	size_t done = 0;
	size_t size;
	int rc;

	if (!buffer)
		return err_sys(err, ENOMEM, "device tree");
	rc = fdt_build(buffer, FDT_SIZE_MAX, platform, &chosen, err);
	if (rc)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	size = fdt_totalsize(buffer);
	while (done < size) {
		ssize_t n = write(fd, buffer + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "%s", path);
		done += (size_t)n;
	}
	return 0;
}
