/* ill_disk: loaded before the C library (LD_PRELOAD), it makes one process's calls to the disk hang or fail. The file that
 * ILL_DISK names is read anew at each call; while it says "fsync hang" calls of fsync wait, while it says "fsync 28" they
 * fail with that errno. fdatasync counts as fsync. */
#undef _FILE_OFFSET_BITS /* which would give openat another name, */
#undef _FORTIFY_SOURCE   /* and this a body */
#include <stdbool.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the file says of this call: "" nothing. */
static void order_for(const char *call, char what[16])
{
	char text[64] = "", name[16] = "";
	const char *path = getenv("ILL_DISK");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
	what[0] = '\0';
	if (fd < 0)
		return;
	if (read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%15s %15s", name, what) != 2 || strcmp(name, call) != 0)
		what[0] = '\0';
	close(fd);
}

/* 0, or the errno to fail with. */
static int order(const char *call)
{
	char what[16];
	int kept = errno;
	for (order_for(call, what); strcmp(what, "hang") == 0; order_for(call, what))
		usleep(20000);
	errno = kept;
	return atoi(what);
}

static int fail(int number)
{
	errno = number;
	return -1;
}

int fsync(int fd)
{
	int number = order("fsync");
	return number ? fail(number) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	int number = order("fsync");
	return number ? fail(number) : (int)syscall(SYS_fdatasync, fd);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	/* connections are written to with it, too */
	struct { int family; char rest[126]; } ignored;
	unsigned size = sizeof ignored;
	bool is_socket = syscall(SYS_getsockname, fd, &ignored, &size) == 0;
	int number = is_socket ? 0 : order("writev");
	return number ? fail(number) : syscall(SYS_writev, fd, parts, count);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int number = order("renameat");
	return number ? fail(number) : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

static int open_or_not(int dir, const char *name, int flags, int mode)
{
	int number = order("openat");
	return number ? fail(number) : (int)syscall(SYS_openat, dir, name, flags, mode);
}

int openat(int dir, const char *name, int flags, ...)
{
	va_list arguments;
	va_start(arguments, flags);
	int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
	va_end(arguments);
	return open_or_not(dir, name, flags, mode);
}

int openat64(int dir, const char *name, int flags, ...)
{
	va_list arguments;
	va_start(arguments, flags);
	int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
	va_end(arguments);
	return open_or_not(dir, name, flags, mode);
}
