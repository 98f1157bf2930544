/* listener: the Unix socket that clients connect to.
 *
 * <socket>.lock is held with flock across probe, unlink and bind, and for the life of the process, so that
 * two daemons never fight over a path. A socket that somebody answers on is never taken; one that nobody
 * answers on (a daemon was killed) is. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Clients that have connected and wait to be accepted: those of a burst, of a turn of the loop that takes long,
 * and with socket activation those of a whole restart. Whoever comes when the line is full gets EAGAIN or hangs in
 * connect(). The kernel cuts it to net.core.somaxconn, which is 4096 unless somebody has changed it. */
enum { LISTENER_BACKLOG = 4096 };

struct listener {
	int fd, lock;
	char *path;
	bool inherited; /* the service manager's: never probed, bound or removed */
};

struct listener_options {
	const char *path;
	mode_t mode;
	gid_t group; /* LISTENER_OWN_GROUP: the process's */
};
#define LISTENER_OWN_GROUP ((gid_t)-1)

/* Bound and listening; its directory is made (0700) where it is missing. False: `why` says what is wrong and who
 * holds it. */
bool listener_open(struct listener *l, const struct listener_options *o, char *why, size_t why_size);
/* Takes a listening socket that was passed. False: it has no path (errno 0) or the system says errno. */
bool listener_inherit(struct listener *l, int fd);
/* The group that the socket belongs to, whose members may write; false: errno. */
bool listener_group(const struct listener *l, gid_t *group);
/* removes the socket unless it was inherited; the lock file stays. The descriptor is closed unless it was taken
 * (-1) */
void listener_close(struct listener *l);
