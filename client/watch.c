#include "client/watch.h"
#include "client/moment.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

void watch_init(struct watch *w)
{
	*w = (struct watch){.epoll = -1, .timer = -1, .armed = MOMENT_NEVER};
}

int watch_open(struct watch *w)
{
	struct epoll_event timer = {.events = EPOLLIN};

	if (w->epoll >= 0)
		return 0;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll >= 0 && fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &timer) == 0) {
		w->epoll = epoll;
		w->timer = fd;
		return 0;
	}
	int failed = errno;
	if (epoll >= 0)
		close(epoll);
	if (fd >= 0)
		close(fd);
	return failed;
}

void watch_close(struct watch *w)
{
	if (w->epoll < 0)
		return;
	close(w->epoll);
	close(w->timer);
	watch_init(w);
}

void watch_woken(struct watch *w)
{
	uint64_t times;

	if (w->epoll >= 0 && w->armed <= moment_now() && read(w->timer, &times, sizeof times) >= 0)
		w->armed = MOMENT_NEVER;
}

static void arm(struct watch *w, int64_t due)
{
	int64_t at = moment_last(due, 1); /* 0 would disarm it */
	struct itimerspec when = {.it_value = {.tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000}};

	if (timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
		w->armed = due;
}

void watch_set(struct watch *w, struct wire *wire, short events, int64_t due)
{
	if (w->epoll < 0)
		return;
	if (wire->fd >= 0 && wire_watch(wire, w->epoll, events) != 0)
		due = 0; /* the kernel has no room for it: look again and again rather than never */
	if (due < w->armed)
		arm(w, due);
}
