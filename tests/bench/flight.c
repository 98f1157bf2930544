#include "tests/bench/flight.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, EVENTS = 64, TURN_MS = 100 };
#define SECOND UINT64_C(1000000000)

/* Requests are numbered from 0 on each connection; number n is entry (start + n) % ring->count. */
struct craft {
	int fd;
	uint32_t start;
	uint64_t oldest, next, last;   /* below oldest all are answered, below next asked; none from last on */
	uint32_t outstanding, replies; /* replies: how many came for the oldest, of those it gets */
	uint64_t unsent, due;          /* bytes, counted on from the ring's start through all passes over it */
	uint64_t *sent_at;             /* by number, modulo window; 0: answered */
	bool wants_write;
	struct reply_scanner scanner;
};

struct flight {
	const struct flight_plan *plan;
	struct flight_log *log;
	struct craft *crafts;
	int epoll;
	uint32_t window;
	uint64_t outstanding;
	bool counting, asking, failed;
	char *bytes;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

__attribute__((format(printf, 2, 3))) static bool fail(struct flight *f, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!f->failed)
		vsnprintf(f->log->fault, sizeof f->log->fault, format, args);
	va_end(args);
	f->failed = true;
	return false;
}

/* ---- sending */

static const struct ring_entry *entry_of(const struct flight *f, const struct craft *c, uint64_t number)
{
	return &f->plan->ring->entries[(c->start + number) % f->plan->ring->count];
}

