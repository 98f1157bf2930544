#include "daemon/listener.h"
#include "proto/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool make_address(const char *path, struct sockaddr_un *address, char *why, size_t why_size)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) < sizeof address->sun_path) {
		strcpy(address->sun_path, path);
		return true;
	}
	snprintf(why, why_size,
	         "the socket path %s is %zu bytes long, a Unix socket's may have %zu; choose a shorter one with "
	         "--socket",
	         path, strlen(path), sizeof address->sun_path - 1);
	return false;
}

/* Where the directory cannot be made, bind says so.
 * One that somebody else owns could be pulled from under the socket. */
static bool make_parent(const char *path, char *why, size_t why_size)
{
	char *parent = mem_copy(path, strlen(path) + 1), *slash = strrchr(parent, '/');
	struct stat status;
	bool good = true;
	if (slash && slash != parent) {
		*slash = '\0';
		mkdir(parent, 0700);
		good = stat(parent, &status) < 0 || status.st_uid == geteuid() || status.st_uid == 0;
		if (!good)
			snprintf(why, why_size,
			         "%s belongs to another user (uid %u), who could replace the socket; choose another "
			         "--socket",
			         parent, status.st_uid);
	}
	free(parent);
	return good;
}

static bool take_lock(struct listener *l, const char *path, char *why, size_t why_size)
{
	char name[4096];
	snprintf(name, sizeof name, "%s.lock", path);
	l->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock < 0) {
		snprintf(why, why_size, "cannot open %s: %s", name, strerror(errno));
		return false;
	}
	return true;
}

/* The pid on the other end, where somebody answers; 0: nobody. */
static int holder_of(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred who = {.pid = -1};
	socklen_t size = sizeof who;
	/* EAGAIN: its queue is full, so there is somebody */
	bool answers = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN;
	if (answers)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	close(fd);
	return answers ? (who.pid > 0 ? who.pid : -1) : 0;
}

static bool path_is_free(const struct sockaddr_un *address, char *why, size_t why_size)
{
	struct stat status;
	if (lstat(address->sun_path, &status) < 0) {
		if (errno == ENOENT)
			return true;
		snprintf(why, why_size, "cannot look at %s: %s", address->sun_path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(status.st_mode)) {
		snprintf(why, why_size,
		         "%s exists and is no socket; it is left alone: choose another --socket or remove it",
		         address->sun_path);
		return false;
	}
	int pid = holder_of(address);
	if (pid) {
		snprintf(why, why_size,
		         "a daemon answers on %s already (pid %d); stop it first or choose another --socket",
		         address->sun_path, pid);
		return false;
	}
	return unlink(address->sun_path) == 0 || errno == ENOENT;
}

/* Nobody can connect before listen(), so that its group and mode are right before anyone can. */
static bool bind_socket(struct listener *l, const struct sockaddr_un *address, const struct listener_options *o)
{
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before = umask(0177);
	bool bound = l->fd >= 0 && bind(l->fd, (const struct sockaddr *)address, sizeof *address) == 0;
	int error = errno;
	umask(before);
	errno = error;
	return bound && (o->group == LISTENER_OWN_GROUP || chown(o->path, (uid_t)-1, o->group) == 0) &&
	       chmod(o->path, o->mode) == 0 && listen(l->fd, LISTENER_BACKLOG) == 0;
}

bool listener_open(struct listener *l, const struct listener_options *o, char *why, size_t why_size)
{
	const char *path = o->path;
	struct sockaddr_un address;
	*l = (struct listener){.fd = -1, .lock = -1};
	if (!make_address(path, &address, why, why_size))
		return false;
	if (!make_parent(path, why, why_size) || !take_lock(l, path, why, why_size))
		return false;
	if (flock(l->lock, LOCK_EX | LOCK_NB) < 0) {
		int pid = holder_of(&address);
		if (pid > 0)
			snprintf(why, why_size,
			         "a daemon (pid %d) holds %s already; stop it first or choose another --socket", pid,
			         path);
		else
			snprintf(why, why_size, "another daemon holds %s.lock; stop it first or choose another --socket",
			         path);
		return false;
	}
	why[0] = '\0';
	if (path_is_free(&address, why, why_size) && bind_socket(l, &address, o)) {
		l->path = mem_copy(path, strlen(path) + 1);
		return true;
	}
	if (!why[0])
		snprintf(why, why_size, "cannot listen on %s: %s", path, strerror(errno));
	return false;
}

bool listener_inherit(struct listener *l, int fd)
{
	struct sockaddr_un address = {0};
	socklen_t size = sizeof address - 1; /* the last byte stays NUL */
	*l = (struct listener){.fd = fd, .lock = -1, .inherited = true};
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return false;
	errno = 0;
	if (address.sun_path[0] != '/')
		return false;
	l->path = mem_copy(address.sun_path, strlen(address.sun_path) + 1);
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

bool listener_group(const struct listener *l, gid_t *group)
{
	struct stat status;
	if (stat(l->path, &status) < 0)
		return false;
	*group = status.st_gid;
	return true;
}

void listener_close(struct listener *l)
{
	if (l->path && !l->inherited)
		unlink(l->path);
	if (l->fd >= 0)
		close(l->fd);
	if (l->lock >= 0)
		close(l->lock);
	free(l->path);
	*l = (struct listener){.fd = -1, .lock = -1};
}
