/* echo: answers each call with a line that stands ready, as fast as a socket can: what load can do at most.
 *
 *     echo SOCKET REPLY_BYTES
 *
 * A line that does not end with an id (a notification) is not answered. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, SHELF_BYTES = 1 << 20, EVENTS = 64 };

struct peer {
	int fd;
	char before[2];      /* the last two bytes of what was read */
	uint64_t owed;       /* bytes of replies */
	uint64_t shelf_from; /* where in a reply the next byte is */
};

static char bytes[READ_BYTES];
static char *shelf; /* the reply, again and again */
static size_t reply_bytes, shelf_bytes;

static void fill_shelf(void)
{
	static const char begin[] = "{\"jsonrpc\":\"2.0\",\"result\":\"", end[] = "\",\"id\":1}\n";
	size_t least = sizeof begin + sizeof end - 2;
	if (reply_bytes < least)
		reply_bytes = least;
	shelf_bytes = reply_bytes * (SHELF_BYTES / reply_bytes + 2);
	shelf = malloc(shelf_bytes);
	memset(shelf, 'x', shelf_bytes);
	for (size_t at = 0; at < shelf_bytes; at += reply_bytes) {
		memcpy(shelf + at, begin, sizeof begin - 1);
		memcpy(shelf + at + reply_bytes - (sizeof end - 1), end, sizeof end - 1);
	}
}

static unsigned count_calls(struct peer *p, size_t len)
{
	unsigned calls = 0;
	const char *at = bytes, *end = bytes + len, *newline;
	for (; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
		char last = newline - bytes >= 2 ? newline[-2] : p->before[newline - bytes];
		calls += last >= '0' && last <= '9';
	}
	p->before[0] = len >= 2 ? end[-2] : p->before[1];
	p->before[1] = end[-1];
	return calls;
}

static int pay(struct peer *p)
{
	while (p->owed > 0) {
		size_t room = shelf_bytes - p->shelf_from;
		ssize_t sent = send(p->fd, shelf + p->shelf_from, p->owed < room ? p->owed : room, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		p->owed -= (uint64_t)sent;
		p->shelf_from = (p->shelf_from + (uint64_t)sent) % reply_bytes;
	}
	return 0;
}

static int serve(int epoll, struct peer *p)
{
	int owing = p->owed > 0;
	if (!owing) {
		ssize_t got = recv(p->fd, bytes, sizeof bytes, 0);
		if (got <= 0)
			return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
		p->owed = (uint64_t)count_calls(p, (size_t)got) * reply_bytes;
	}
	if (pay(p) != 0)
		return -1;
	if (owing == (p->owed > 0))
		return 0;
	struct epoll_event e = {.events = p->owed > 0 ? EPOLLOUT : EPOLLIN, .data.ptr = p};
	return epoll_ctl(epoll, EPOLL_CTL_MOD, p->fd, &e);
}

static void welcome(int epoll, int listener)
{
	struct peer *p = calloc(1, sizeof *p);
	p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
	if (p->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &e) != 0)
		free(p);
}

static void farewell(struct peer *p)
{
	close(p->fd);
	free(p);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0) {
		fprintf(stderr, "echo: cannot listen at %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	if (argc != 3 || strlen(argv[1]) >= sizeof ((struct sockaddr_un *)0)->sun_path) {
		fprintf(stderr, "usage: echo SOCKET REPLY_BYTES\n");
		return 2;
	}
	reply_bytes = strtoul(argv[2], NULL, 10);
	fill_shelf();
	int listener = listen_at(argv[1]), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN}, events[EVENTS];
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			struct peer *p = events[i].data.ptr;
			if (!p)
				welcome(epoll, listener);
			else if (serve(epoll, p) != 0)
				farewell(p);
		}
	}
}
