#include "client/wire.h"
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

/* Unix sockets connect at once or not at all: a full backlog is EAGAIN. */
static int reach(int fd, const struct sockaddr_un *address)
{
	while (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
		if (errno != EINTR)
			return errno;
	}
	return 0;
}

const char *wire_place(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0 || S_ISSOCK(st.st_mode))
		return NULL;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG: return "a file";
	case S_IFDIR: return "a directory";
	case S_IFIFO: return "a pipe";
	default: return "a device";
	}
}

int wire_open(struct wire *w, const char *path, size_t line_max)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!path[0])
		return EINVAL;
	if (strlen(path) >= sizeof address.sun_path)
		return ENAMETOOLONG;
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	int failed = reach(fd, &address);
	if (failed) {
		close(fd);
		return failed != EAGAIN && wire_place(path) ? ENOTSOCK : failed;
	}
	w->fd = fd;
	w->watcher = -1;
	frame_init(&w->in, line_max);
	return 0;
}

void wire_close(struct wire *w)
{
	if (w->fd < 0)
		return;
	/* a child of fork() may hold the socket open, which would keep it in the epoll set */
	if (w->watcher >= 0)
		epoll_ctl(w->watcher, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	frame_free(&w->in);
	w->fd = -1;
}

int wire_watch(struct wire *w, int epoll, short events)
{
	struct epoll_event e = {.events = EPOLLIN | (events & POLLOUT ? EPOLLOUT : 0)};

	if (w->watcher == epoll && w->watched == events)
		return 0;
	if (epoll_ctl(epoll, w->watcher == epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e) != 0)
		return errno;
	w->watcher = epoll;
	w->watched = events;
	return 0;
}

ssize_t wire_send(struct wire *w, const struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
	ssize_t sent;

	do
		sent = sendmsg(w->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

enum wire_read wire_read(struct wire *w)
{
	size_t room;
	char *to = frame_room(&w->in, READ_SIZE, &room);
	ssize_t got;

	do
		got = read(w->fd, to, room);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		frame_filled(&w->in, (size_t)got);
		return (size_t)got < room ? WIRE_EMPTY : WIRE_MORE;
	}
	if (got < 0 && errno == EAGAIN)
		return WIRE_EMPTY;
	frame_end(&w->in);
	return WIRE_ENDED;
}
