/* wire: one connection to the daemon, which never waits.
 *
 * It knows bytes and lines, and nothing of what they say. Closed where fd is below 0. One thread at a time. */
#pragma once
#include "proto/frame.h"
#include <sys/uio.h>

struct wire {
	int fd;
	struct frame in;
	int watcher;   /* the epoll descriptor that watches fd; below 0: none */
	short watched; /* what for, as poll() says it */
};

enum wire_read {
	WIRE_MORE,   /* something was read, and there may be more */
	WIRE_EMPTY,  /* everything has been read */
	WIRE_ENDED,  /* nothing will come any more; what came before is still in `in` */
};

/* 0, or the errno: EAGAIN where the daemon has not yet got to those who came before, ENOTSOCK where something
 * else is at the path, EINVAL for an empty one. */
int wire_open(struct wire *w, const char *path, size_t line_max);
/* What is there instead of a socket: "a file"; NULL: a socket, or nothing. */
const char *wire_place(const char *path);
void wire_close(struct wire *w); /* again: harmless */

/* Has `epoll` watch it for POLLIN or POLLIN | POLLOUT. 0, or the errno. */
int wire_watch(struct wire *w, int epoll, short events);

/* The number of bytes, or -errno: EAGAIN where the socket is full. */
ssize_t wire_send(struct wire *w, const struct iovec *parts, int count);

/* One read, into `in`, from which frame_next takes lines. */
enum wire_read wire_read(struct wire *w);
