/* jumping_clock: loaded before the C library (LD_PRELOAD), it moves the wall clock of one process by as many seconds as
 * the file that CLOCK_OFFSET names says, read anew each time. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *to)
{
	char text[32] = "";
	const char *path = getenv("CLOCK_OFFSET");
	int done = (int)syscall(SYS_clock_gettime, clock, to);
	if (done != 0 || clock != CLOCK_REALTIME || !path)
		return done;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
		to->tv_sec += atol(text);
	if (fd >= 0)
		close(fd);
	return 0;
}
