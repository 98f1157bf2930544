#include "client/link.h"
#include "proto/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

struct link {
	int fd;
	bool ended; /* the daemon will send nothing more */
	struct frame in;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

int64_t link_deadline(double seconds)
{
	return seconds < 1e9 ? now() + (int64_t)(seconds * 1e6) : LINK_FOREVER;
}

/* Milliseconds for poll, rounded up so that it does not wake just before the deadline, over and over. */
static int left_ms(int64_t deadline)
{
	if (deadline == LINK_FOREVER)
		return -1;
	int64_t left = deadline - now();
	if (left <= 0)
		return 0;
	return left / 1000 < 60000 ? (int)((left + 999) / 1000) : 60000;
}

/* Until one of `events` or the end of the connection can be seen. */
static enum link_result wait_for(struct link *l, short events, int64_t deadline, short *seen)
{
	for (;;) {
		struct pollfd p = {.fd = l->fd, .events = events};
		int ready = poll(&p, 1, left_ms(deadline));
		*seen = p.revents;
		if (ready > 0)
			return LINK_OK;
		if (ready < 0 && errno != EINTR)
			return LINK_FAILED;
		if (deadline != LINK_FOREVER && now() >= deadline)
			return LINK_TIMEOUT;
	}
}

/* connect() on a Unix socket waits while the daemon's backlog is full,
 * for as long as the socket's sending timeout. */
static enum link_result reach(int fd, const struct sockaddr_un *address, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline == LINK_FOREVER ? 0 : deadline - now();
		if (left < 0 || (left == 0 && deadline != LINK_FOREVER))
			return LINK_TIMEOUT;
		struct timeval timeout = {.tv_sec = left / 1000000, .tv_usec = left % 1000000};
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0)
			return LINK_FAILED;
		if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
			return LINK_OK;
		if (errno == EAGAIN)
			return LINK_TIMEOUT;
		if (errno != EINTR)
			return LINK_FAILED;
	}
}

static enum link_result open_socket(const struct sockaddr_un *address, int64_t deadline, int *fd)
{
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return LINK_FAILED;
	enum link_result result = reach(*fd, address, deadline);
	if (result == LINK_OK && fcntl(*fd, F_SETFL, O_NONBLOCK) != 0)
		result = LINK_FAILED;
	if (result != LINK_OK) {
		int why = errno;
		close(*fd);
		errno = why;
	}
	return result;
}

enum link_result link_open(const char *path, int64_t deadline, struct link **made)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return LINK_FAILED;
	}
	strcpy(address.sun_path, path);
	enum link_result result = open_socket(&address, deadline, &fd);
	if (result != LINK_OK)
		return result;
	struct link *l = mem_zero(sizeof *l);
	l->fd = fd;
	frame_init(&l->in, LINK_LINE_MAX);
	*made = l;
	return LINK_OK;
}

void link_close(struct link *l)
{
	if (!l)
		return;
	close(l->fd);
	frame_free(&l->in);
	free(l);
}

/* Whatever is there to be read, into the frame. */
static enum link_result take_in(struct link *l)
{
	size_t room;
	char *to = frame_room(&l->in, READ_SIZE, &room);
	ssize_t got = read(l->fd, to, room);

	if (got > 0) {
		frame_filled(&l->in, (size_t)got);
		return LINK_OK;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return LINK_OK;
	if (got < 0 && errno != ECONNRESET)
		return LINK_FAILED;
	frame_end(&l->in);
	l->ended = true;
	return LINK_OK;
}

enum link_result link_send(struct link *l, struct span bytes, int64_t deadline)
{
	while (bytes.len > 0) {
		ssize_t sent = send(l->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
		if (sent >= 0) {
			bytes.at += sent;
			bytes.len -= (size_t)sent;
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return LINK_CLOSED;
		if (errno != EAGAIN && errno != EINTR)
			return LINK_FAILED;
		short seen;
		enum link_result result = wait_for(l, (short)(POLLOUT | (l->ended ? 0 : POLLIN)), deadline, &seen);
		if (result == LINK_OK && !l->ended && seen & (POLLIN | POLLHUP))
			result = take_in(l);
		if (result != LINK_OK)
			return result;
	}
	return LINK_OK;
}

enum link_result link_next(struct link *l, struct span *line, int64_t deadline)
{
	for (;;) {
		short seen;
		switch (frame_next(&l->in, line)) {
		case FRAME_LINE: return LINK_OK;
		case FRAME_TOO_LONG: return LINK_TOO_LONG;
		case FRAME_MORE: break;
		}
		if (l->ended)
			return LINK_CLOSED;
		enum link_result result = wait_for(l, POLLIN, deadline, &seen);
		if (result == LINK_OK)
			result = take_in(l);
		if (result != LINK_OK)
			return result;
	}
}