/* Sends what is due; what the socket does not take now waits until it does. */
static bool send_due(struct flight *f, struct craft *c)
{
	const struct buf *bytes = &f->plan->ring->bytes;
	while (c->unsent < c->due) {
		size_t at = c->unsent % bytes->len;
		size_t len = c->due - c->unsent < bytes->len - at ? c->due - c->unsent : bytes->len - at;
		ssize_t sent = send(c->fd, bytes->at + at, len, MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (sent < 0)
			return fail(f, "cannot send: %m");
		c->unsent += (uint64_t)sent;
		f->log->bytes_out += f->counting ? (uint64_t)sent : 0;
	}
	bool waits = c->unsent < c->due;
	if (waits == c->wants_write)
		return true;
	c->wants_write = waits;
	struct epoll_event e = {.events = EPOLLIN | (waits ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};
	if (f->epoll >= 0 && epoll_ctl(f->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
		return fail(f, "epoll: %m");
	return true;
}

static bool may_ask(const struct flight *f, const struct craft *c)
{
	return f->asking && c->outstanding < f->plan->pipeline && c->next < c->last &&
	       c->next - c->oldest < f->window;
}

static bool ask_more(struct flight *f, struct craft *c, uint64_t now)
{
	const struct ring *ring = f->plan->ring;
	while (may_ask(f, c)) {
		uint64_t at = (c->start + c->next) % ring->count;
		c->sent_at[c->next % f->window] = now;
		c->due += ring->entries[at + 1].begin - ring->entries[at].begin;
		c->next++;
		c->outstanding++;
		f->outstanding++;
	}
	return send_due(f, c);
}

/* ---- reading */

static void settle(struct flight *f, struct craft *c, uint64_t number, uint64_t now)
{
	const struct ring_entry *e = entry_of(f, c, number);
	uint64_t *sent_at = &c->sent_at[number % f->window];
	f->log->total += e->weight;
	if (f->counting) {
		histogram_add(&f->log->took[e->work], now - *sent_at, 1);
		f->log->calls += e->weight;
	}
	*sent_at = 0;
	c->outstanding--;
	f->outstanding--;
	while (c->oldest < c->next && c->sent_at[c->oldest % f->window] == 0)
		c->oldest++;
}

/* Which of the outstanding requests has this id: the one after the oldest that is so many entries further on. */
static uint64_t number_of(const struct flight *f, const struct craft *c, int64_t id)
{
	uint64_t count = f->plan->ring->count, oldest = (c->start + c->oldest) % count;
	return c->oldest + ((uint64_t)id + count - oldest) % count;
}

static bool take_reply(struct flight *f, struct craft *c, const struct reply *r, uint64_t now)
{
	uint64_t number = c->oldest;
	if (!r->good)
		return fail(f, "an error came back: %s", reply_beginning(&c->scanner));
	if (c->outstanding == 0)
		return fail(f, "a reply came that nothing had asked for");
	if (f->plan->dialect->replies_have_ids) {
		if (r->id < 0 || r->id >= f->plan->ring->count)
			return fail(f, "a reply has no id of ours");
		number = number_of(f, c, r->id);
		if (number >= c->next || c->sent_at[number % f->window] == 0)
			return fail(f, "a reply has the id of a request that was not outstanding");
	} else if (++c->replies < entry_of(f, c, number)->replies) {
		return true;
	}
	c->replies = 0;
	settle(f, c, number, now);
	return true;
}

/* True where something was read. */
static bool read_replies(struct flight *f, struct craft *c, uint64_t *now)
{
	ssize_t got = recv(c->fd, f->bytes, READ_BYTES, 0);
	*now = now_ns();
	if (got < 0 && errno == EINTR)
		return true;
	if (got < 0 && errno == EAGAIN)
		return f->epoll >= 0 || fail(f, "no reply for %d s", FLIGHT_PATIENCE);
	if (got <= 0)
		return fail(f, got == 0 ? "the server closed the connection" : "cannot read: %m");
	f->log->bytes_in += f->counting ? (uint64_t)got : 0;
	const char *at = f->bytes, *end = f->bytes + got;
	struct reply r;
	while (reply_next(&c->scanner, &at, end, &r))
		if (!take_reply(f, c, &r, *now))
			return false;
	return true;
}

/* ---- the life of a flight */

static int connect_to(struct flight *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int len = snprintf(address.sun_path, sizeof address.sun_path, "%s", f->plan->socket);
	if (len >= (int)sizeof address.sun_path) {
		fail(f, "the socket's path is too long");
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		fail(f, "cannot connect to %s: %m", f->plan->socket);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static bool join_loop(struct flight *f, struct craft *c)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(f->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
		return fail(f, "epoll: %m");
	return true;
}

static bool board(struct flight *f, struct craft *c, uint32_t index)
{
	const struct ring *ring = f->plan->ring;
	uint64_t begin = (uint64_t)ring->count * index / f->plan->connections;
	uint64_t end = (uint64_t)ring->count * (index + 1) / f->plan->connections;
	*c = (struct craft){.fd = connect_to(f), .start = (uint32_t)begin, .last = UINT64_MAX};
	if (c->fd < 0)
		return false;
	if (f->plan->once)
		c->last = end - begin;
	c->unsent = c->due = ring->entries[begin].begin;
	c->sent_at = mem_zero(f->window * sizeof *c->sent_at);
	c->scanner.framing = f->plan->dialect->framing;
	if (f->epoll >= 0)
		return join_loop(f, c);
	struct timeval patience = {.tv_sec = FLIGHT_PATIENCE};
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return true;
}

static bool turn_craft(struct flight *f, struct craft *c, uint32_t events, uint64_t *now)
{
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !read_replies(f, c, now))
		return false;
	return ask_more(f, c, *now);
}

/* One connection alone is read from as a program would that waits for its answer. */
static bool turn(struct flight *f, uint64_t *now)
{
	struct epoll_event events[EVENTS];
	if (f->epoll < 0)
		return turn_craft(f, &f->crafts[0], EPOLLIN, now);
	int count = epoll_wait(f->epoll, events, EVENTS, TURN_MS);
	if (count < 0 && errno != EINTR)
		return fail(f, "epoll: %m");
	if (count == 0)
		*now = now_ns();
	for (int i = 0; i < count; i++)
		if (!turn_craft(f, events[i].data.ptr, events[i].events, now))
			return false;
	return true;
}

static bool is_stopped(const struct flight *f)
{
	return (f->plan->calls > 0 && f->log->total >= f->plan->calls) || (f->plan->stop && *f->plan->stop);
}

static bool is_over(const struct flight *f, uint64_t now, uint64_t end)
{
	bool all_asked = true;
	if (!f->plan->once)
		return (now >= end && f->log->calls > 0) || is_stopped(f);
	for (uint32_t i = 0; i < f->plan->connections && all_asked; i++)
		all_asked = f->crafts[i].next >= f->crafts[i].last;
	return all_asked && f->outstanding == 0;
}

static void start_counting(struct flight *f)
{
	f->counting = true;
	f->log->cpu = cpu_seconds();
}

static void fly_all(struct flight *f)
{
	const struct flight_plan *p = f->plan;
	uint64_t start = now_ns(), now = start, warm = p->once ? 0 : (uint64_t)(p->warm * 1e9), moved = now, seen = 0;
	uint64_t end = now + warm + (uint64_t)(p->seconds * 1e9);
	if (warm == 0)
		start_counting(f);
	for (uint32_t i = 0; i < p->connections; i++)
		if (!ask_more(f, &f->crafts[i], now))
			return;
	while (!is_over(f, now, end)) {
		if (!turn(f, &now))
			return;
		if (!f->counting && now - start >= warm) {
			start_counting(f);
			start = now;
		}
		if (f->log->calls != seen || !f->counting)
			moved = now;
		seen = f->log->calls;
		if (now - moved > FLIGHT_PATIENCE * SECOND) {
			fail(f, "no reply for %d s", FLIGHT_PATIENCE);
			return;
		}
	}
	f->log->seconds = (double)(now - start) / 1e9;
	f->log->cpu = cpu_seconds() - f->log->cpu;
	f->counting = f->asking = false;
	for (end = now + (uint64_t)(p->grace * 1e9); f->outstanding > 0 && now < end;)
		if (!turn(f, &now))
			return;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL); /* a signal may end it early */
}

/* One request at each tick; after a late reply the next one goes at once, and missed ticks are left out. */
static void fly_paced(struct flight *f)
{
	struct craft *c = &f->crafts[0];
	uint64_t start = now_ns(), now = start, every = (uint64_t)(f->plan->every * 1e9), tick = start;
	uint64_t end = start + (uint64_t)(f->plan->seconds * 1e9);
	start_counting(f);
	while (now < end && !is_stopped(f)) {
		if (!ask_more(f, c, now_ns()))
			return;
		while (c->outstanding > 0) {
			f->asking = false;
			if (!turn(f, &now))
				return;
		}
		f->asking = true;
		tick += every;
		if (tick > now)
			sleep_until(tick);
		else
			tick = now;
	}
	f->log->seconds = (double)(now - start) / 1e9;
	f->log->cpu = cpu_seconds() - f->log->cpu;
}

bool flight_fly(const struct flight_plan *plan, struct flight_log *log)
{
	assert(plan->connections > 0 && plan->pipeline > 0 && plan->ring->count > 0);
	struct flight f = {.plan = plan, .log = log, .epoll = -1, .window = 4, .asking = true};
	*log = (struct flight_log){0};
	while (f.window < 4 * plan->pipeline)
		f.window *= 2;
	if (plan->connections > 1)
		f.epoll = epoll_create1(EPOLL_CLOEXEC);
	f.crafts = mem_zero(plan->connections * sizeof *f.crafts);
	f.bytes = mem_alloc(READ_BYTES);
	uint32_t boarded = 0;
	while (boarded < plan->connections && board(&f, &f.crafts[boarded], boarded))
		boarded++;
	if (!f.failed && plan->every > 0)
		fly_paced(&f);
	else if (!f.failed)
		fly_all(&f);
	log->drained = f.outstanding == 0;
	for (uint32_t i = 0; i < boarded; i++) {
		close(f.crafts[i].fd);
		free(f.crafts[i].sent_at);
	}
	if (f.epoll >= 0)
		close(f.epoll);
	free(f.crafts);
	free(f.bytes);
	return !f.failed;
}
