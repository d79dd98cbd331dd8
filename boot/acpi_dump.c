#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "boot/acpi.h"
#include "boot/load.h"
#include "core/util.h"

static int write_file(int dir_fd, const char *dir, const char *name,
		      const uint8_t *from, size_t len, struct err *err)
{
	autoclose int fd = openat(
		dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return err_sys(err, errno, "%s/%s", dir, name);
	while (len) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "%s/%s", dir, name);
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int boot_dump_acpi(const char *dir, const struct platform *platform,
		   struct err *err)
{
	static const char *const names[ACPI_TABLE_COUNT] = {
		[ACPI_RSDP] = "rsdp.dat", [ACPI_XSDT] = "xsdt.dat",
		[ACPI_RSDT] = "rsdt.dat", [ACPI_FACP] = "facp.dat",
		[ACPI_APIC] = "apic.dat", [ACPI_DSDT] = "dsdt.dat",
		[ACPI_MCFG] = "mcfg.dat",
	};
	const size_t size = PLATFORM_BIOS_END - PLATFORM_BIOS_START;
	autofree uint8_t *buffer = malloc(size);
	autoclose int dir_fd = -1;
	struct acpi_layout layout;
	int rc;

	if (!buffer)
		return err_sys(err, ENOMEM, "ACPI tables");
	rc = acpi_build(platform, buffer, size, PLATFORM_BIOS_START, &layout,
			err);
	if (rc)
		return rc;
	if (mkdir(dir, 0777) && errno != EEXIST)
		return err_sys(err, errno, "%s", dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_sys(err, errno, "%s", dir);
	for (unsigned int i = 0; i < ACPI_TABLE_COUNT && !rc; i++) {
		if (layout.tables[i].size)
			rc = write_file(dir_fd, dir, names[i],
					buffer + layout.tables[i].offset,
					layout.tables[i].size, err);
	}
	return rc;
}
