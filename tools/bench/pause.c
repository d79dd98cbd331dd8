/* What a container of bench-ct runs that others are executed in: it waits. */
#include <unistd.h>

int main(void)
{
	pause();
	return 0;
}
